"""A site's own plugins module, with the lines to paste, and a second action for another account."""

from __future__ import annotations

from djangocms_form_builder.actions import FormAction, register

from django_octanist.contrib.cms import OctanistActionMixin, OctanistLeadAction

register(OctanistLeadAction)


@register
class DentistLeadAction(OctanistActionMixin, FormAction):
    verbose_name = "Send to the dentist"
    octanist_account = "dentist"
    octanist_fields = {"name": ("first", "last"), "note": "wish"}
    octanist_exclude = ("birthday",)
