"""Which page the visitor saw: what the browser says of it, and whether that is believed.

A ``Referer`` is of the page that the form stands on, if it is of the request's own origin. htmx says the same in
``HX-Current-URL``, whatever the page's referrer policy. A front end of another origin says it in ``X-Octanist-Page``,
which is believed of the origin that the browser names in ``Origin``: a browser sends a header of ours to another origin
only after that one has agreed to it (CORS preflight).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException

from ..text import clean_line
from ..vocabulary import PAGE_HEADER
from .query import MAX_QUERY

UNREADABLE = (
    *(SuspiciousOperation, BadRequest, RawPostDataException, MultiPartParserError),
    # Of a request made by hand, without a host, KeyError.
    *(OSError, ValueError, RecursionError, KeyError),
)
"""What Django raises of a request that cannot be read."""

_OURS = "HTTP_" + PAGE_HEADER.upper().replace("-", "_")
_HEADERS = (_OURS, "HTTP_HX_CURRENT_URL", "HTTP_REFERER")
_PORTS = {"http": 80, "https": 443}

_Origin = tuple[str, str, "int | None"]


def origin(parts: SplitResult) -> _Origin:
    """Return scheme, host and port of a URL, with the scheme's own port filled in (RFC 6454).

    Raises ``ValueError`` on a port that is none.
    """
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)


def may_bring_a_query(meta: Mapping[str, Any]) -> bool:
    """Whether one of the headers that name the page has a query. Most requests have none."""
    return "?" in meta.get("HTTP_REFERER", "") or "?" in meta.get(_OURS, "") or "?" in meta.get(_HEADERS[1], "")


def seen(request: HttpRequest) -> SplitResult | None:
    """Return the page that the visitor saw, of the first header that is believed; ``None`` where none is."""
    try:
        own = origin(urlsplit(f"{request.scheme}://{request.get_host()}"))
    except UNREADABLE:
        return None
    for header in _HEADERS:
        page = _split(request.META.get(header, ""))
        if page is not None and origin(page) in _believed(request, header, own=own):
            return page
    return None


def other_website(page: SplitResult, *, own: str) -> str:
    """Return scheme and host of ``page``; ``""`` where it is of the website ``own``."""
    if origin(page) == origin(urlsplit(own)):
        return ""
    host = f"[{page.hostname}]" if ":" in (page.hostname or "") else page.hostname
    return clean_line(f"{page.scheme}://{host}" + (f":{page.port}" if page.port else ""))


def _believed(request: HttpRequest, header: str, *, own: _Origin) -> list[_Origin]:
    caller = _split(request.META.get("HTTP_ORIGIN", "")) if header == _OURS else None
    return [own] if caller is None else [own, origin(caller)]


def _split(url: str) -> SplitResult | None:
    """The parts of a web page's URL; ``None`` of anything else."""
    try:
        parts = urlsplit(url[:MAX_QUERY])
        return parts if parts.scheme in _PORTS and origin(parts)[1] else None
    except ValueError:
        return None
