"""``register``: a model whose new rows become leads, by ``post_save``.

Rows that are created one by one are captured; changes, fixtures (``raw``) and ``bulk_create``, which sends no
signal, are not. For those there is :func:`django_octanist.capture.capture_lead`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import Model, Value
from django.db.models.signals import post_save

from .capture import capture_lead
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
        """Return the first field path that leads nowhere, as a sentence; ``""`` where all is well."""
        for name, source in self.values.items():
            for path in _paths(source):
                wrong = _wrong_part(path, model=self.model)
                if wrong:
                    label = self.model._meta.label
                    return f"{label} is registered with {name}={path!r}, but {wrong}. (Constant text: Value(…).)"
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
        post_save.connect(_on_save, sender=decorated, dispatch_uid=_uid(decorated))
        return decorated

    return connect if model is None else connect(model)


def unregister(model: type[Model]) -> None:
    """Make new rows of ``model`` no leads any more. Raises where it is not registered."""
    if REGISTRATIONS.pop(model, None) is None:
        registered = ", ".join(sorted(known._meta.label for known in REGISTRATIONS)) or "none"
        raise OctanistConfigurationError(f"{model._meta.label} is not registered. Registered: {registered}.")
    post_save.disconnect(sender=model, dispatch_uid=_uid(model))


def _uid(model: type[Model]) -> str:
    return f"django_octanist.registry:{model._meta.label}"


def _on_save(*, sender: type[Model], instance: Model, created: bool, raw: bool, **_more: Any) -> None:
    registration = REGISTRATIONS.get(sender)
    if created and not raw and registration is not None:
        capture_lead(lambda: registration.data(instance), form=registration.form, account=registration.account)


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
        value = value() if callable(value) else value
        if value is None:
            return None
    return str(value) if isinstance(value, Model) else value


def _paths(source: Source) -> Sequence[str]:
    if isinstance(source, str):
        return [source]
    items = source.values() if isinstance(source, Mapping) else source if isinstance(source, (list, tuple)) else ()
    return [item for item in items if isinstance(item, str)]


def _wrong_part(path: str, *, model: type[Model]) -> str:
    """Say which part of ``path`` is no attribute of its model; only relations can be followed without a row."""
    current: Any = model
    for part in path.split("__"):
        if current is None:
            return ""
        if not hasattr(current, part):
            fields = ", ".join(sorted(field.name for field in current._meta.get_fields()))
            return f"{current._meta.label} has no {part!r}. Its fields: {fields}"
        try:
            current = current._meta.get_field(part).related_model
        except FieldDoesNotExist:
            current = None
    return ""
