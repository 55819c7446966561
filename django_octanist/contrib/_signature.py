"""What the signature of a Django Ninja operation, and the schemas in it, tell of the data that it takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel, EmailStr, RootModel, SecretBytes, SecretStr

from ..detection import is_secret_name
from ..mapping import SEPARATOR

_Schema = type[BaseModel]

ANY = "*"
"""The end of what stands for all names that begin like it."""

_DEEPEST = 4
"""How far down names of nested schemas are told from wrong ones: they may hold each other."""

_BODY = ("body", "form")


class Known(NamedTuple):
    """What is known of a field."""

    names: tuple[str, ...]
    """All that it is called: in Python, and in JSON."""
    input_type: str = ""
    """What an ``<input>`` for it would be."""

    def speaks_of_a_secret(self, *, outer: Collection[str]) -> bool:
        """Whether one of its names is a secret's, within what is called one of ``outer``: ``card``, ``number``."""
        return any(is_secret_name(f"{around} {name}") for around in outer or ("",) for name in self.names)


class Parameter(NamedTuple):
    """What an operation's signature tells of an argument, before there is one."""

    name: str
    known: Known
    is_body: bool
    is_key: bool
    """Whether it is one of several things in the body, where its name stands."""
    is_of_the_query: bool
    """Whether it is a single value there."""
    schemas: tuple[_Schema, ...]
    """Which it may be."""
    items: tuple[_Schema, ...]
    """Which a list that it may be is of."""
    is_single: bool
    """Whether it may be a value that is a field by the argument's own name."""
    is_open: bool
    """Whether it may be a schema, a list of some or a mapping, whose fields the signature does not tell."""

    def is_sent(self, query: Collection[str]) -> bool:
        """Whether the visitor sent it, whose URL has the ``query``: an operation's defaults are its own."""
        return not self.is_of_the_query or any(name in query for name in self.known.names)


class Names(frozenset[str]):
    """Names, of which some stand for others: see :data:`ANY`."""

    def __contains__(self, name: object) -> bool:
        beginnings = tuple(known.removesuffix(ANY) for known in self if known.endswith(ANY))
        return super().__contains__(name) or str(name).startswith(beginnings)


def read_parameters(parameters: Iterable[Any]) -> tuple[Parameter, ...]:
    """Return what Django Ninja's own ``parameters`` tell, of those that a visitor fills in, what is in the body first.

    Headers and cookies are the browser's: they hold sessions and tokens. A path has what a schema wants of it: else it
    says where, not what. Of a ``PatchDict``, whose fields have lost what they were, nothing is read.
    """
    parameters = list(parameters)
    in_body = [parameter for parameter in parameters if _source(parameter) in (*_BODY, "file")]
    read = [_parameter(parameter, is_alone=len(in_body) == 1) for parameter in parameters if _is_filled_in(parameter)]
    return tuple(sorted(read, key=lambda parameter: not parameter.is_body))


def _source(parameter: Any) -> str:
    return str(parameter.source._param_source())


def _is_filled_in(parameter: Any) -> bool:
    choices = list(_choices(parameter.annotation))
    if any(hasattr(choice, "_wrapped_model") for choice in choices if _is_mapping(choice)):
        return False
    in_path = _source(parameter) == "path" and any(map(_is_schema, choices))
    return in_path or _source(parameter) in (*_BODY, "query")


def _parameter(parameter: Any, *, is_alone: bool) -> Parameter:
    choices = list(_choices(parameter.annotation))
    items = [item for choice in choices for item in _choices_of_items(choice)]
    return Parameter(
        name=parameter.name,
        known=describe(parameter.name, parameter.source, annotation=parameter.annotation),
        is_body=_source(parameter) in _BODY,
        is_key=_source(parameter) == "body" and not is_alone,
        is_of_the_query=_source(parameter) == "query" and not any(map(_is_schema, choices)),
        schemas=tuple(filter(_is_schema, choices)),
        items=tuple(filter(_is_schema, items)),
        is_single=any(map(_is_value, choices)),
        is_open=any(_is_open(kind) or _is_unsettled(kind) or _is_mapping(kind) for kind in (*choices, *items)),
    )


def joined(schemas: Iterable[_Schema]) -> set[str]:
    """Return what the fields of ``schemas`` are called in a mapping."""
    return {SEPARATOR.join(path) for schema in schemas for path in _paths(schema)}


def describe(name: str, field: Any, *, annotation: Any) -> Known:
    """Return what ``field`` of Pydantic says of itself, which is called ``name`` in Python."""
    aliases = (field.alias, field.validation_alias, field.serialization_alias)
    names = dict.fromkeys([name, *(text for alias in aliases for text in _texts(alias))])
    return Known(tuple(names), _input_type(annotation, extra=field.json_schema_extra))


def _texts(alias: Any) -> Iterator[str]:
    if isinstance(alias, AliasChoices):
        for choice in alias.choices:
            yield from _texts(choice)
    elif isinstance(alias, AliasPath):
        yield " ".join(map(str, alias.path))
    elif alias:
        yield alias


def _input_type(annotation: Any, *, extra: Any) -> str:
    """By the type, or the ``format`` in the JSON schema."""
    if _speaks_of(annotation, SecretStr, SecretBytes):
        return "password"
    if _speaks_of(annotation, EmailStr):
        return "email"
    return str(extra.get("format", "")) if isinstance(extra, Mapping) else ""


def _speaks_of(annotation: Any, *types: Any) -> bool:
    inner = getattr(annotation, "__args__", ())
    return annotation in types or any(_speaks_of(item, *types) for item in inner)


def _paths(schema: _Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where the fields of ``schema`` are, with those of whatever nested schemas it may have."""
    if len(path) == _DEEPEST or not schema.__pydantic_complete__:
        yield (*path, ANY)
        return
    for name, field in schema.model_fields.items():
        choices = list(_choices(field.annotation))
        for inner in filter(_is_schema, choices):
            yield from _paths(inner, (*path, name))
        if not all(_is_schema(choice) or choice is type(None) for choice in choices):
            yield (*path, name)
        if any(map(_is_open, choices)) or _may_change(field.metadata):
            yield (*path, name, ANY)


def _choices(annotation: Any) -> Iterator[Any]:
    """What ``annotation`` may be, one by one; ``Any`` for what a validator may make of it."""
    if get_origin(annotation) is Annotated:
        inner, *further = get_args(annotation)
        yield from _choices(inner)
        if _may_change(further):
            yield Any
    elif get_origin(annotation) in (Union, UnionType):
        for inner in get_args(annotation):
            yield from _choices(inner)
    else:
        yield annotation


def _may_change(metadata: Iterable[Any]) -> bool:
    """Whether a validator in ``metadata`` may make another thing of what it is given."""
    return any(hasattr(item, "__get_pydantic_core_schema__") for item in metadata)


def _choices_of_items(kind: Any) -> Iterator[Any]:
    """What the items may be where ``kind`` is a list, or a schema whose root is one."""
    if _is_root(kind) and kind.__pydantic_complete__:
        for root in _choices(kind.model_fields["root"].annotation):
            yield from _choices_of_items(root)
    elif _is_list(kind):
        for inner in get_args(kind):
            yield from _choices(inner)


def _is_schema(kind: Any) -> bool:
    return isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, BaseModel)


def _is_unsettled(kind: Any) -> bool:
    """Whether ``kind`` is a schema whose fields are not known yet, or one that stands for what its root is."""
    return _is_root(kind) or (_is_schema(kind) and not kind.__pydantic_complete__)


def _is_root(kind: Any) -> bool:
    return _is_schema(kind) and issubclass(kind, RootModel)


def _is_list(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Collection) and not issubclass(origin, Mapping)


def _is_mapping(kind: Any) -> bool:
    """Whether ``kind`` has fields, or may have some, and is no schema."""
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and (issubclass(origin, Mapping) or is_dataclass(origin))


def _is_value(kind: Any) -> bool:
    """Whether ``kind`` is neither a schema nor a list of some nor what may be one, nor nothing."""
    others = (_is_schema, _is_open, _is_mapping)
    is_other = any(test(choice) for test in others for choice in (kind, *_choices_of_items(kind)))
    return not is_other and kind is not type(None)


def _is_open(kind: Any) -> bool:
    """Whether it is not known what ``kind`` is: ``Any``, a type variable, an alias, a name that is not resolved."""
    origin = get_origin(kind) or kind
    return origin in (Any, object) or not (isinstance(origin, type) or origin is Literal)
