"""Text from the outside, made fit for a database and an API: cleaned, then cut.

PostgreSQL refuses NUL, UTF-8 cannot carry a lone surrogate, and control characters have no place in a lead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .vocabulary import MAX_LENGTH

# C0 and C1 control characters and DEL, but for tab and line feed, which a message may hold.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SPACE = re.compile(r"\s+")

MAX_ITEMS = 200
MAX_DEPTH = 8
MAX_JSON = 50_000
"""Characters of all strings in one ``custom`` object together."""


def clean_text(value: str, *, max_length: int = MAX_LENGTH) -> str:
    """Return ``value`` without control characters and lone surrogates, trimmed, at most ``max_length`` characters.

    Surrogate pairs are joined to the character that they stand for. Line breaks become ``\\n``.
    """
    # Nothing behind four times the cap can survive it; a value of 1 MB is not worth walking through.
    value = value[: max_length * 4]
    if not value.isascii():
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", value).strip()[:max_length].rstrip()


def clean_line(value: str, *, max_length: int = MAX_LENGTH) -> str:
    """Return ``value`` as :func:`clean_text` does, on one line: runs of white space become one space."""
    if len(value) <= max_length and value.isascii() and value.isprintable() and "  " not in value:
        # What nearly every value is; cleaning would change nothing else.
        return value.strip()
    return _SPACE.sub(" ", clean_text(value, max_length=max_length))


class _Budget:
    def __init__(self, characters: int) -> None:
        self.left = characters

    def take(self, value: str) -> str:
        value = clean_text(value, max_length=min(MAX_LENGTH, self.left)) if self.left > 0 else ""
        self.left -= len(value)
        return value


def clean_json(value: Any) -> Any:
    """Return ``value`` as plain JSON data with every string cleaned and cut.

    Mappings, sequences, strings, numbers, booleans and ``None`` stay what they are; anything else becomes its
    text. At most :data:`MAX_ITEMS` items a level, :data:`MAX_DEPTH` levels and :data:`MAX_JSON` characters.
    """
    return _clean(value, budget=_Budget(MAX_JSON), depth=MAX_DEPTH)


def _clean(value: Any, *, budget: _Budget, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, Mapping) and depth:
        items = list(value.items())[:MAX_ITEMS]
        return {budget.take(str(key)): _clean(item, budget=budget, depth=depth - 1) for key, item in items}
    if isinstance(value, (list, tuple, set, frozenset)) and depth:
        return [_clean(item, budget=budget, depth=depth - 1) for item in list(value)[:MAX_ITEMS]]
    return budget.take(_text(value))


def _text(value: Any) -> str:
    try:
        return str(value)
    except RecursionError:
        return "(nested too deep)"


def _number(value: float) -> float | str:
    """JSON knows no NaN and no infinity, and databases keep 64 bits: what does not fit stays readable as text."""
    if isinstance(value, int):
        # Python turns no more than 4,300 digits into text.
        return value if abs(value) < 2**63 else str(value) if abs(value) < 10**4000 else "(over 4,000 digits)"
    return value if value - value == 0 else str(value)
