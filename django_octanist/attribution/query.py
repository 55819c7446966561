"""URL queries → UTM parameters and click IDs."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from django.contrib.auth import REDIRECT_FIELD_NAME

from ..text import clean_line
from ..vocabulary import BY_NAME, QUERY
from .cookies import first_of_doubled

MAX_QUERY = 16_384
"""Characters of a query string that are looked at."""

_DOUBLED = {"gclid", "wbraid", "gbraid"}


def parse_query(query: str, *, now_ms: int) -> dict[str, str]:
    """Return the UTM parameters and click IDs of a URL's ``query``, by their API names.

    Parameter names are matched in any case, values keep theirs. ``fbclid`` becomes Meta's ``fbc``
    (``fb.1.<first-seen milliseconds>.<fbclid>``), for which ``now_ms`` is the time. Where a login page keeps the
    address that it was asked for (``?next=/offer/%3Fgclid%3D…``), that address is read too.
    """
    pairs = _pairs(query)
    wanted = [_query_of(value) for name, value in pairs if name == REDIRECT_FIELD_NAME]
    found: dict[str, str] = {}
    for parameter, raw in [*pairs, *(pair for inner in wanted for pair in _pairs(inner))]:
        name = QUERY.get(parameter.lower())
        value = clean_line(raw, max_length=BY_NAME[name].max_length) if name else ""
        if name and value:
            found.setdefault(name, _final(name, value, now_ms=now_ms))
    return found


def _final(name: str, value: str, *, now_ms: int) -> str:
    if name == "fbc":
        return f"fb.1.{now_ms}.{value}"
    return first_of_doubled(value) if name in _DOUBLED else value


def fbclid_of(fbc: str) -> str:
    """Return the ``fbclid`` in a value of ``fbc``."""
    return fbc.partition(".")[2].partition(".")[2].partition(".")[2]


def _pairs(query: str) -> list[tuple[str, str]]:
    if len(query) > MAX_QUERY:
        # Less the parameter that the cut goes through: half a click ID is none.
        query = query[:MAX_QUERY].rpartition("&")[0]
    try:
        return parse_qsl(_text(query), max_num_fields=1000)
    except ValueError:
        return []


def _text(query: str) -> str:
    """Undo what WSGI does to bytes that a browser should have percent-encoded: it hands UTF-8 on as Latin-1."""
    if query.isascii():
        return query
    try:
        return query.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return query


def _query_of(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        return ""
