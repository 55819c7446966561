"""The pixel's script, as a copy: in this process's memory and in Django's default cache, fetched in the background.

Nobody waits for Octanist. What is older than :data:`FRESH_SECONDS` is still served, while a thread of ours asks for a
newer one; where Octanist does not answer, or answers with what is no script, the old one stays. The very first
visitor, before there is any, gets an empty script that is soon asked for again: ``{% octanist_pixel %}`` lets the
fetching begin with the page, so that the script is mostly there when the browser asks for it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from dataclasses import dataclass, field

from django.core.cache import cache
from django.db import connections

from .. import exchanges, process
from ..clock import elapsed
from ..conf import conf
from ..exceptions import EndpointError, OctanistError, describe

logger = logging.getLogger("django_octanist")

FRESH_SECONDS = 300.0
FETCH_SECONDS = 5.0
RETRY_SECONDS = 60.0
"""After a script could not be fetched."""
LOOK_SECONDS = 1.0
"""Between two looks into the cache of a process that has no script."""
MAX_SCRIPT = 512 * 1024
"""Bytes, decoded."""
LOOP = 508
"""Loop Detected: what the proxy answers to itself."""
THREAD_NAME = "octanist-pixel"
# RFC 9239, and the names before it that it calls obsolete.
CONTENT_TYPES = {
    *("text/javascript", "application/javascript", "application/x-javascript"),
    *("text/ecmascript", "application/ecmascript", "text/x-javascript"),
}


@dataclass(frozen=True, kw_only=True)
class Script:
    """A script as it was fetched from ``url``. ``fetched_at`` is in seconds since 1970, which processes share."""

    url: str
    body: bytes = field(repr=False)
    fetched_at: float

    @property
    def is_fresh(self) -> bool:
        """Whether it need not be asked for again."""
        return 0 <= time.time() - self.fetched_at < FRESH_SECONDS

    @property
    def etag(self) -> str:
        """By what it is, so that all processes and servers of a site say the same."""
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


class _Keeper:
    """What this process has, and whether a thread of it is fetching."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.script: Script | None = None
        self.is_fetching = False
        self.fetches_at = 0.0
        self.looks_at = 0.0
        """Not before these, on the clock of ``clock.elapsed()``."""

    def of(self, url: str) -> Script | None:
        return self.script if self.script is not None and self.script.url == url else None


_keeper = _Keeper()


def current() -> Script | None:
    """Return the script that there is now, or ``None``; where it is old, a newer one is fetched in the background."""
    url, keeper = conf.pixel_url, _keeper
    if keeper.of(url) is None and elapsed() >= keeper.looks_at:
        keeper.looks_at = elapsed() + LOOK_SECONDS
        keeper.script = _from_cache(url)
    found = keeper.of(url)
    warm()
    return found


def warm() -> None:
    """See to it that there is a fresh script soon; costs the caller nothing."""
    url, keeper = conf.pixel_url, _keeper
    script = keeper.of(url)
    if (script is None or not script.is_fresh) and process.may_start_threads():
        _fetch_apart(keeper, url)


def _fetch_apart(keeper: _Keeper, url: str) -> None:
    with keeper.lock:
        if keeper.is_fetching or elapsed() < keeper.fetches_at:
            return
        keeper.is_fetching = True
    try:
        threading.Thread(target=_run, args=[keeper, url], name=THREAD_NAME, daemon=True).start()
    except RuntimeError:  # no more threads, or the interpreter is ending
        keeper.is_fetching = False


def _run(keeper: _Keeper, url: str) -> None:
    try:
        _refresh(keeper, url)
    finally:
        keeper.is_fetching = False
        exchanges.close()
        connections.close_all()


def _refresh(keeper: _Keeper, url: str) -> None:
    """Take what another process has put into the cache, or fetch it. Never raises."""
    try:
        script = _from_cache(url)
        if script is None or not script.is_fresh:
            script = fetch(url)
            _to_cache(script)
        keeper.script = script
    except Exception as error:  # noqa: BLE001 - nobody is there to catch it
        keeper.fetches_at = elapsed() + RETRY_SECONDS
        logger.warning(
            "Octanist: the pixel's script could not be fetched%s: %s",
            "" if keeper.of(url) is None else ", an older one is served",
            error if isinstance(error, OctanistError) else describe(error),
        )


def fetch(url: str) -> Script:
    """Return the script at ``url``.

    Raises :class:`OctanistError` where it cannot be had whole within :data:`FETCH_SECONDS`, is no script, or is larger
    than :data:`MAX_SCRIPT`.
    """
    fetched_at = time.time()
    answer = exchanges.send("GET", url, base=url, headers={"Accept": "*/*"}, seconds=FETCH_SECONDS, cap=MAX_SCRIPT)
    problem = _problem(answer)
    if problem:
        raise EndpointError(f"{url}: {problem}", status=answer.status)
    return Script(url=url, body=answer.text, fetched_at=fetched_at)


def _problem(answer: exchanges.Answer) -> str:
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if answer.status == LOOP:
        return "that is this site's own proxy; OCTANIST_PIXEL_URL is Octanist's address"
    if answer.status != 200:
        return "not answered with a script"
    if not answer.whole:
        return f"larger than {MAX_SCRIPT} bytes" if len(answer.text) == MAX_SCRIPT else "the script was cut off"
    if kind not in CONTENT_TYPES:
        return "answered with something else than a script"
    return "" if _is_text(answer.text) else "what it answered is no script"


def _is_text(body: bytes) -> bool:
    """Whether ``body`` is text that does not begin as HTML does: such as a page that wants one to log in."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return bool(text.strip()) and not text.lstrip().startswith("<")


def _key(url: str) -> str:
    return f"octanist.pixel.{hashlib.sha256(url.encode()).hexdigest()[:32]}"


def _from_cache(url: str) -> Script | None:
    try:
        found = cache.get(_key(url))
    except Exception as error:  # noqa: BLE001 - whatever the site's cache raises, its pages go on
        logger.error("Octanist: the cache does not say whether it has the pixel's script: %s", describe(error))
        return None
    match found:
        case {"body": bytes(body), "fetched_at": float(fetched_at)}:
            return Script(url=url, body=body, fetched_at=fetched_at)
    return None


def _to_cache(script: Script) -> None:
    try:
        # For ever: while Octanist is away, the last one serves.
        cache.set(_key(script.url), {"body": script.body, "fetched_at": script.fetched_at}, timeout=None)
    except Exception as error:  # noqa: BLE001 - this process has it in memory
        logger.error("Octanist: the cache does not take the pixel's script: %s", describe(error))


def finish(seconds: float) -> None:
    """Wait, at most ``seconds``, until no thread of this process is fetching. For tests."""
    for thread in threading.enumerate():
        if thread.name == THREAD_NAME:
            thread.join(seconds)


def forget() -> None:
    """Begin anew, without a script. For tests."""
    global _keeper
    _keeper = _Keeper()


def _after_fork() -> None:
    """The script is the child's, too; the parent's thread is not, and its lock may be held."""
    script = _keeper.script
    forget()
    _keeper.script = script


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
