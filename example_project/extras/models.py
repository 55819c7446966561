from __future__ import annotations

from django.db import models
from modelcluster.fields import ParentalKey
from wagtail.admin.panels import InlinePanel
from wagtail.contrib.forms.models import AbstractForm, AbstractFormField
from wagtail.models import Page

from django_octanist.contrib.wagtail import OctanistFormPageMixin


class FormPage(OctanistFormPageMixin, AbstractForm):
    """A page whose form an editor builds."""

    content_panels = [*Page.content_panels, InlinePanel("form_fields", label="Fields")]


class FormField(AbstractFormField):
    page = ParentalKey(FormPage, on_delete=models.CASCADE, related_name="form_fields")
