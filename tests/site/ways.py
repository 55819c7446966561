"""A site that takes a form in every way that needs no other package."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.views.generic import CreateView, FormView, UpdateView

from django_octanist.attribution import Visit
from django_octanist.capture import acapture_lead, capture_lead
from django_octanist.forms import OctanistFormMixin, OctanistFormSetMixin
from django_octanist.views import OctanistFormViewMixin
from tests.site.models import Quote

DONE = "/thanks/"


class ContactForm(OctanistFormMixin, forms.Form):
    octanist_form = "contact"

    name = forms.CharField()
    email = forms.EmailField()


class QuoteForm(OctanistFormMixin, forms.ModelForm):  # type: ignore[type-arg]
    octanist_form = "contact"

    class Meta:
        model = Quote
        fields = ["full_name", "email", "roof"]


class ContactFormSet(OctanistFormSetMixin, forms.BaseFormSet):  # type: ignore[type-arg]
    pass


class QuoteFormSet(OctanistFormSetMixin, forms.BaseModelFormSet):  # type: ignore[type-arg]
    pass


Contacts = forms.formset_factory(ContactForm, formset=ContactFormSet, extra=3, can_delete=True, can_order=True)
Quotes = forms.modelformset_factory(Quote, form=QuoteForm, formset=QuoteFormSet, extra=2, can_delete=True)


class Page(OctanistFormViewMixin, FormView):  # type: ignore[type-arg]
    form_class = ContactForm
    success_url = DONE
    template_name = "unused"


class Create(OctanistFormViewMixin, CreateView):  # type: ignore[type-arg]
    form_class = QuoteForm
    success_url = DONE
    template_name = "unused"


class Update(OctanistFormViewMixin, UpdateView):  # type: ignore[type-arg]
    form_class = QuoteForm
    model = Quote
    success_url = DONE
    template_name = "unused"


class SeveralPage(OctanistFormViewMixin, FormView):  # type: ignore[type-arg]
    form_class = Contacts
    success_url = DONE
    template_name = "unused"


def function(request: HttpRequest) -> HttpResponse:
    form = ContactForm(request.POST)
    if form.is_valid():
        form.capture_lead(request)
        return HttpResponseRedirect(DONE)
    return HttpResponse("invalid")


def saves(request: HttpRequest) -> HttpResponse:
    form = QuoteForm(request.POST)
    if form.is_valid():
        quote = form.save(commit=False)
        quote.roof = "flat"
        quote.save()
        form.capture_lead(request)
        return HttpResponseRedirect(DONE)
    return HttpResponse("invalid")


def several(request: HttpRequest) -> HttpResponse:
    formset: Any = Contacts(request.POST, prefix="guests")
    if formset.is_valid():
        leads = formset.capture_lead(request)
        return HttpResponse(f"{len(leads)} leads")
    return HttpResponse("invalid")


def several_rows(request: HttpRequest) -> HttpResponse:
    formset: Any = Quotes(request.POST, queryset=Quote.objects.order_by("pk"))
    if formset.is_valid():
        formset.save()
        formset.capture_lead(request)
        return HttpResponseRedirect(DONE)
    return HttpResponse("invalid")


def fragment(request: HttpRequest) -> HttpResponse:
    """What htmx swaps in."""
    form = ContactForm(request.POST)
    if form.is_valid():
        form.capture_lead(request)
        return HttpResponse("<p>Thanks</p>")
    return HttpResponse("invalid")


def row(request: HttpRequest) -> HttpResponse:
    """A model that is registered, in code that knows of no lead."""
    Quote.objects.create(full_name=request.POST["name"], email=request.POST["email"])
    return HttpResponseRedirect(DONE)


def data(request: HttpRequest) -> HttpResponse:
    capture_lead(request.POST, request=request, form="contact")
    return HttpResponseRedirect(DONE)


def json_data(request: HttpRequest) -> HttpResponse:
    capture_lead(lambda: json.loads(request.body), request=request, form="contact")
    return HttpResponseRedirect(DONE)


async def asynchronous(request: HttpRequest) -> HttpResponse:
    await acapture_lead(request.POST, request=request, form="contact")
    return HttpResponseRedirect(DONE)


async def asynchronous_form(request: HttpRequest) -> HttpResponse:
    form = ContactForm(request.POST)
    if form.is_valid():
        await form.acapture_lead(request)
        return HttpResponseRedirect(DONE)
    return HttpResponse("invalid")


def elsewhere(request: HttpRequest) -> HttpResponse:
    """Another framework: it has headers, a URL and a form, and no request of Django's."""
    headers, url, posted = dict(request.headers), request.build_absolute_uri(), request.POST.dict()
    visit = Visit.from_headers(headers, url=url, posted=posted)
    capture_lead({"name": posted["name"], "email": posted["email"]}, visit=visit, form="contact")
    return HttpResponseRedirect(DONE)


urlpatterns = [
    path("page/", Page.as_view()),
    path("create/", Create.as_view()),
    path("update/<int:pk>/", Update.as_view()),
    path("several-page/", SeveralPage.as_view()),
    path("function/", function),
    path("saves/", saves),
    path("several/", several),
    path("several-rows/", several_rows),
    path("fragment/", fragment),
    path("row/", row),
    path("data/", data),
    path("json/", json_data),
    path("async/", asynchronous),
    path("async-form/", asynchronous_form),
    path("elsewhere/", elsewhere),
]
