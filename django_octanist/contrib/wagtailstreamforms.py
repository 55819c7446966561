"""``register_hook``: a submission hook of wagtailstreamforms that makes each submission a lead."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

from django.forms import BaseForm

from ..capture import capture_lead
from ..conf import DEFAULT_ACCOUNT
from ..exceptions import OctanistConfigurationError
from ..forms import posted_context
from ._built import FieldMapping, check_mapping, read_built_form
from .missing import missing

try:
    from wagtailstreamforms import hooks
except ImportError as error:
    raise missing("wagtailstreamforms", package="wagtailstreamforms") from error

ITS_OWN = ("form_id", "form_reference")
"""Fields that wagtailstreamforms puts into every form: no visitor's word."""

_registered: list[Callable[[Any, BaseForm], None]] = []


def register_hook(
    *,
    fields: FieldMapping | None = None,
    exclude: Collection[str] = (),
    account: str = DEFAULT_ACCOUNT,
    get_data: Callable[[Any, BaseForm, dict[str, Any]], Mapping[str, Any]] | None = None,
) -> None:
    """Offer *Send to octanist* among the submission hooks that an editor chooses for a form.

    Call it once, in a ``wagtailstreamforms_hooks.py`` of the site, above the site's own hooks: they run in the order in
    which they are registered, and one that raises, such as one that sends an e-mail, keeps those after it from running.
    It always comes after *Save form submission data*: what cannot be stored is no lead.

    ``fields`` and ``exclude`` hold for all forms, by the fields' names (``your-name``), as ``octanist_fields`` and
    ``octanist_exclude`` of :class:`django_octanist.forms.OctanistFormMixin`; a name that a form does not have is passed
    over. ``get_data(form_model, form, data)`` has the last word; ``{}`` captures nothing. Raises a configuration error
    on a second call, or where ``fields`` cannot be right.
    """
    if _registered:
        raise OctanistConfigurationError(
            "django_octanist.contrib.wagtailstreamforms: register_hook() was called already; a second hook would"
            " send each submission twice."
        )
    mapping = fields or {}
    check_mapping(type("register_hook", (), {"octanist_fields": mapping, "octanist_exclude": exclude}))

    def read(instance: Any, form: BaseForm) -> Mapping[str, Any]:
        title = str(getattr(getattr(form, "page", None), "title", ""))
        data: Mapping[str, Any] = read_built_form(form, mapping=mapping, exclude={*exclude, *ITS_OWN}, page_title=title)
        data = get_data(instance, form, dict(data)) if get_data else data
        return {**posted_context(form), **data} if data else {}

    def send_to_octanist(instance: Any, form: BaseForm) -> None:
        # The hook has no request: the visit is the one that the middleware has left.
        capture_lead(lambda: read(instance, form), form=str(instance.slug), account=account)

    # Storing is registered when this is imported, which comes later where the site's app is listed first.
    import_module("wagtailstreamforms.wagtailstreamforms_hooks")
    hooks.register("process_form_submission", send_to_octanist)
    _registered.append(send_to_octanist)
