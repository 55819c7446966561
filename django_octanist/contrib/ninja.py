"""Django Ninja: ``captures_lead`` makes what an operation takes a lead. Sync, async and streaming.

In an operation of one's own, ``capture_lead(payload.dict(), request=request, form="contact")`` does without it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from functools import partial, wraps
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponseBase

from ..capture import acapture_lead, capture_lead, watch_rows
from ..conf import DEFAULT_ACCOUNT
from ..exceptions import OctanistConfigurationError
from ..mapping import FieldMapping, Leaf, by_api_name_nested, problem, with_nested, without_secret_leaves
from .missing import missing

try:
    from ninja.operation import AsyncOperation
    from ninja.utils import contribute_operation_callback
    from pydantic import BaseModel, RootModel

    from ._signature import ANY, Known, Names, Parameter, describe, joined, read_parameters
except ImportError as error:
    raise missing("ninja", package="django-ninja") from error

_Operation = TypeVar("_Operation", bound=Callable[..., Any])
_Data = Callable[[], dict[str, Any]]
_Path = tuple[str, ...]


def captures_lead(
    misplaced: object = None,
    /,
    *,
    form: str = "",
    account: str = DEFAULT_ACCOUNT,
    fields: FieldMapping | None = None,
    exclude: Collection[str] = (),
) -> Callable[[_Operation], _Operation]:
    """Capture what an operation was sent, once it has succeeded (2xx). Put it below ``@api.post(…)``.

    The data are the schemas among the operation's arguments, of body, form, query and path, and single values of body,
    form and query, by their names; headers and cookies are the browser's. What a field is is detected, or mapped by
    ``fields`` (as ``octanist_fields`` of a form). A nested schema's field is called ``contact__email``. Where the body
    is a list of schemas, each item is a lead. ``form`` defaults to the operation's name. A stream has succeeded once
    its first item is there, or it ends without one.

    Raises a configuration error where the operation takes nothing of that, or the mapping names no field of it, as far
    as the signature tells; the rest is logged when it is called.
    """
    if misplaced is not None:
        given = f"@captures_lead on {misplaced.__qualname__}" if inspect.isfunction(misplaced) else f"{misplaced!r}"
        raise OctanistConfigurationError(
            f'captures_lead takes arguments by name, in parentheses: write @captures_lead(form="contact"), not {given}.'
        )

    def decorate(function: _Operation) -> _Operation:
        named = {"form": form or function.__name__, "account": account}

        def wrap(operation: Any) -> None:
            # Its signature has been read by now: what is called need not have one.
            taken = operation.signature.params
            parameters = read_parameters(taken)
            reader = _Reader(owner=function.__qualname__, mapping=fields, exclude=exclude, parameters=parameters)
            reader.check(taken=[parameter.name for parameter in taken])
            operation.view_func = _wrapping(operation)(operation.view_func, reader, named)

        if hasattr(function, "_ninja_operation"):
            raise OctanistConfigurationError(f"{function.__qualname__}: put @captures_lead below @api.post, not above.")
        contribute_operation_callback(function, wrap)
        return function

    return decorate


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Makes an operation's arguments leads, as ``captures_lead`` was told."""

    owner: str
    mapping: FieldMapping | None
    exclude: Collection[str]
    parameters: tuple[Parameter, ...]

    def check(self, *, taken: Collection[str]) -> None:
        """Raise a configuration error for what cannot work, whatever is sent. ``taken`` are all arguments' names."""
        if not self.parameters:
            raise OctanistConfigurationError(
                f"{self.owner} takes nothing that a visitor fills in: call capture_lead() in it, from"
                f" django_octanist.capture, instead of @captures_lead. (It takes: {', '.join(taken) or 'nothing'}.)"
            )
        self._check_names({ANY} if self._is_open() else ())

    def leads(self, arguments: Mapping[str, Any], *, query: Collection[str]) -> list[_Data]:
        """Return what reads each lead that ``arguments`` make. ``query`` is the URL's."""
        arguments = {one.name: arguments.get(one.name) for one in self.parameters if one.is_sent(query)}
        lists = {}
        for parameter in self._lists():
            found = _items(arguments.get(parameter.name))
            if found or (found is not None and parameter.items):
                lists[parameter.name] = found
        if not lists:
            return [partial(self._data, arguments)]
        shared = {name: value for name, value in arguments.items() if name not in lists}
        return [partial(self._data, {**shared, name: item}) for name, items in lists.items() for item in items]

    def _data(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return one lead's data by API names, the rest under ``custom``; ``{}`` where nothing was sent."""
        leaves: dict[str, Leaf] = {}
        for parameter in self.parameters:
            for leaf in _leaves_of(parameter, arguments.get(parameter.name)):
                leaves.setdefault(leaf.field.name, leaf)
        if self._is_open():
            self._check_names({*leaves, *self._found(arguments)})
        return by_api_name_nested(leaves.values(), mapping=self.mapping, exclude=self.exclude)

    def _found(self, arguments: Mapping[str, Any]) -> Iterator[str]:
        """What fields are called of which only ``arguments`` show that there are such."""
        for parameter in self.parameters:
            value = arguments.get(parameter.name)
            if isinstance(value, BaseModel):
                yield from joined([type(value)])
            elif parameter.is_open:
                yield ANY

    def _is_open(self) -> bool:
        return any(parameter.is_open for parameter in self.parameters)

    def _lists(self) -> list[Parameter]:
        """What may be a list each item of which is a lead. Beside the body's own schema it is part of that lead."""
        body = [parameter for parameter in self.parameters if parameter.is_body]
        alone = [one for one in body if not any(other.schemas for other in body if other is not one)]
        return [parameter for parameter in alone if parameter.items or parameter.is_open]

    def _check_names(self, further: Collection[str]) -> None:
        """Raise where the mapping names neither a field that the signature tells nor a ``further`` one."""
        if not (self.mapping or self.exclude):
            return
        names = Names({*self._names(), *further})
        exclude = self.exclude if isinstance(self.exclude, str) else with_nested(self.exclude, names=names)
        mapping = {} if self.mapping is None else self.mapping
        wrong = problem(mapping, exclude=exclude, fields=names, owner=self.owner, of="operation", prefix="")
        if wrong:
            raise OctanistConfigurationError(wrong)

    def _names(self) -> Iterator[str]:
        lists = self._lists()
        for parameter in self.parameters:
            yield from joined(parameter.schemas)
            if parameter.items:
                yield from joined(parameter.items) if parameter in lists else [parameter.name]
            if parameter.is_single:
                yield parameter.name


def _wrapping(operation: Any) -> Callable[..., Callable[..., Any]]:
    """What is to be put around the function of ``operation``, by how Django Ninja will call it."""
    is_stream = getattr(operation, "stream_format", None) is not None
    if isinstance(operation, AsyncOperation):
        return _asynchronous_stream if is_stream else _asynchronous
    return _synchronous_stream if is_stream else _synchronous


def _synchronous(view: Callable[..., Any], reader: _Reader, named: Any) -> Callable[..., Any]:
    @wraps(view)
    def capturing(request: HttpRequest, **arguments: Any) -> Any:
        made = watch_rows()
        result = view(request, **arguments)
        if _has_succeeded(result):
            leads = reader.leads(arguments, query=request.GET)
            _capture(leads, request=request, row=_row_of(leads, made=made()), **named)
        return result

    return capturing


def _asynchronous(view: Callable[..., Any], reader: _Reader, named: Any) -> Callable[..., Any]:
    @wraps(view)
    async def capturing(request: HttpRequest, **arguments: Any) -> Any:
        made = watch_rows()
        result = await view(request, **arguments)
        if _has_succeeded(result):
            leads = reader.leads(arguments, query=request.GET)
            await _acapture(leads, request=request, row=_row_of(leads, made=made()), **named)
        return result

    return capturing


# A stream has succeeded once its first item is there, with which the answer begins: whoever goes away later on has
# been answered. It may also end without one.


def _synchronous_stream(view: Callable[..., Any], reader: _Reader, named: Any) -> Callable[..., Any]:
    def followed(items: Iterable[Any], leads: list[_Data], request: HttpRequest) -> Iterator[Any]:
        for item in items:
            _capture(leads, request=request, **named)
            yield item
        _capture(leads, request=request, **named)

    @wraps(view)
    def capturing(request: HttpRequest, **arguments: Any) -> Iterator[Any]:
        return followed(view(request, **arguments), reader.leads(arguments, query=request.GET), request)

    return capturing


def _asynchronous_stream(view: Callable[..., Any], reader: _Reader, named: Any) -> Callable[..., Any]:
    async def followed(items: AsyncIterable[Any], leads: list[_Data], request: HttpRequest) -> AsyncIterator[Any]:
        async for item in items:
            await _acapture(leads, request=request, **named)
            yield item
        await _acapture(leads, request=request, **named)

    @wraps(view)
    def capturing(request: HttpRequest, **arguments: Any) -> AsyncIterator[Any]:
        return followed(view(request, **arguments), reader.leads(arguments, query=request.GET), request)

    return capturing


def _row_of(leads: list[_Data], *, made: object) -> object:
    """The row that an operation ``made``, where nobody can doubt which of its ``leads`` that is."""
    return made if len(leads) == 1 else None


def _capture(leads: list[_Data], **told: Any) -> None:
    """Capture ``leads``, of which none is left."""
    while leads:
        capture_lead(leads.pop(0), **told)


async def _acapture(leads: list[_Data], **told: Any) -> None:
    """Do as :func:`_capture`, from async code."""
    while leads:
        await acapture_lead(leads.pop(0), **told)


def _has_succeeded(result: Any) -> bool:
    """Whether an operation that returns ``result`` answers with 2xx."""
    status: Any = 200
    if isinstance(result, tuple) and len(result) == 2:
        status = result[0]
    elif isinstance(result, HttpResponseBase) or type(result).__module__ == "ninja.responses":
        status = getattr(result, "status_code", 200)
    return not isinstance(status, int) or 200 <= status < 300


def _items(value: Any) -> list[Any] | None:
    """What has fields in ``value`` where that is a list; ``None`` where it is none."""
    value = value.root if isinstance(value, RootModel) else value
    return [item for item in map(_mapped, value) if isinstance(item, (BaseModel, Mapping))] if _is_list(value) else None


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _mapped(value: Any) -> Any:
    """``value``, as a mapping where it is a dataclass."""
    fields = dataclass_fields(value) if is_dataclass(value) else None
    return value if fields is None else {field.name: getattr(value, field.name, None) for field in fields}


def _leaves_of(parameter: Parameter, value: Any) -> Iterator[Leaf]:
    """The fields of the argument that ``value`` is, or the one that it is itself."""
    value = _mapped(value)
    if isinstance(value, BaseModel):
        yield from _leaves(value, outer=parameter.known.names if parameter.is_key else ())
    elif isinstance(value, Mapping) and not parameter.is_key:
        for name, item in value.items():
            yield from _leaves_at((str(name),), item, known=Known((str(name),)))
    elif not (_is_list(value) and not value):
        yield from _leaves_at((parameter.name,), value, known=parameter.known)


def _leaves(schema: Any, path: _Path = (), *, outer: Collection[str], is_secret: bool = False) -> Iterator[Leaf]:
    """The fields of ``schema``, which is called ``outer`` where it is nested."""
    for name, field in type(schema).model_fields.items():
        known = describe(name, field, annotation=field.annotation)
        yield from _leaves_at((*path, name), getattr(schema, name), known=known, outer=outer, is_secret=is_secret)


def _leaves_at(
    path: _Path, value: Any, *, known: Known, outer: Collection[str] = (), is_secret: bool = False
) -> Iterator[Leaf]:
    """The field at ``path``; those of a schema for themselves."""
    hides = is_secret or known.speaks_of_a_secret(outer=outer)
    if isinstance(value, BaseModel):
        # A name that is a secret by itself only, as "pass", says nothing of what is in it.
        yield from _leaves(value, path, outer=known.names, is_secret=hides and bool(outer))
    elif value is not None:
        yield Leaf.of(path, _plain(value, outer=known.names), input_type="password" if hides else known.input_type)


def _plain(value: Any, *, outer: Collection[str]) -> Any:
    """``value`` with schemas in a list or a mapping as data, less what is secret in them."""
    value = _mapped(value)
    if isinstance(value, BaseModel):
        return without_secret_leaves(_leaves(value, outer=outer))
    if isinstance(value, Mapping):
        return {key: _plain(item, outer=(*outer, str(key))) for key, item in value.items()}
    return [_plain(item, outer=outer) for item in value] if _is_list(value) else value
