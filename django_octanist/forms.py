"""``OctanistFormMixin`` makes a Django form's submission a lead; ``OctanistFormSetMixin`` each form of a formset."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpRequest

from . import consent, mapping
from .capture import Data, capture_lead, is_in_a_loop, off_the_loop, report_failure, shielded
from .conf import DEFAULT_ACCOUNT
from .detection import FormField
from .exceptions import OctanistConfigurationError
from .mapping import FieldMapping, by_api_name, listed
from .models import Lead
from .vocabulary import CONSENT, SESSION_FIELD

if TYPE_CHECKING:
    _Base = forms.BaseForm
    _FormSetBase = forms.BaseFormSet[Any]
else:
    _Base = _FormSetBase = object

logger = logging.getLogger("django_octanist")

FORMS: weakref.WeakSet[type[OctanistFormMixin]] = weakref.WeakSet()
"""Every form class with the mixin, for the system check of their mappings."""


FRAMEWORK = ("django.", "django_octanist.", "builtins")
"""How the modules begin whose forms have the fields that they declare."""

_WARNED: weakref.WeakSet[type[Any]] = weakref.WeakSet()


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

    octanist_added: Collection[str] = ()
    """Fields that a formset added (``DELETE``, the key of a row): the formset's business."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        _check_order(cls, mixin=OctanistFormMixin, base=forms.BaseForm, kind="form")
        FORMS.add(cls)

    def __getitem__(self, name: str) -> Any:
        # Rendering and cleaning both come through here, after fields that `__init__` adds.
        self._check_octanist_mapping()
        return super().__getitem__(name)

    def get_octanist_data(self) -> dict[str, Any]:
        """Return what is captured, by API name. Override it to have the last word; ``{}`` captures nothing."""
        exclude = {*self.octanist_exclude, *self.octanist_added}
        return read_form(self, mapping=self.octanist_fields, exclude=exclude)

    def capture_lead(self, request: HttpRequest | None = None) -> Lead | None:
        """Capture this valid form as a lead: see :func:`django_octanist.capture.capture_lead`. Never raises."""
        form = self.octanist_form or type(self).__name__
        return capture_lead(
            self._octanist_lead_data,
            request=request,
            form=form,
            account=self.octanist_account,
            row=getattr(self, "instance", None),
        )

    async def acapture_lead(self, request: HttpRequest | None = None) -> Lead | None:
        """Do as :meth:`capture_lead`, from async code: see :func:`django_octanist.capture.acapture_lead`."""
        return await shielded(lambda: self.capture_lead(request))

    def _octanist_lead_data(self) -> Data:
        if not hasattr(self, "cleaned_data"):
            raise OctanistConfigurationError(f"{type(self).__qualname__}: call is_valid() before capture_lead()")
        data = self.get_octanist_data()
        return {**posted_context(self), **data} if data else {}

    def _check_octanist_mapping(self) -> None:
        if not self.__dict__.get("_octanist_checked"):
            self.__dict__["_octanist_checked"] = True
            fields = {*self.fields, *declared_fields(type(self))}
            problem = mapping_problem(type(self), fields=fields)
            if problem and makes_own_fields(type(self)):
                _warn_once(type(self), problem)
                problem = mapping_problem(type(self), fields={*fields, *mapped_fields(type(self))})
            if problem:
                raise OctanistConfigurationError(problem)


class OctanistFormSetMixin(_FormSetBase):
    """Put it before ``BaseFormSet``, ``BaseModelFormSet`` or ``BaseInlineFormSet``; its form has the other mixin.

    Each form that was filled in is a lead. Extra ones left empty, rows left as they were, and deleted ones are none.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        _check_order(cls, mixin=OctanistFormSetMixin, base=forms.BaseFormSet, kind="formset")

    def add_fields(self, form: Any, index: int | None) -> None:
        """Add the formset's own fields to ``form``. Raises a configuration error if the form lacks its mixin."""
        if not isinstance(form, OctanistFormMixin):
            name = type(form).__name__
            raise OctanistConfigurationError(
                f"{type(self).__name__} uses OctanistFormSetMixin, but its form {name} is no OctanistFormMixin."
                f" Add it: class {name}(OctanistFormMixin, …), from django_octanist.forms."
            )
        own = set(form.fields)
        super().add_fields(form, index)
        form.octanist_added = form.fields.keys() - own

    def capture_lead(self, request: HttpRequest | None = None) -> list[Lead]:
        """Capture each filled form of this valid formset: see :meth:`OctanistFormMixin.capture_lead`. Never raises."""
        try:
            if is_in_a_loop():
                return off_the_loop(lambda: self.capture_lead(request))
            filled = self._octanist_filled_forms()
        except Exception as error:  # noqa: BLE001 - the site's form must succeed
            report_failure(error, form=type(self).__name__, names={})
            return []
        return [lead for form in filled if (lead := form.capture_lead(request)) is not None]

    async def acapture_lead(self, request: HttpRequest | None = None) -> list[Lead]:
        """Do as :meth:`capture_lead`, from async code: see :func:`django_octanist.capture.acapture_lead`."""
        return await shielded(lambda: self.capture_lead(request))

    def _octanist_filled_forms(self) -> list[Any]:
        if not self.is_valid():
            raise OctanistConfigurationError(f"{type(self).__qualname__}: capture_lead() is for a valid formset")
        deleted = self.deleted_forms if self.can_delete else []
        return [form for form in self.forms if form.has_changed() and form not in deleted]


def _check_order(cls: type[Any], *, mixin: type[Any], base: type[Any], kind: str) -> None:
    order = cls.__mro__
    if base in order and order.index(base) < order.index(mixin):
        raise OctanistConfigurationError(
            f"{cls.__qualname__}: put {mixin.__name__} before Django's {kind} class, or it does nothing."
        )


def declared_fields(form_class: type[Any]) -> set[str]:
    """Return the fields of the class and of what it is built on: a form may leave one out for some visitors."""
    return {name for base in form_class.__mro__ for name in getattr(base, "base_fields", ())}


def makes_own_fields(form_class: type[Any]) -> bool:
    """Return whether a class of the site's, not Django's or ours, makes ``form_class`` have fields when it is made."""
    bases = [base for base in form_class.__mro__ if not base.__module__.startswith(FRAMEWORK)]
    return any("__init__" in vars(base) for base in bases)


def mapped_fields(owner: Any) -> set[str]:
    """Return the fields that ``octanist_fields`` and ``octanist_exclude`` of ``owner`` name; ill-formed ones aside."""
    mapping, exclude = owner.octanist_fields, owner.octanist_exclude
    names = {name for value in mapping.values() for name in listed(value)} if hasattr(mapping, "values") else set()
    return names if isinstance(exclude, str) else {*names, *exclude}


def _warn_once(form_class: type[Any], problem: str) -> None:
    if form_class not in _WARNED:
        _WARNED.add(form_class)
        logger.warning("Octanist: %s Where __init__ does not add it, it is passed over.", problem)


def mapping_problem(form_class: type[OctanistFormMixin], *, fields: Collection[str]) -> str:
    """Return what is wrong with the mapping of ``form_class``, whose fields are ``fields``; ``""`` if nothing is."""
    return mapping.problem(
        form_class.octanist_fields,
        exclude=form_class.octanist_exclude,
        fields=fields,
        owner=form_class.__qualname__,
        of="form",
    )


def read_form(
    form: forms.BaseForm, *, mapping: FieldMapping | None = None, exclude: Collection[str] = ()
) -> dict[str, Any]:
    """Return the cleaned data of ``form`` by API names, with what is left over under ``custom``, less secrets."""
    fields = [_described(form, name) for name in form.fields]
    return by_api_name(form.cleaned_data, fields=fields, mapping=mapping, exclude=exclude)


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
