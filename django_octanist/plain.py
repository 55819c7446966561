"""What a site's forms, serializers and own code hold, as plain JSON data: nothing of it raises.

A value may be any object, whose text may be the site's own code and ask the database.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from decimal import Decimal
from enum import Enum
from functools import singledispatch
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.core.files.base import File
from django.db.models import Model, QuerySet
from django.db.models.manager import BaseManager
from django.utils.functional import Promise

from .exceptions import describe
from .text import MAX_ITEMS, clean_line
from .transactions import savepoints
from .vocabulary import MAX_LENGTH

logger = logging.getLogger("django_octanist")

MAX_DEPTH = 100
"""Levels of nested data that are looked through."""
TOO_DEEP = "(nested too deep)"
MOST_DIGITS = 100
"""Digits of a number that stands as text: more are no contact, and Python turns no more than 4,300 into text."""

_AS_THEY_ARE = {str, int, float, bool, type(None)}


def as_json(value: Any, *, depth: int = MAX_DEPTH) -> Any:
    """Return ``value`` as JSON data: what has items as a list or an object, files by their names, the rest as text.

    What cannot be read is ``None``, and said in the log. Of each of ``depth`` levels, no more than ``text.MAX_ITEMS``
    items are returned: a lead keeps no more. Never raises.
    """
    if type(value) in _AS_THEY_ARE:
        return value
    try:
        # A lazy text has the methods of a text, and so looks like a collection of its letters.
        return _text_of(value) if isinstance(value, Promise) else _plain(value, depth=depth)
    except Exception as error:  # noqa: BLE001 - whatever the site's own object raises
        logger.warning(
            "Octanist: a value of the type %s cannot be read, and is left out: %s",
            type(value).__name__,
            describe(error),
        )
        return None


def as_text(value: Any) -> str:
    """Return JSON data as the text that a contact or a note is; ``""`` where there is nothing. Never raises."""
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, map(as_text, value)))
    if value is None or value == {}:
        return ""
    return _number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def is_blank(value: Any) -> bool:
    """Whether JSON data say nothing, as text: a field that nobody filled in, or with nothing that can be seen."""
    return not clean_line(as_text(value))


def is_scalar(value: Any) -> bool:
    """Whether JSON data can be a contact: text or a number. Yes and no are neither."""
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _number(value: float) -> str:
    """A phone number may come as a JSON number, or from a spreadsheet as ``31612345678.0``, and be missing as a NaN."""
    if not -(10**MOST_DIGITS) < value < 10**MOST_DIGITS:
        return ""
    return str(int(value)) if value == math.floor(value) else str(value)


@singledispatch
def _plain(value: Any, *, depth: int) -> Any:
    """An object by its text; where its class has none, a dataclass by its fields and what is iterated by its items."""
    kind: Any = type(value)
    if kind.__str__ is object.__str__:
        if dataclasses.is_dataclass(value):
            return _mapping(
                {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, depth=depth
            )
        if isinstance(value, Iterable) and not isinstance(value, Iterator):
            return _listed(value, depth=depth)
        if kind.__repr__ is object.__repr__ or isinstance(value, Iterator):
            # An address in memory is no text; and what can be read but once is somebody else's to read.
            raise TypeError("no text")
    with savepoints():
        return _text_of(value)


def _text_of(value: object) -> str:
    return str.__str__(str(value))


@_plain.register(str)
def _text(value: str, **_level: int) -> str:
    # Of a subclass (text that is safe in a template, an enumeration's value) the text alone.
    return str.__str__(value)


@_plain.register(int)
def _whole(value: int, **_level: int) -> int:
    return int.__int__(value)


@_plain.register(float)
def _float(value: float, **_level: int) -> float:
    return float.__float__(value)


@_plain.register(Enum)
def _enumerated(value: Enum, *, depth: int) -> Any:
    return as_json(value.value, depth=depth)


@_plain.register(Decimal)
@_plain.register(UUID)
@_plain.register(PurePath)
@_plain.register(datetime.timedelta)
def _standard(value: object, **_level: int) -> str:
    return str(value)


@_plain.register(datetime.date)
@_plain.register(datetime.time)
def _moment(value: datetime.date | datetime.time, **_level: int) -> str:
    return value.isoformat()


@_plain.register(bytes)
@_plain.register(bytearray)
@_plain.register(memoryview)
def _binary(value: bytes | bytearray | memoryview, **_level: int) -> str:
    return bytes(value[: MAX_LENGTH * 4]).decode(errors="replace")


@_plain.register(File)
def _file(value: Any, **_level: int) -> str:
    # An upload, or the file that a model's row has already.
    return PurePath(value.name or "").name


@_plain.register(Mapping)
def _mapping(value: Mapping[Any, Any], *, depth: int) -> Any:
    if not depth:
        return TOO_DEEP
    items = ((as_text(as_json(key)), item) for key, item in value.items())
    return {key: as_json(item, depth=depth - 1) for key, item in islice(items, MAX_ITEMS)}


@_plain.register(Collection)
def _listed(value: Iterable[Any], *, depth: int) -> Any:
    return [as_json(item, depth=depth - 1) for item in islice(value, MAX_ITEMS)] if depth else TOO_DEEP


@_plain.register(Set)
def _sorted(value: Set[Any], *, depth: int) -> Any:
    # Their order differs from process to process, and the same submission would be another one.
    listed = _listed(value, depth=depth)
    return sorted(listed, key=as_text) if isinstance(listed, list) else listed


@_plain.register(QuerySet)
def _rows(value: QuerySet[Any], *, depth: int) -> Any:
    try:
        # Their texts may ask the database, too: one savepoint for all, and only where that breaks one for each.
        with savepoints():
            found = list(value[:MAX_ITEMS])
            return [_text_of(row) if isinstance(row, Model) else as_json(row, depth=depth - 1) for row in found]
    except Exception:  # noqa: BLE001 - whatever a model's text raises
        with savepoints():
            found = list(value[:MAX_ITEMS])
        return _listed(found, depth=depth)


@_plain.register(BaseManager)
def _manager(value: BaseManager[Any], *, depth: int) -> Any:
    return _rows(value.all(), depth=depth)
