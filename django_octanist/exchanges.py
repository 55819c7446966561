"""One HTTP exchange with Octanist: over connections that a thread keeps, within one deadline, with a bounded answer.

Redirects are never followed, cookies not kept and ``.netrc`` not read; TLS is always verified. The environment's
proxies and CA bundle are honoured (resolved once per session).
"""

from __future__ import annotations

import logging
import math
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.utils import get_environ_proxies

from . import __version__
from .clock import elapsed
from .conf import is_loopback
from .exceptions import TransientError, UncertainError
from .transport import DeadlineAdapter, exchange

USER_AGENT = f"django-octanist/{__version__}"
MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read, after decoding."""
IDLE_SECONDS = 20.0
"""Seconds after which an unused connection is not trusted any more: the other side may have dropped it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer: ``text`` is the decoded body as far as it was read, ``whole`` says whether that was all.

    ``set_cookies`` are the values of its ``Set-Cookie`` headers, one each.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    text: bytes = field(repr=False)
    whole: bool
    set_cookies: tuple[str, ...] = field(repr=False, default=())


def send(
    method: str,
    url: str,
    *,
    base: str,
    headers: Mapping[str, str],
    seconds: float,
    json: Any = None,
    data: bytes | None = None,
    params: Mapping[str, str] | None = None,
    cap: int = MAX_ANSWER,
    until: float = math.inf,
) -> Answer:
    """Send one request to ``url``, over the connections kept for ``base``; read at most ``cap`` bytes of the answer.

    It may take ``seconds`` in all, and not beyond ``until`` on the clock of ``clock.elapsed()``: later no byte leaves.
    ``headers`` are sent as they are, which must be fit for it. Raises :class:`TransientError` where no connection came
    about, :class:`UncertainError` where the request left and no full answer came.
    """
    exchange.begin(seconds=seconds, until=until)
    session = _session(base)
    failure: type[Exception] | None = None
    try:
        request = session.prepared(method, url, params=params)
        request.headers.update(headers)
        if json is not None or data is not None:
            request.prepare_body(data, None, json=json)
        # The adapter alone: what the session would add (cookies, redirects) is not wanted.
        adapter = session.get_adapter(url)
        response = adapter.send(request, stream=True, timeout=seconds, verify=_ca_bundle(), proxies=session.proxies)
        return _read(response, cap=cap)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        failure = type(error)
    finally:
        _local.used_at = elapsed()
    # Raised outside the handler: what requests raises holds the request, with its key and its body.
    if exchange.sent or not session.is_tracked:
        raise UncertainError(f"no full answer within {seconds:g} s or before the connection broke ({failure.__name__})")
    raise TransientError(f"no connection to {base} ({failure.__name__})")


def _read(response: requests.Response, *, cap: int) -> Answer:
    """Read the body in small steps: a few compressed bytes may stand for very many."""
    text, whole = bytearray(), True
    with response:
        try:
            while whole and (piece := response.raw.read(1024, decode_content=True)):
                text += piece
                whole = len(text) <= cap
        except (urllib3.exceptions.HTTPError, OSError):
            # The status stands; the body counts as cut off.
            whole = False
    return Answer(
        status=response.status_code,
        headers=response.headers,
        text=bytes(text[:cap]),
        whole=whole,
        set_cookies=tuple(response.raw.headers.getlist("Set-Cookie")),
    )


class _Session(requests.Session):
    """A session that keeps what is the same in every request: preparing one anew takes longer than sending it."""

    def __init__(self) -> None:
        super().__init__()
        self._templates: dict[tuple[str, str], requests.PreparedRequest] = {}

    def prepared(self, method: str, url: str, *, params: Mapping[str, str] | None = None) -> requests.PreparedRequest:
        """Return a request of its own, with the session's headers, to which others and a body are added."""
        if params:
            return self.prepare_request(requests.Request(method, url, params=params))
        template = self._templates.get((method, url))
        if template is None:
            template = self._templates[method, url] = self.prepare_request(requests.Request(method, url))
        return template.copy()

    @property
    def is_tracked(self) -> bool:
        """Whether :mod:`.transport` sees when a request leaves. A SOCKS proxy has connections of its own."""
        return not any(proxy.lower().startswith("socks") for proxy in self.proxies.values())


class _Local(threading.local):
    session: _Session | None = None
    made_for: tuple[int, str] = (0, "")
    used_at = 0.0


_local = _Local()


def _session(base: str) -> _Session:
    """Return this thread's session, made anew after a fork, for another base, and when its connections are stale."""
    key = (os.getpid(), base)
    if _local.session is None or _local.made_for != key:
        close()
        _local.session, _local.made_for = _new_session(base), key
    elif elapsed() - _local.used_at > IDLE_SECONDS:
        # Drops the pooled connections; the session opens new ones.
        _local.session.close()
    return _local.session


def _new_session(base: str) -> _Session:
    session = _Session()
    session.trust_env = False
    # No proxy elsewhere reaches this machine: it would only be shown what is meant for a sandbox here.
    session.proxies = {} if is_loopback(urlsplit(base).hostname or "") else get_environ_proxies(base)
    session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"})
    for scheme in ("https://", "http://"):
        session.mount(scheme, DeadlineAdapter(pool_connections=2, pool_maxsize=1, max_retries=0))
    return session


def _ca_bundle() -> str | bool:
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def close() -> None:
    """Close this thread's connections, if it has any."""
    if _local.session is not None:
        _local.session.close()
        _local.session = None


class _WithoutSearch(logging.Filter):
    """Keeps a look-up's e-mail address out of the lines that urllib3 logs: requests, and headers it cannot read."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_search(argument) for argument in record.args)
        return True


def _without_search(argument: object) -> object:
    return re.sub(r"search=[^&\s]*", "search=…", argument) if isinstance(argument, str) else argument


for _name in ("urllib3.connectionpool", "urllib3.connection"):
    logging.getLogger(_name).addFilter(_WithoutSearch())
