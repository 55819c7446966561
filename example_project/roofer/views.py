from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.messages.views import SuccessMessageMixin
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.text import get_text_list
from django.views.decorators.http import require_POST
from django.views.generic import CreateView, FormView, TemplateView

from django_octanist.capture import capture_lead
from django_octanist.views import OctanistFormViewMixin

from .forms import CallBackForm, ContactForm, GuestFormSet, NewsletterForm, QuoteForm, StormReportForm

CALL_BACK_SENT = "Thank you, {name}. We will ring you on {phone}."


class HomeView(TemplateView):
    template_name = "roofer/home.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(call_back_form=CallBackForm(auto_id="call-back-%s"), **kwargs)


class PrivacyView(TemplateView):
    template_name = "roofer/privacy.html"


class ContactView(OctanistFormViewMixin, FormView):
    form_class = ContactForm
    template_name = "roofer/contact.html"
    success_url = reverse_lazy("thanks", args=["contact"])

    def form_valid(self, form: ContactForm) -> HttpResponse:
        messages.success(self.request, f"Thank you, {form.cleaned_data['first_name']}. Your message is with us.")
        return super().form_valid(form)


class QuoteView(OctanistFormViewMixin, CreateView):
    form_class = QuoteForm
    template_name = "roofer/quote.html"
    success_url = reverse_lazy("thanks", args=["quote"])

    def form_valid(self, form: QuoteForm) -> HttpResponse:
        messages.success(self.request, f"Thank you, {form.cleaned_data['full_name']}. We have your request.")
        return super().form_valid(form)


class StormDamageView(SuccessMessageMixin, CreateView):
    """Nothing of Octanist here: the row that this saves is the lead, with the session that the form brought."""

    form_class = StormReportForm
    template_name = "roofer/storm_damage.html"
    success_url = reverse_lazy("thanks", args=["storm-damage"])
    success_message = "Thank you, %(name)s. The storm line will ring you on %(phone)s."


def open_day(request: HttpRequest) -> HttpResponse:
    """Take one to four guests at once; each of them is a lead."""
    guests = GuestFormSet(request.POST or None, prefix="guest")
    if not guests.is_valid():
        return render(request, "roofer/open_day.html", {"guests": guests})
    guests.capture_lead(request)
    names = [guest["name"] for guest in guests.cleaned_data if guest]
    messages.success(request, f"You are on the list: {get_text_list(names, 'and')}.")
    return redirect("thanks", "open-day")


def newsletter(request: HttpRequest) -> HttpResponse:
    """The box at the foot of every page posts here; no form mixin, only the function."""
    form = NewsletterForm(request.POST or None)
    if not form.is_valid():
        return render(request, "roofer/newsletter.html", {"newsletter_form": form})
    email = form.cleaned_data["email"]
    capture_lead({"email": email}, request=request, form="newsletter")
    messages.success(request, f"You are on the list, {email}.")
    return redirect("thanks", "newsletter")


@require_POST
def call_back(request: HttpRequest) -> HttpResponse:
    """Take JSON from the page's script, and a plain post where scripts are off."""
    if request.content_type != "application/json":
        return _call_back_page(request)
    form = CallBackForm(_json_object(request))
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    form.capture_lead(request)
    return JsonResponse({"message": CALL_BACK_SENT.format(**form.cleaned_data)}, status=201)


def _call_back_page(request: HttpRequest) -> HttpResponse:
    form = CallBackForm(request.POST, auto_id="call-back-%s")
    if not form.is_valid():
        return render(request, "roofer/call_back.html", {"call_back_form": form})
    form.capture_lead(request)
    messages.success(request, CALL_BACK_SENT.format(**form.cleaned_data))
    return redirect("thanks", "call-back")


def _json_object(request: HttpRequest) -> Mapping[str, Any]:
    try:
        data = json.loads(request.body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


class ThanksView(TemplateView):
    """One page per form, so that each can be a goal of its own in an ad account."""

    template_name = "roofer/thanks.html"

    NEXT_STEPS = {
        "contact": (
            "Message sent",
            [
                "Somebody from the office reads it today, or on Monday if it is the weekend.",
                "You hear from us within one working day.",
            ],
        ),
        "quote": (
            "Quote requested",
            [
                "We look at your roof from the street and from above, and ring you to fix a time.",
                "Dan or Aisha comes by, looks at the loft as well, and takes photos.",
                "Within two working days you have a fixed price in writing.",
            ],
        ),
        "storm-damage": (
            "Report received",
            [
                "We ring you within half an hour, day and night, and tell you when we are there.",
                "We make the roof safe within four hours, with a tarpaulin if the slates have to wait.",
                "You get the photos and a report that your insurer accepts.",
            ],
        ),
        "open-day": (
            "See you at the yard",
            [
                "A week before, each of you gets an e-mail with the way and the programme.",
                "Come in shoes that may get dusty. There is tea, and there are helmets in all sizes.",
            ],
        ),
        "newsletter": (
            "Welcome",
            ["Four letters a year: what the season does to a roof, and what you can do about it."],
        ),
        "call-back": (
            "We will ring you",
            ["Keep your phone near. We ring twice and then send you a text."],
        ),
    }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        if kwargs["form"] not in self.NEXT_STEPS:
            raise Http404("No such form.")
        title, steps = self.NEXT_STEPS[kwargs["form"]]
        return super().get_context_data(title=title, steps=steps, **kwargs)
