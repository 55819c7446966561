"""Personal data as those see it who may not: enough to tell two leads apart, not to reach a person.

Which fields are personal is said by the vocabulary. The pixel session is masked, too: by it, a visit
is found at Octanist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .payload import FORM_KEY, SUBMISSION_KEY
from .vocabulary import BY_NAME, SESSION_ID

DOTS = "•••"
_SHOWN_DIGITS = 2
_FEWEST_DIGITS = 6


def mask_words(text: str) -> str:
    """Return the first letter of each word: ``J••• D•••``."""
    return " ".join(f"{word[0]}{DOTS}" for word in text.split())


def mask_email(address: str) -> str:
    """Return the first letters of the local part and of the domain, and the top-level domain: ``j•••@e•••.com``."""
    local, at, domain = address.strip().rpartition("@")
    if not (local and at and domain):
        return mask_words(address)
    _name, dot, top = domain.rpartition(".")
    return f"{local[0]}{DOTS}@{domain[0]}{DOTS}{dot}{top if dot else ''}"


def mask_phone(number: str) -> str:
    """Return the last two digits, where there are enough others: ``••• 78``."""
    digits = [character for character in number if character.isdigit()]
    return f"{DOTS} {''.join(digits[-_SHOWN_DIGITS:])}" if len(digits) >= _FEWEST_DIGITS else DOTS if number else ""


def mask_text(text: str) -> str:
    """Return dots for any text, ``""`` for none."""
    return DOTS if text else ""


def mask_json(value: Any) -> Any:
    """Return ``value`` with dots for all that it says; keys, which the site chose, and what is empty stay."""
    if isinstance(value, Mapping):
        return {key: mask_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask_json(item) for item in value]
    return value if value is None or value == "" else DOTS


_BY_FIELD = {
    "name": mask_words,
    "email": mask_email,
    "phone": mask_phone,
    "note": mask_text,
    SESSION_ID: mask_text,
}


def mask_payload(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload with its personal fields masked; what the lead is found by at Octanist stays."""
    return {name: _mask_field(name, value) for name, value in body.items()}


def _mask_field(name: str, value: Any) -> Any:
    if name in _BY_FIELD:
        return _BY_FIELD[name](value)
    if not BY_NAME[name].personal:
        return value
    kept = {key: value[key] for key in (FORM_KEY, SUBMISSION_KEY) if key in value} if isinstance(value, Mapping) else {}
    masked = mask_json(value)
    return {**masked, **kept} if kept else masked


class Sight(NamedTuple):
    """How personal data is shown to somebody: :data:`PLAIN` or :data:`MASKED`. Each returns what is to be shown."""

    words: Callable[[str], str]
    email: Callable[[str], str]
    phone: Callable[[str], str]
    text: Callable[[str], str]
    """Of free text: a note, an error's message; and of the pixel session."""
    json: Callable[[Any], Any]
    payload: Callable[[Mapping[str, Any]], dict[str, Any]]


def _as_it_is(value: Any) -> Any:
    return value


PLAIN = Sight(words=str, email=str, phone=str, text=str, json=_as_it_is, payload=dict)
MASKED = Sight(
    words=mask_words, email=mask_email, phone=mask_phone, text=mask_text, json=mask_json, payload=mask_payload
)
