"""``register``: a model whose new rows become leads, by ``post_save``.

Rows that are created one by one are captured; changes, fixtures (``raw``) and ``bulk_create``, which sends no
signal, are not. For those there is :func:`django_octanist.capture.capture_lead`.

A row is one lead, through whichever class it was made: a registration also counts for proxies of its model, for
models that inherit from it, and for those of an abstract base. Where several count, the class's nearest does. Where
the row was saved by a form, a serializer or the like that makes leads itself, the row's lead is the only one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import ForeignObjectRel, Model, Value
from django.db.models.fields.related_descriptors import ReverseManyToOneDescriptor
from django.db.models.manager import BaseManager
from django.db.models.signals import post_save, pre_save
from django.http import HttpRequest

from .attribution import Visit, current_visit
from .capture import capture_row
from .conf import DEFAULT_ACCOUNT
from .exceptions import OctanistConfigurationError
from .vocabulary import BY_NAME

_Model = TypeVar("_Model", bound=type[Model])

Source = Any
"""Where a value comes from: a field path (``"company__name"``), a callable of the instance, or a constant: anything
that is neither text nor callable, or text in ``django.db.models.Value``."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A registered model and where its leads' values come from, by API name."""

    model: type[Model]
    form: str
    account: str
    values: Mapping[str, Source]
    when: Callable[[Any], bool] | None

    def data(self, instance: Model) -> dict[str, Any]:
        """Return the lead's data; ``{}``, which captures nothing, where ``when`` says no."""
        if self.when is not None and not self.when(instance):
            return {}
        return {name: _value(source, instance=instance) for name, source in self.values.items()}

    def problem(self) -> str:
        """Return the first field path that leads nowhere, as sentences; ``""`` where all is well."""
        for name, source in self.values.items():
            for path, shown in _paths(source):
                wrong = _wrong_part(path, model=self.model)
                if wrong:
                    return (
                        f"register() has {name}={shown}, but {wrong}. (Constant text: Value(…). Anything else, such as"
                        " rows that refer to it: a function of the row.)"
                    )
        return ""


REGISTRATIONS: dict[type[Model], Registration] = {}
"""What is registered, by model."""


def register(
    model: type[Model] | None = None,
    *,
    form: str = "",
    account: str = DEFAULT_ACCOUNT,
    when: Callable[[Any], bool] | None = None,
    **values: Source,
) -> Any:
    """Make new rows of ``model`` leads. A function, or a class decorator where ``model`` is left out.

    ``model`` may be abstract: then it stands for every model that inherits from it.

    ``values`` maps API names to a :data:`Source`; ``custom`` takes a mapping of names to sources, or a list of
    field paths. ``form`` defaults to the model's name. ``when(instance)`` says whether a row is a lead.

    Raises :class:`OctanistConfigurationError` for a name that is no API field, for values that identify nobody,
    and for a model that is registered already. Field paths are checked by ``manage.py check``.
    """
    _check_names(values)

    def connect(decorated: _Model) -> _Model:
        if decorated in REGISTRATIONS:
            raise OctanistConfigurationError(f"{decorated._meta.label} is registered already; unregister it first.")
        REGISTRATIONS[decorated] = Registration(
            model=decorated, form=form or decorated.__name__, account=account, values=values, when=when
        )
        # Of every model: a signal's sender is the class that was saved, not the one that it inherits from.
        pre_save.connect(_before_save, dispatch_uid=_UID)
        post_save.connect(_on_save, dispatch_uid=_UID)
        return decorated

    return connect if model is None else connect(model)


def unregister(model: type[Model]) -> None:
    """Make new rows of ``model`` no leads any more. Raises where it is not registered."""
    if REGISTRATIONS.pop(model, None) is None:
        registered = ", ".join(sorted(known._meta.label for known in REGISTRATIONS)) or "none"
        raise OctanistConfigurationError(f"{model._meta.label} is not registered. Registered: {registered}.")
    if not REGISTRATIONS:
        pre_save.disconnect(dispatch_uid=_UID)
        post_save.disconnect(dispatch_uid=_UID)


def registration_of(model: type[Model]) -> Registration | None:
    """Return the registration that counts for rows of ``model``: its own, or the nearest that it inherits."""
    return next((REGISTRATIONS[base] for base in model.__mro__ if base in REGISTRATIONS), None)


_UID = "django_octanist.registry"
_EXTENDS = "_octanist_extends_a_row"


def _before_save(*, sender: type[Model], instance: Model, raw: bool, using: str, **_more: Any) -> None:
    registration = None if raw or not instance._state.adding else registration_of(sender)
    if registration is not None:
        instance.__dict__[_EXTENDS] = _extends_a_row(instance, of=registration.model, using=using)


def _on_save(*, sender: type[Model], instance: Model, created: bool, raw: bool, **_more: Any) -> None:
    extends_a_row = instance.__dict__.pop(_EXTENDS, False)
    registration = registration_of(sender)
    if created and not raw and not extends_a_row and registration is not None:
        visit = current_visit()
        # What staff add in the admin is no visit of the person that the row is about.
        is_by_staff = visit is not None and visit.is_by_staff
        capture_row(
            instance,
            lambda: registration.data(instance),
            visit=Visit(HttpRequest()) if is_by_staff else None,
            form=registration.form,
            account=registration.account,
        )


def _extends_a_row(instance: Model, *, of: type[Model], using: str) -> bool:
    """Whether ``instance``, of a model that inherits from ``of``, adds to a row of ``of`` that is there already."""
    own, base = instance._meta.concrete_model, of._meta.concrete_model
    link = own._meta.parents.get(base) if own is not None and base is not None else None
    if link is None:
        return False
    keys = {getattr(instance, link.attname), getattr(instance, of._meta.pk.attname)} - {None}
    return bool(keys) and of._base_manager.using(using).filter(pk__in=keys).exists()


def _check_names(values: Mapping[str, Source]) -> None:
    unknown = [name for name in values if name not in BY_NAME]
    if unknown:
        raise OctanistConfigurationError(
            f"register() got {unknown[0]!r}, which is no field of a lead. Use one of: {', '.join(BY_NAME)}."
        )
    if not values.keys() & {"name", "email", "phone", "custom"}:
        raise OctanistConfigurationError("register() needs at least one of name, email, phone and custom.")


def _value(source: Source, *, instance: Model) -> Any:
    if isinstance(source, Value):
        return source.value
    if isinstance(source, Mapping):
        return {key: _value(item, instance=instance) for key, item in source.items()}
    if isinstance(source, (list, tuple)):
        return {path: _follow(path, instance=instance) for path in source}
    if isinstance(source, str):
        return _follow(source, instance=instance)
    return source(instance) if callable(source) else source


def _follow(path: str, *, instance: Model) -> Any:
    """Follow ``path`` from ``instance``; ``None`` where a relation on the way is empty. Methods are called."""
    value: Any = instance
    for part in path.split("__"):
        try:
            value = getattr(value, part)
        except ObjectDoesNotExist:
            return None
        if isinstance(value, BaseManager):
            # Any number of rows, and none yet. `manage.py check` says so; the lead does without.
            return None
        value = value() if callable(value) else value
        if value is None:
            return None
    return str(value) if isinstance(value, Model) else value


def _paths(source: Source) -> Iterator[tuple[str, str]]:
    """The field paths in ``source``, each with the part of ``source`` that has it, as one writes it."""
    if isinstance(source, str):
        yield source, repr(source)
    elif isinstance(source, Mapping):
        for key, item in source.items():
            yield from ((path, f"{{{key!r}: {shown}}}") for path, shown in _paths(item))
    elif isinstance(source, (list, tuple)):
        yield from ((item, f"[{item!r}]") for item in source if isinstance(item, str))


def _wrong_part(path: str, *, model: type[Model]) -> str:
    """Say which part of ``path`` is no attribute of its model; only relations can be followed without a row."""
    current: Any = model
    for part in path.split("__"):
        # An abstract model's relation may be to a name that only its children resolve.
        if current is None or isinstance(current, str):
            return ""
        if not hasattr(current, part):
            return f"{current._meta.label} has no {part!r}. Its fields: {', '.join(sorted(_fields(current)))}"
        if isinstance(getattr(current, part), ReverseManyToOneDescriptor):
            return f"{part!r} of {current._meta.label} is any number of rows, which no path can follow"
        try:
            current = current._meta.get_field(part).related_model
        except FieldDoesNotExist:
            current = None
    return ""


def _fields(model: type[Model]) -> Iterator[str]:
    """The fields that a path can follow: what leads to many rows is none, and a reverse one has its accessor's name."""
    for field in model._meta.get_fields():
        if not (field.one_to_many or field.many_to_many):
            yield str(field.get_accessor_name()) if isinstance(field, ForeignObjectRel) else field.name
