"""django CMS: a form action of djangocms-form-builder, which an editor ticks for a form.

In the ``cms_plugins.py`` of an app of the site::

    from djangocms_form_builder.actions import register

    from django_octanist.contrib.cms import OctanistLeadAction

    register(OctanistLeadAction)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..capture import capture_lead
from ..conf import DEFAULT_ACCOUNT
from ..forms import OctanistFormMixin, posted_context, read_form
from ..mapping import FieldMapping
from .missing import missing

try:
    from djangocms_form_builder.actions import FormAction
    from djangocms_form_builder.helpers import get_option
except ImportError as error:
    raise missing("cms", package="djangocms-form-builder") from error


class OctanistActionMixin:
    """Put it before ``FormAction`` for an action of the site's own: another account, a mapping, an exclusion.

    They are those of :class:`~django_octanist.forms.OctanistFormMixin`, and name fields as the editor called them; one
    that a form does not have is no error. A form class with that mixin captures as it says itself. The form builder
    knows an action by the name of its class, and makes one class of all registered ones: do not inherit one from
    another.
    """

    octanist_account: str = DEFAULT_ACCOUNT
    octanist_fields: FieldMapping = {}
    octanist_exclude: Collection[str] = ()

    def execute(self, form: Any, request: HttpRequest) -> None:
        """Capture ``form``, which is valid, under the identifier that the editor gave it. Never raises."""
        if isinstance(form, OctanistFormMixin):
            form.capture_lead(request)
        else:
            name = str(get_option(form, "form_name") or type(form).__name__)
            capture_lead(lambda: self._data(form), request=request, form=name, account=self.octanist_account)

    def _data(self, form: Any) -> dict[str, Any]:
        mapping = {lead_field: _there(names, form=form) for lead_field, names in self.octanist_fields.items()}
        mapping = {lead_field: names for lead_field, names in mapping.items() if names}
        data = read_form(form, mapping=mapping, exclude=self.octanist_exclude)
        return {**posted_context(form), **data} if data else {}


def _there(names: str | Sequence[str], *, form: Any) -> tuple[str, ...]:
    return tuple(name for name in ([names] if isinstance(names, str) else names) if name in form.fields)


class OctanistLeadAction(OctanistActionMixin, FormAction):  # type: ignore[misc]
    """Makes each submission of a form that an editor ticks it for a lead of the account ``default``."""

    verbose_name = _("Send to Octanist as a lead")
