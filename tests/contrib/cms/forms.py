"""Forms that a site wrote itself and lets editors choose."""

from __future__ import annotations

from django import forms
from djangocms_form_builder import register_with_form_builder
from djangocms_form_builder.actions import get_hash
from djangocms_form_builder.forms import SimpleFrontendForm

from django_octanist.contrib.cms import OctanistLeadAction
from django_octanist.forms import OctanistFormMixin


@register_with_form_builder
class CallBack(SimpleFrontendForm):
    class Meta:
        options = {"form_actions": [get_hash(OctanistLeadAction)]}

    telephone = forms.CharField()


@register_with_form_builder
class Brochure(OctanistFormMixin, SimpleFrontendForm):
    class Meta:
        options = {"form_actions": [get_hash(OctanistLeadAction)]}

    octanist_form = "brochure"
    octanist_fields = {"name": "who"}

    who = forms.CharField()
