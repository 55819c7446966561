from __future__ import annotations

from typing import Any

from django.db import models
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from modelcluster.fields import ParentalKey
from wagtail.admin.panels import FieldPanel, InlinePanel
from wagtail.contrib.forms.models import AbstractEmailForm, AbstractForm, AbstractFormField
from wagtail.models import Page

from django_octanist.contrib.wagtail import OctanistFormPageMixin


class FormPage(OctanistFormPageMixin, AbstractForm):
    """As a site has it."""

    template = "built/form_page.html"
    landing_page_template = "built/landing.html"
    content_panels = [*Page.content_panels, InlinePanel("form_fields", label="Fields")]


class FormField(AbstractFormField):
    page = ParentalKey(FormPage, on_delete=models.CASCADE, related_name="form_fields")


class EmailFormPage(OctanistFormPageMixin, AbstractEmailForm):
    """Sends an e-mail, and says which field is what."""

    octanist_form = "visit"
    octanist_fields = {"name": ("title", "whom_to_ask_for"), "phone": ("ring_me", "ring_me_at_night")}
    octanist_exclude = ("birthday",)
    octanist_account = "north"
    template = "built/form_page.html"
    landing_page_template = "built/landing.html"
    content_panels = [
        *Page.content_panels,
        InlinePanel("form_fields", label="Fields"),
        FieldPanel("to_address"),
        FieldPanel("from_address"),
        FieldPanel("subject"),
    ]


class EmailFormField(AbstractFormField):
    page = ParentalKey(EmailFormPage, on_delete=models.CASCADE, related_name="form_fields")


class OwnWorkPage(OctanistFormPageMixin, AbstractForm):
    """Keeps its submissions without Wagtail's own method, has another page's fields, and previews by submitting."""

    template = "built/form_page.html"
    landing_page_template = "built/landing.html"

    def get_form_fields(self) -> Any:
        return FormPage.objects.get(slug="contact").form_fields.all()

    def process_form_submission(self, form: BaseForm) -> Any:
        submission = self.get_submission_class().objects.create(form_data={"own": "work"}, page=self)
        self.capture_lead(form)
        return submission

    def serve_preview(self, request: HttpRequest, mode_name: str) -> HttpResponse:
        request.method, request.POST = "POST", request.GET.copy()
        request.POST["email_address"] = "preview@example.com"
        response: HttpResponse = self.serve(request)
        return response
