"""Where events go: to Octanist, within a second, or nowhere.

An upstream that fails again and again is left alone for a while, and only :data:`MOST_AT_ONCE` requests wait for it: a
slow Octanist takes a few threads of the site, for a second each, and no more. What cannot be forwarded is dropped.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from urllib.parse import urljoin

from .. import exchanges
from ..clock import elapsed
from ..conf import conf
from ..exceptions import EndpointError, OctanistError, TransientError, UncertainError
from .breaker import REST_SECONDS, Breaker

logger = logging.getLogger("django_octanist")

EVENT_SECONDS = 1.0
"""For one event in all, from connecting to the last byte. Name resolution has the operating system's own limit."""
MOST_AT_ONCE = 8
"""Events in flight per process."""
MOST_ANSWERED = 1024
"""Bytes of an answer that are read."""


class _Way:
    """This process's way to Octanist: what is known of it, and how many are on it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.breaker = Breaker()
        self.places = threading.BoundedSemaphore(MOST_AT_ONCE)

    def begin(self) -> bool:
        """Whether an event may go. Then :meth:`end` must follow."""
        if not self.places.acquire(blocking=False):
            return False
        with self.lock:
            now = elapsed()
            goes = self.breaker.lets_through(now=now)
            if goes:
                self.breaker = self.breaker.begun(now=now)
        if not goes:
            self.places.release()
        return goes

    def end(self, failure: OctanistError | None) -> None:
        """Note how it went."""
        with self.lock:
            before = self.breaker
            self.breaker = before.failed(now=elapsed()) if failure else before.succeeded()
            opens = self.breaker.is_open and not before.is_open
            closes = before.is_open and not self.breaker.is_open
        self.places.release()
        if opens:
            logger.warning("Octanist: the pixel's events are dropped for %g s at a time: %s", REST_SECONDS, failure)
        elif closes:
            logger.info("Octanist: the pixel's events are forwarded again.")


_way = _Way()


def forward(body: bytes, *, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Send one event; return the ``Set-Cookie`` headers that came back. Raises nothing where it did not arrive."""
    url = urljoin(conf.pixel_url, "e")
    way = _way
    if not way.begin():
        return ()
    failure: OctanistError | None = UncertainError("the event was not sent")
    try:
        answer = exchanges.send(
            "POST",
            url,
            base=url,
            headers={**headers, "Content-Type": "application/json"},
            seconds=EVENT_SECONDS,
            data=body,
            cap=MOST_ANSWERED,
        )
        failure = _failure(answer)
        return answer.set_cookies if failure is None else ()
    except OctanistError as error:
        failure = error
        return ()
    finally:
        way.end(failure)


def _failure(answer: exchanges.Answer) -> OctanistError | None:
    """What of ``answer`` speaks against the upstream. That it refuses an event (4xx) is the event's own matter."""
    if 300 <= answer.status < 400 or answer.status in (404, 405):
        return EndpointError("what answers beside OCTANIST_PIXEL_URL is not Octanist's pixel", status=answer.status)
    if answer.status >= 500 or answer.status in (408, 429):
        return TransientError("Octanist could not take the event", status=answer.status)
    return None


def forget() -> None:
    """Begin anew, as in a process that knows nothing. For tests, and after a fork: the parent's lock may be held."""
    global _way
    _way = _Way()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)
