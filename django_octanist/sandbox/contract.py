"""The contract of ``POST /leads``: the body of a request becomes an accepted lead or a refusal.

Source: Octanist's public API documentation. In three points it is stricter, so that mistakes show during
development: a field that the documentation does not list, an empty string and a session id that is no UUID are
refused, where Octanist may overlook the first two and documents no form for the last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

from ..vocabulary import ATTRIBUTION, BY_NAME, CONSENT, CONTACT, SESSION_ID

MAX_BODY = 1024 * 1024
"""Bytes of a request's body that are read."""

IDENTIFYING = (*CONTACT, "custom")
"""The fields of which a lead needs at least one."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Refusal(Exception):  # noqa: N818
    """The API does not take the request: HTTP ``status``, error ``code``, ``message`` and ``details`` of the envelope.

    The message names fields and never their values.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "VALIDATION_ERROR",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.details = dict(details or {})


@dataclass(frozen=True, kw_only=True)
class AcceptedLead:
    """A lead as Octanist understands it.

    ``fields`` is the body as it was received. ``attribution`` is what a session is made from; beside a
    ``session_id`` it is empty, and what was sent is in ``ignored``. ``consent`` holds all four fields, with those
    that were not sent false, as the API's default is.
    """

    fields: dict[str, Any]
    session_id: str
    attribution: dict[str, str]
    consent: dict[str, bool]
    custom: dict[str, Any] | list[Any] | str | None
    ignored: dict[str, str]


def read_body(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``. Raises :class:`Refusal` where it is none."""
    try:
        data = json.loads(body.decode(), parse_constant=_no_constant)
        # A lone surrogate is valid JSON by its escape, and no text.
        json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Refusal("The body must be a JSON object in UTF-8.")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def accept(fields: Mapping[str, Any]) -> AcceptedLead:
    """Return what Octanist makes of ``fields``. Raises :class:`Refusal`, naming the fields at fault."""
    unknown = [name for name in fields if name not in BY_NAME]
    if unknown:
        raise _refusal("The API has no field {}.", unknown, shown=[_with_nearest(name) for name in unknown])
    for name, value in fields.items():
        problem = _CHECKS.get(name, _check_text)(value)
        if problem:
            raise _refusal(f"{{}} {problem}.", [name])
    if not any(fields.get(name) for name in IDENTIFYING):
        raise Refusal("At least one of " + ", ".join(IDENTIFYING) + " is required.")
    session_id = fields.get(SESSION_ID, "")
    attribution = {name: fields[name] for name in ATTRIBUTION if name in fields}
    return AcceptedLead(
        fields=dict(fields),
        session_id=session_id,
        attribution={} if session_id else attribution,
        consent={name: is_granted(fields.get(name)) for name in CONSENT},
        custom=fields.get("custom"),
        ignored=attribution if session_id else {},
    )


def is_granted(value: Any) -> bool:
    """Whether the API reads ``value`` as consent: ``true``, or the string ``true`` in any case. Nothing else is."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def as_text(custom: Any) -> str:
    """Return ``custom`` as the API gives it back: a string, JSON where it was none."""
    if custom is None or isinstance(custom, str):
        return custom or ""
    return json.dumps(custom, ensure_ascii=False, separators=(",", ":"))


def _refusal(message: str, names: list[str], *, shown: list[str] | None = None) -> Refusal:
    text = message.format(", ".join((shown or names)[:10]))
    return Refusal(text, details={"fields": [name[:80] for name in names[:10]]})


def _with_nearest(name: str) -> str:
    nearest = get_close_matches(name[:80], BY_NAME, n=1)
    return f"{name[:80]} (did you mean {nearest[0]}?)" if nearest else name[:80]


def _check_text(value: Any) -> str:
    if not isinstance(value, str):
        return "must be a string"
    return "" if value.strip() else "must not be empty: leave it out"


def _check_custom(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return ""
    return _check_text(value) if isinstance(value, str) else "must be a string, an object or an array"


def _check_consent(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    return _check_text(value) if isinstance(value, str) else "must be a boolean or a string"


def _check_session(value: Any) -> str:
    problem = _check_text(value)
    return problem or ("" if _UUID.fullmatch(value) else "must be a UUID, as the pixel makes it")


_CHECKS: dict[str, Callable[[Any], str]] = {
    "custom": _check_custom,
    SESSION_ID: _check_session,
    **dict.fromkeys(CONSENT, _check_consent),
}
