"""Forms that crispy-forms renders: by a layout, by a layout with the hidden field, by its filter."""

from __future__ import annotations

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import HTML, Column, Layout, Row, Submit
from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.generic import FormView

from django_octanist.forms import OctanistFormMixin
from django_octanist.views import OctanistFormViewMixin


class ContactForm(OctanistFormMixin, forms.Form):
    octanist_form = "contact"
    with_field = False

    name = forms.CharField()
    email = forms.EmailField()
    message = forms.CharField(required=False)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        hidden = [HTML("{% load octanist %}{% octanist_session_field %}")] if self.with_field else []
        self.helper = FormHelper()
        self.helper.layout = Layout(Row(Column("name"), Column("email")), "message", *hidden)
        self.helper.add_input(Submit("send", "Send"))


class ContactFormWithField(ContactForm):
    with_field = True


class Contact(OctanistFormViewMixin, FormView):  # type: ignore[type-arg]
    form_class = ContactForm
    template_name = "crispy.html"
    success_url = "/thanks/"


def thanks(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<!doctype html><title>Thanks</title><p>Thanks</p>")


urlpatterns = [
    path("layout/", Contact.as_view()),
    path("field/", Contact.as_view(form_class=ContactFormWithField)),
    path("filter/", Contact.as_view(template_name="filter.html")),
    path("thanks/", thanks),
]
