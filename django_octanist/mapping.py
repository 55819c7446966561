"""Which values of a form, or of what stands for one, make which field of a lead: as mapped, else as detected."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .detection import FormField, assign
from .plain import as_json, as_text, is_blank
from .vocabulary import BY_NAME, LEAD, PAGE

FieldMapping = Mapping[str, "str | Sequence[str]"]
"""API name → the name or names of the fields that make it (several are joined by a space)."""

SEPARATOR = "__"
"""Between the names of what is nested, as in ``contact__email``."""


class Leaf(NamedTuple):
    """A value of nested data: where it is, what is known of its field, and what it is."""

    path: tuple[str, ...]
    field: FormField
    value: Any

    @classmethod
    def of(cls, path: tuple[str, ...], value: Any, **field: str) -> Leaf:
        """Return the leaf at ``path``, whose ``field`` says as :class:`FormField` does."""
        return cls(path, FormField(name=SEPARATOR.join(path), **field), value)


def problem(
    mapping: Any, *, exclude: Any, fields: Collection[str], owner: str, of: str, prefix: str = "octanist_"
) -> str:
    """Return what is wrong with ``octanist_fields`` and ``octanist_exclude`` of ``owner``; ``""`` if nothing is.

    ``prefix`` is what the two names begin with there.

    ``fields`` are the fields there are ``of`` what is mapped (``"form"``).
    """
    if not isinstance(mapping, Mapping):
        return f"{owner}.{prefix}fields must be a dict of lead field to {of} field or fields, not {mapping!r}."
    if isinstance(exclude, str):
        return (
            f"{owner}.{prefix}exclude must be a tuple or list of {of} fields, not a string: did you mean"
            f" ({exclude!r},)?"
        )
    there_are = f"which is no field of the {of}. Its fields: {', '.join(sorted(fields)) or 'none'}."
    for lead_field, names in mapping.items():
        if lead_field not in BY_NAME:
            return (
                f"{owner}.{prefix}fields maps {lead_field!r}, which is no field of a lead."
                f" Use one of: {', '.join(BY_NAME)}."
            )
        for name in listed(names):
            if name not in fields:
                return f"{owner}.{prefix}fields maps {lead_field!r} to {name!r}, {there_are}"
    unknown = [name for name in exclude if name not in fields]
    return f"{owner}.{prefix}exclude names {unknown[0]!r}, {there_are}" if unknown else ""


def by_api_name(
    values: Mapping[str, Any],
    *,
    fields: Iterable[FormField],
    mapping: FieldMapping | None = None,
    exclude: Collection[str] = (),
) -> dict[str, Any]:
    """Return the ``values`` of ``fields`` by API names, with what is left over under ``custom``, less secrets."""
    mapped = {lead_field: listed(names) for lead_field, names in (mapping or {}).items()}
    used = {name for names in mapped.values() for name in names}
    open_fields = [field for field in fields if field.name not in used and field.name not in exclude]
    open_fields = [field for field in open_fields if not field.is_secret]
    plain = {name: as_json(values.get(name)) for name in (*used, *(field.name for field in open_fields))}
    data = {lead_field: _joined(plain, names) for lead_field, names in mapped.items()}
    for field in open_fields:
        # A field called "website" asks for the visitor's own: the page that the form is on is known without it.
        if field.name in BY_NAME and field.name not in (*LEAD, *PAGE):
            data.setdefault(field.name, plain[field.name])
            used.add(field.name)
    blank = {name for name, value in plain.items() if is_blank(value)}
    for lead_field, names in assign(open_fields, taken=mapped, blank=blank).items():
        data[lead_field] = _joined(plain, names)
        used.update(names)
    left_over = {field.name: plain[field.name] for field in open_fields if field.name not in used}
    own = data.get("custom")
    data["custom"] = own if own and not left_over else {**({"custom": own} if own else {}), **left_over}
    return {name: value for name, value in data.items() if value not in (None, "", {})}


def by_api_name_nested(
    leaves: Iterable[Leaf], *, mapping: FieldMapping | None = None, exclude: Collection[str] = ()
) -> dict[str, Any]:
    """Return nested data as :func:`by_api_name` does, with what is left over as it was nested.

    What is nested is called ``contact__email``. A field of its own comes before one of what is nested beside it.
    """
    ordered = sorted(leaves, key=lambda leaf: len(leaf.path))
    paths = {leaf.field.name: leaf.path for leaf in ordered}
    values = {leaf.field.name: leaf.value for leaf in ordered}
    fields = [leaf.field for leaf in ordered]
    data = by_api_name(values, fields=fields, mapping=mapping, exclude=with_nested(exclude, names=paths))
    if isinstance(data.get("custom"), Mapping):
        data["custom"] = _nested(data["custom"], paths=paths)
    return data


def with_nested(exclude: Collection[str], *, names: Collection[str]) -> list[str]:
    """Return ``exclude``, with all ``names`` that are nested below a name that it has."""
    expanded: list[str] = []
    for name in exclude:
        expanded += [other for other in names if other.startswith(f"{name}{SEPARATOR}")] or [name]
    return expanded


def without_secret_leaves(leaves: Iterable[Leaf]) -> dict[str, Any]:
    """Return what is no secret of ``leaves``, for an item of a list, as it was nested."""
    kept = {leaf.field.name: leaf for leaf in leaves if not leaf.field.is_secret}
    values = {name: leaf.value for name, leaf in kept.items()}
    return _nested(values, paths={name: leaf.path for name, leaf in kept.items()})


def _nested(values: Mapping[str, Any], *, paths: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *outer, last = paths.get(name, (name,))
        place = nested
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    return nested


def listed(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return ``names``, of which there may be but one."""
    return (names,) if isinstance(names, str) else tuple(names)


def _joined(values: Mapping[str, Any], names: Sequence[str]) -> Any:
    found = [values.get(name) for name in names]
    return found[0] if len(found) == 1 else " ".join(filter(None, (as_text(value).strip() for value in found)))
