"""The pixel's session id: where it may stand in a request, and what can be one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..vocabulary import BY_NAME, SESSION_FIELD, SESSION_ID
from .found import NOTHING, Found

REFUSED = "refused"
"""How the source of a session id begins that was there, but cannot be one."""
MAX_NODES = 10_000
"""Values of a JSON body that are looked at for a session id."""


def read_session_id(raw: Any, *, source: str) -> Found:
    """Return the session id in ``raw`` if it can be one, else an empty value whose source says why not.

    Octanist does not document the format, and refuses a whole lead for a bad session id: so only what is
    plainly none (over-long, or with spaces, control or non-ASCII characters) is treated as missing.
    """
    if not isinstance(raw, str) or not raw:
        return NOTHING
    if len(raw) > BY_NAME[SESSION_ID].max_length:
        return Found("", f"{REFUSED}: too long ({source})")
    if not re.fullmatch(r"[\x21-\x7e]+", raw.strip(" ")):
        return Found("", f"{REFUSED}: unprintable ({source})")
    return Found(raw.strip(" "), source)


def first_session_id(*candidates: Found) -> Found:
    """Return the first usable session id; failing that the first refused one, so that it can be counted."""
    usable = [found for found in candidates if found.value]
    refused = [found for found in candidates if found.source]
    return (usable or refused or [NOTHING])[0]


def form_session_id(data: Mapping[str, Any], *, prefix: str = "") -> Found:
    """Return the session id in a form's ``data``, with and without the form's ``prefix``."""
    names = [SESSION_FIELD, f"{prefix}-{SESSION_FIELD}"] if prefix else [SESSION_FIELD]
    return first_session_id(*(read_session_id(data.get(name), source="form") for name in names))


def nested_session_id(value: Any) -> Found:
    """Return the session id in a JSON body, at any depth."""
    candidates = (read_session_id(raw, source="json") for raw in _nested(value, SESSION_FIELD))
    return first_session_id(*candidates)


def _nested(value: Any, key: str) -> Iterator[Any]:
    waiting, seen = [value], 0
    while waiting and seen < MAX_NODES:
        seen += 1
        item = waiting.pop(0) if seen < 100 else waiting.pop()
        if isinstance(item, Mapping):
            if key in item:
                yield item[key]
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
