"""What Django REST framework's serializers say: their data as a lead's, as they were before they were saved."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from rest_framework import serializers

from ..detection import is_secret_name
from ..mapping import SEPARATOR, FieldMapping, Leaf, by_api_name_nested, without_secret_leaves
from ._built import present

KEPT = "_octanist_validated_data"
"""Where a serializer keeps its ``validated_data`` as they were before they were saved."""
FRAMEWORK = ("rest_framework.", "builtins")
"""How the modules begin whose serializers have the fields that they declare."""
FIELD_MAKERS = {"__init__", "get_fields", "get_field_names", "fields"}
"""What a serializer's class defines where its fields are others from request to request."""


def read_serializer(
    serializer: Any, *, mapping: FieldMapping | None = None, exclude: Collection[str] = ()
) -> dict[str, Any]:
    """Return the ``validated_data`` of ``serializer`` by API names, the rest under ``custom`` as it was nested.

    Left out are hidden fields, whose values are the site's own, and those with ``source="*"``, which have none. What
    ``mapping`` names and the serializer does not have is skipped.
    """
    leaves = list(_leaves(serializer, serializer.validated_data))
    names = {leaf.field.name for leaf in leaves}
    if isinstance(serializer, serializers.Serializer):
        names |= names_of(serializer)
    return by_api_name_nested(leaves, mapping=present(mapping or {}, fields=names), exclude=exclude)


def keep_when_saved(serializer: Any) -> None:
    """Have ``serializer`` keep a copy of its data when it is saved first: what saves it may take apart what is nested.

    Not before: what the view itself changes in them is to be seen.
    """
    if not hasattr(serializer, "save"):
        return
    save, is_saved = serializer.save, False

    def save_kept(*arguments: Any, **named: Any) -> Any:
        nonlocal is_saved
        if not is_saved:
            is_saved = True
            keep(serializer)
        return save(*arguments, **named)

    serializer.save = save_kept


def is_kept(serializer: Any) -> bool:
    """Whether ``serializer`` has a copy of its data."""
    return hasattr(serializer, KEPT)


def keep(serializer: Any) -> None:
    """Have ``serializer`` keep a copy of its data now."""
    # What cannot be read or copied, or is nested too deep for that, is read when it is captured.
    with suppress(Exception):
        setattr(serializer, KEPT, _copied(serializer.validated_data))


def _copied(value: Any) -> Any:
    """``value`` with dicts and lists of its own, in which the values are the same."""
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def saved_of(built: Collection[Any]) -> list[Any]:
    """Return which of the serializers that were ``built`` was saved: the last, or the last valid one, if any."""
    valid = [one for one in built if hasattr(one, "_validated_data") and not one.errors]
    saved = [one for one in valid if one.instance is not None]
    return (saved or valid)[-1:]


def items_of(serializer: Any) -> Iterator[Any]:
    """Yield the serializer of each item where there are many, else ``serializer``, with the data as they were kept."""
    kept = getattr(serializer, KEPT, None)
    if not isinstance(serializer, serializers.ListSerializer):
        yield serializer if kept is None else _with(serializer, data=kept, row=serializer.instance)
        return
    validated, rows = serializer.validated_data if kept is None else kept, serializer.instance
    has_rows = isinstance(rows, (list, tuple)) and len(rows) == len(validated)
    for number, data in enumerate(validated):
        yield _with(serializer.child, data=data, row=rows[number] if has_rows else None)


def _with(serializer: Any, *, data: Any, row: Any) -> Any:
    item = copy.copy(serializer)
    item._validated_data, item.instance = data, row
    return item


def _leaves(serializer: Any, data: Any, path: tuple[str, ...] = (), *, secret: bool = False) -> Iterator[Leaf]:
    """The fields of ``serializer`` whose values are in ``data``, those of nested serializers for themselves.

    A field is a secret, too, where its ``source`` is called like one, or that of a serializer around it.
    """
    if not isinstance(serializer, serializers.Serializer):
        yield from (Leaf.of((*path, str(name)), value) for name, value in data.items())
        return
    for name, field in _open(serializer.fields):
        value, hidden = _sourced(data, field.source_attrs), secret or is_secret_name(field.source)
        if isinstance(field, serializers.Serializer) and isinstance(value, Mapping):
            yield from _leaves(field, value, (*path, name), secret=hidden)
        elif value is not None and field.source_attrs:
            yield Leaf.of((*path, name), _without_secrets(field, value), **_described(field, secret=hidden))


def _described(field: Any, *, secret: bool) -> dict[str, str]:
    by_class = "email" if isinstance(field, serializers.EmailField) else ""
    return {
        "input_type": "password" if secret else str(field.style.get("input_type") or by_class),
        "autocomplete": str(field.style.get("autocomplete") or ""),
        "kind": type(field).__name__,
    }


def _open(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, field in fields.items():
        if not field.read_only and not isinstance(field, serializers.HiddenField):
            yield name, field


def _sourced(data: Any, source: list[str]) -> Any:
    for name in source:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _without_secrets(field: Any, value: Any) -> Any:
    """``value``, in which the items of a nested serializer with many keep what is no secret."""
    if not isinstance(field, serializers.ListSerializer) or not isinstance(value, list):
        return value
    return [without_secret_leaves(_leaves(field.child, item)) for item in value if isinstance(item, Mapping)]


def _fields(serializer: Any) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = serializer.fields
    return fields


def names_of(serializer: Any, *, fields: Callable[[Any], Mapping[str, Any]] = _fields) -> set[str]:
    """Return what the ``fields`` of ``serializer`` are called in a mapping."""
    names: set[str] = set()
    for name, field in _open(fields(serializer)):
        nested = isinstance(field, serializers.Serializer)
        names |= {f"{name}{SEPARATOR}{inner}" for inner in names_of(field, fields=fields)} if nested else {name}
    return names


def declared(serializer: Any) -> Mapping[str, Any]:
    """Return the fields that the serializer's class has, whichever of them were dropped for this request."""
    is_model = isinstance(serializer, serializers.ModelSerializer)
    declaring: Any = serializers.ModelSerializer if is_model else serializers.Serializer
    fields: Mapping[str, Any] = declaring.get_fields(serializer)
    return fields


def makes_own_fields(serializer: Any) -> bool:
    """Whether a class of the site's, not the framework's, says which fields ``serializer`` has, or one within it."""
    bases = [base for base in type(serializer).__mro__ if not base.__module__.startswith(FRAMEWORK)]
    nested = [field for field in serializer.fields.values() if isinstance(field, serializers.Serializer)]
    return any(vars(base).keys() & FIELD_MAKERS for base in bases) or any(map(makes_own_fields, nested))
