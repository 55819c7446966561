from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.http import HttpResponse
from django.test import RequestFactory
from django.views.generic import CreateView, FormView

from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.forms import OctanistFormMixin
from django_octanist.models import Lead
from django_octanist.views import OctanistFormViewMixin
from tests.site.models import Quote

pytestmark = pytest.mark.django_db


class ContactForm(OctanistFormMixin, forms.Form):
    email = forms.EmailField()


class ContactView(OctanistFormViewMixin, FormView):  # type: ignore[type-arg]
    form_class = ContactForm
    success_url = "/thanks/"
    template_name = "unused"


class QuoteForm(OctanistFormMixin, forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Quote
        fields = ["full_name", "email"]

    def get_octanist_data(self) -> dict[str, Any]:
        return {**super().get_octanist_data(), "custom": {"quote": self.instance.pk}}


class QuoteView(OctanistFormViewMixin, CreateView):  # type: ignore[type-arg]
    form_class = QuoteForm
    success_url = "/thanks/"
    template_name = "unused"


def test_a_form_view(rf: RequestFactory) -> None:
    response = ContactView.as_view()(rf.post("/contact/?gclid=x", {"email": "jo@example.com"}))
    assert (response.status_code, response["Location"]) == (302, "/thanks/")
    lead = Lead.objects.get()
    assert (lead.form, lead.email, lead.attribution["gclid"]) == ("ContactForm", "jo@example.com", "x")


def test_a_create_view_captures_after_the_row_is_there(rf: RequestFactory) -> None:
    QuoteView.as_view()(rf.post("/", {"full_name": "Jo", "email": "jo@example.com"}))
    assert Lead.objects.get().custom == {"quote": Quote.objects.get().pk}


def test_an_invalid_form_is_no_lead(rf: RequestFactory) -> None:
    class View(ContactView):
        def form_invalid(self, form: Any) -> HttpResponse:
            return HttpResponse("invalid")

    assert View.as_view()(rf.post("/", {"email": "no"})).content == b"invalid"
    assert not Lead.objects.exists()


def test_a_failing_capture_does_not_break_the_view(rf: RequestFactory, settings: Any) -> None:
    settings.OCTANIST_DEDUPE_SECONDS = "soon"
    assert ContactView.as_view()(rf.post("/", {"email": "jo@example.com"})).status_code == 302


def test_work_of_the_site_that_fails_makes_no_lead(rf: RequestFactory) -> None:
    class View(ContactView):
        def get_success_url(self) -> str:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        View.as_view()(rf.post("/", {"email": "jo@example.com"}))
    assert not Lead.objects.exists()


def test_a_form_without_the_mixin_is_a_clear_error(rf: RequestFactory) -> None:
    class Plain(forms.Form):
        email = forms.EmailField()

    with pytest.raises(OctanistConfigurationError, match=r"its form Plain is no OctanistFormMixin\. Add it"):
        ContactView.as_view(form_class=Plain)(rf.post("/", {"email": "jo@example.com"}))


def test_and_shows_on_the_first_visit(rf: RequestFactory) -> None:
    class Plain(forms.Form):
        email = forms.EmailField()

    with pytest.raises(OctanistConfigurationError, match="Plain is no OctanistFormMixin"):
        ContactView.as_view(form_class=Plain)(rf.get("/"))


def test_the_mixin_behind_djangos_class() -> None:
    with pytest.raises(OctanistConfigurationError, match="put OctanistFormViewMixin before Django's view class"):
        type("Wrong", (FormView, OctanistFormViewMixin), {})


def test_twice_in_a_second_is_one_lead(rf: RequestFactory) -> None:
    for _time in range(2):
        ContactView.as_view()(rf.post("/", {"email": "jo@example.com"}))
    assert Lead.objects.count() == 1
