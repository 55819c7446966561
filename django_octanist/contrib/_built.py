"""What the adapters' ``octanist_fields`` may say, where the form's fields are not known before it is sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.forms import BaseForm, BaseModelForm

from ..exceptions import OctanistConfigurationError
from ..forms import mapped_fields, mapping_problem, read_form
from ..mapping import FieldMapping as FieldMapping
from ..vocabulary import CONTACT


def check_class(cls: type[Any], *, mixin: type[Any], base: type[Any]) -> None:
    """Raise a configuration error where ``cls`` has ``mixin`` behind the package's own ``base``, or a wrong mapping."""
    order = cls.__mro__
    if base in order and order.index(base) < order.index(mixin):
        raise OctanistConfigurationError(
            f"{cls.__qualname__}: put {mixin.__name__} before {base.__name__} and what is built on it, or it does"
            " nothing."
        )
    check_mapping(cls)


def check_mapping(cls: type[Any]) -> None:
    """Raise a configuration error where ``octanist_fields`` or ``octanist_exclude`` of ``cls`` cannot be right.

    That a field is there is not looked at: an editor may add it tomorrow.
    """
    problem = mapping_problem(cls, fields=mapped_fields(cls))
    if problem:
        raise OctanistConfigurationError(problem)


def check_fields(cls: type[Any], *, forms: Mapping[str, type[Any]]) -> None:
    """Raise a configuration error where the mapping of ``cls`` names a field that none of its ``forms`` has.

    ``forms`` are a wizard's, by their steps; ``step-name`` is a field of one, too. A form that adds fields when it is
    made cannot be known before.
    """
    plain = {step: form for step, form in forms.items() if issubclass(form, BaseForm)}
    if all(form.__init__ in (BaseForm.__init__, BaseModelForm.__init__) for form in plain.values()):
        names = {(step, name) for step, form in plain.items() for name in getattr(form, "base_fields", ())}
        fields = {name for _step, name in names} | {f"{step}-{name}" for step, name in names}
        problem = mapping_problem(cls, fields=fields)
        if problem:
            raise OctanistConfigurationError(problem)


def present(mapping: FieldMapping, *, fields: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return what of ``mapping`` is there in ``fields``. A lead field of which nothing is there is not mapped."""
    kept = {
        lead_field: tuple(name for name in ([names] if isinstance(names, str) else names) if name in fields)
        for lead_field, names in mapping.items()
    }
    return {lead_field: names for lead_field, names in kept.items() if names}


def read_built_form(
    form: BaseForm, *, mapping: FieldMapping, exclude: Collection[str], page_title: str
) -> dict[str, Any]:
    """Return the data of a form that an editor built, with the title of its page under ``custom``.

    The title is no visitor's word: where nothing identifies one, it does not make a lead.
    """
    data = read_form(form, mapping=present(mapping, fields=form.fields), exclude=exclude)
    custom = data.get("custom") or {}
    if not isinstance(custom, dict):
        custom = {"custom": custom}
    custom = {name: value for name, value in custom.items() if value not in (None, "", [], {})}
    if not page_title or not (custom or data.keys() & set(CONTACT)):
        return data
    return {**data, "custom": {"page_title": page_title, **custom}}
