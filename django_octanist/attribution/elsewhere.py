"""A request that another framework answers, in the shape that the readers of sessions, campaigns and consent take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, QueryDict, parse_cookie
from django.http.request import split_domain_port

from .page import UNREADABLE

_COOKIE = "HTTP_COOKIE"


class ElsewhereRequest(HttpRequest):
    """What ``headers`` and ``url`` say. Nothing that arrives in them raises."""

    def __init__(self, headers: Mapping[str, str], *, url: str, posted: Mapping[str, Any] | None) -> None:
        super().__init__()
        self._url = _split(url)
        self.method = "POST"
        # UTF-8 cannot carry a lone surrogate, and a path is escaped as that.
        self.path = self.path_info = unquote(self._url.path).encode(errors="replace").decode() or "/"
        named = _named(headers)
        self.META = {"QUERY_STRING": self._url.query, **named}
        self.COOKIES = parse_cookie(named.get(_COOKIE, ""))
        self.GET = _query(self._url.query)  # type: ignore[assignment]
        self.POST = QueryDict() if posted is None else posted  # type: ignore[assignment]

    @property
    def scheme(self) -> str:
        """The URL's own: nothing stands between it and whoever says it."""
        return self._url.scheme

    def get_host(self) -> str:
        """Return host and port of the URL. Raises ``DisallowedHost`` where they can be none."""
        host = self._url.netloc.rpartition("@")[2]
        if not split_domain_port(host)[0]:
            raise DisallowedHost("The URL has no host that could be one.")
        return host


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    """``headers`` by the names that Django gives them.

    The ``items()`` of other frameworks' headers have one pair for each line; HTTP/2 splits cookies over several
    (RFC 9113, section 8.2.3).
    """
    named: dict[str, str] = {}
    for name, value in headers.items():
        key = f"HTTP_{name.upper().replace('-', '_')}"
        named[key] = f"{named[key]}; {value}" if key == _COOKIE and key in named else value
    return named


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _query(text: str) -> QueryDict:
    try:
        return QueryDict(text)
    except UNREADABLE:
        return QueryDict()
