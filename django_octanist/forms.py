"""``OctanistFormMixin``: makes a Django form's submission a lead."""

from __future__ import annotations

import datetime
import weakref
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.files.base import File
from django.db.models import Model
from django.http import HttpRequest

from . import consent
from .capture import Data, capture_lead
from .conf import DEFAULT_ACCOUNT
from .detection import FormField, assign
from .exceptions import OctanistConfigurationError
from .models import Lead
from .vocabulary import BY_NAME, CONSENT, LEAD, SESSION_FIELD

if TYPE_CHECKING:
    _Base = forms.BaseForm
else:
    _Base = object

FieldMapping = Mapping[str, "str | Sequence[str]"]

FORMS: weakref.WeakSet[type[OctanistFormMixin]] = weakref.WeakSet()
"""Every form class with the mixin, for the system check of their mappings."""


class OctanistFormMixin(_Base):
    """Put it before ``forms.Form`` or ``forms.ModelForm``; the view mixin or :meth:`capture_lead` does the rest.

    ``octanist_fields`` names, for a lead's ``name``, ``email``, ``phone``, ``note`` or any other API field, the form
    field or fields that make it (several are joined by a space). What is not mapped is found by the widget's
    ``autocomplete``, its type, its name.
    """

    octanist_form: str = ""
    octanist_fields: FieldMapping = {}
    octanist_exclude: Collection[str] = ()
    octanist_account: str = DEFAULT_ACCOUNT

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        order = cls.__mro__
        if forms.BaseForm in order and order.index(forms.BaseForm) < order.index(OctanistFormMixin):
            raise OctanistConfigurationError(
                f"{cls.__qualname__}: put OctanistFormMixin before Django's form class, or it does nothing."
            )
        FORMS.add(cls)

    def __getitem__(self, name: str) -> Any:
        # Rendering and cleaning both come through here, after fields that `__init__` adds.
        self._check_octanist_mapping()
        return super().__getitem__(name)

    def get_octanist_data(self) -> dict[str, Any]:
        """Return what is captured, by API name. Override it to have the last word; ``{}`` captures nothing."""
        return read_form(self, mapping=self.octanist_fields, exclude=self.octanist_exclude)

    def capture_lead(self, request: HttpRequest | None = None) -> Lead | None:
        """Capture this valid form as a lead: see :func:`django_octanist.capture.capture_lead`. Never raises."""
        form = self.octanist_form or type(self).__name__
        return capture_lead(self._octanist_lead_data, request=request, form=form, account=self.octanist_account)

    def _octanist_lead_data(self) -> Data:
        if not hasattr(self, "cleaned_data"):
            raise OctanistConfigurationError(f"{type(self).__qualname__}: call is_valid() before capture_lead()")
        data = self.get_octanist_data()
        return {**posted_context(self), **data} if data else {}

    def _check_octanist_mapping(self) -> None:
        if not self.__dict__.get("_octanist_checked"):
            self.__dict__["_octanist_checked"] = True
            problem = mapping_problem(type(self), fields=self.fields)
            if problem:
                raise OctanistConfigurationError(problem)


def mapping_problem(form_class: type[OctanistFormMixin], *, fields: Collection[str]) -> str:
    """Return what is wrong with the mapping of ``form_class``, whose fields are ``fields``; ``""`` if nothing is."""
    names = ", ".join(sorted(fields)) or "none"
    mapping: Any = form_class.octanist_fields
    if not isinstance(mapping, Mapping):
        return (
            f"{form_class.__qualname__}.octanist_fields must be a dict of lead field to form field or fields, not"
            f" {mapping!r}."
        )
    if isinstance(form_class.octanist_exclude, str):
        return (
            f"{form_class.__qualname__}.octanist_exclude must be a tuple or list of form fields, not a string: did you"
            f" mean ({form_class.octanist_exclude!r},)?"
        )
    for lead_field, form_fields in mapping.items():
        if lead_field not in BY_NAME:
            return (
                f"{form_class.__qualname__}.octanist_fields maps {lead_field!r}, which is no field of a lead."
                f" Use one of: {', '.join(BY_NAME)}."
            )
        for name in _listed(form_fields):
            if name not in fields:
                return (
                    f"{form_class.__qualname__}.octanist_fields maps {lead_field!r} to {name!r}, which is no field of"
                    f" the form. Its fields: {names}."
                )
    for name in form_class.octanist_exclude:
        if name not in fields:
            return (
                f"{form_class.__qualname__}.octanist_exclude names {name!r}, which is no field of the form."
                f" Its fields: {names}."
            )
    return ""


def read_form(
    form: forms.BaseForm, *, mapping: FieldMapping | None = None, exclude: Collection[str] = ()
) -> dict[str, Any]:
    """Return the cleaned data of ``form`` by API names, with what is left over under ``custom``, less secrets."""
    mapped = {lead_field: _listed(names) for lead_field, names in (mapping or {}).items()}
    used = {name for names in mapped.values() for name in names}
    open_fields = [_described(form, name) for name in form.fields if name not in used and name not in exclude]
    open_fields = [field for field in open_fields if not field.is_secret]
    data = {lead_field: _joined(form, names) for lead_field, names in mapped.items()}
    for field in open_fields:
        if field.name in BY_NAME and field.name not in LEAD:
            data.setdefault(field.name, form.cleaned_data.get(field.name))
            used.add(field.name)
    for lead_field, names in assign(open_fields, taken=mapped).items():
        data[lead_field] = _joined(form, names)
        used.update(names)
    left_over = {
        field.name: _json(form.cleaned_data.get(field.name)) for field in open_fields if field.name not in used
    }
    own = data.get("custom")
    data["custom"] = own if own and not left_over else {**({"custom": own} if own else {}), **left_over}
    return {name: value for name, value in data.items() if value not in (None, "", {})}


def posted_context(form: forms.BaseForm) -> dict[str, Any]:
    """Return session id and consent as they were posted with ``form``, with and without its prefix."""
    prefix = form.prefix or ""
    posted = consent.read_posted(form.data, prefix=prefix).as_dict()
    context: dict[str, Any] = {name: posted[name] for name in CONSENT if posted[name] is not None}
    session = form.data.get(SESSION_FIELD) or (form.data.get(f"{prefix}-{SESSION_FIELD}") if prefix else None)
    return context | ({SESSION_FIELD: session} if session else {})


def _described(form: forms.BaseForm, name: str) -> FormField:
    field = form.fields[name]
    widget = field.widget
    return FormField(
        name=name,
        input_type=str(getattr(widget, "input_type", None) or ""),
        autocomplete=str(widget.attrs.get("autocomplete") or ""),
        kind=f"{type(field).__name__} {type(widget).__name__}",
    )


def _listed(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _joined(form: forms.BaseForm, names: Sequence[str]) -> Any:
    values = [_json(form.cleaned_data.get(name)) for name in names]
    return (
        values[0] if len(values) == 1 else " ".join(str(value).strip() for value in values if value not in (None, ""))
    )


def _json(value: Any) -> Any:
    """A cleaned value as JSON data: files by their names, objects by their text."""
    if isinstance(value, File):
        # An upload, or the file that a model's row has already.
        return PurePath(value.name or "").name
    if isinstance(value, Model):
        return str(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if hasattr(value, "__iter__"):
        return [_json(item) for item in value]
    return str(value)
