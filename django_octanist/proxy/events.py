"""An event as the pixel sends it: a JSON object, small, that names the measurement ID it is for."""

from __future__ import annotations

import json

from django.http import HttpRequest, UnreadablePostError

from ..conf import conf

MAX_BODY = 64 * 1024
"""Bytes."""


class NoEventError(Exception):
    """The request carries no event; ``status`` is the answer to it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


def read(request: HttpRequest) -> bytes:
    """Return the event that ``request`` carries, as it is; ``mid`` is added where it is missing.

    Raises :class:`NoEventError`: 413 where it is larger than :data:`MAX_BODY`, 400 where it is no JSON object.
    """
    body = _body(request)
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise NoEventError(400)
    pixel = conf.pixel
    if event.get("mid") or pixel is None:
        return body
    return json.dumps({**event, "mid": pixel.measurement_id}).encode()


def _body(request: HttpRequest) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdigit():
        raise NoEventError(400)
    if len(length) > 12 or int(length) > MAX_BODY:
        raise NoEventError(413)
    try:
        # Under ASGI a request need not say its length.
        body: bytes = request.read(MAX_BODY + 1)
    except UnreadablePostError as error:
        raise NoEventError(400) from error
    if len(body) > MAX_BODY:
        raise NoEventError(413)
    # As `request.body` does: a middleware that reads it after us would find a stream that was read already, and raise.
    request._body = body
    return body
