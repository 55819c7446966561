from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone

from django_octanist.forms import OctanistFormMixin, OctanistFormSetMixin

from .models import QuoteRequest, StormReport

phone_number = RegexValidator(
    r"^\+?[\d\s()./-]{7,25}$", "Please give a phone number that we can dial, such as 0113 496 0142."
)


class PhoneInput(forms.TextInput):
    input_type = "tel"


def phone_field(**options: object) -> forms.CharField:
    return forms.CharField(
        max_length=40, validators=[phone_number], widget=PhoneInput(attrs={"autocomplete": "tel"}), **options
    )


class ContactForm(OctanistFormMixin, forms.Form):
    """Two name fields are one name to Octanist; the topic is left over and goes into ``custom``."""

    octanist_form = "contact"
    octanist_fields = {"name": ("first_name", "last_name"), "note": "message"}

    TOPICS = [
        ("", "Choose one"),
        ("new roof", "A new roof"),
        ("repair", "A repair"),
        ("storm damage", "Storm damage"),
        ("current job", "A job that is under way"),
        ("something else", "Something else"),
    ]

    first_name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"autocomplete": "given-name"}))
    last_name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"autocomplete": "family-name"}))
    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    phone = phone_field(required=False, help_text="If you would rather talk.")
    topic = forms.ChoiceField(label="What is it about?", choices=TOPICS)
    message = forms.CharField(label="Your message", max_length=4000, widget=forms.Textarea(attrs={"rows": 6}))


class QuoteForm(OctanistFormMixin, forms.ModelForm):
    """Name, e-mail and phone are found by their ``autocomplete`` tokens, the note by its name."""

    octanist_form = "quote"

    phone = phone_field()

    class Meta:
        model = QuoteRequest
        fields = ["full_name", "email", "phone", "roof_type", "area", "preferred_date", "message", "photo"]
        widgets = {
            "full_name": forms.TextInput(attrs={"autocomplete": "name"}),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
            "area": forms.NumberInput(attrs={"inputmode": "numeric", "min": 1, "max": 5000}),
            "preferred_date": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "message": forms.Textarea(attrs={"rows": 5}),
            "photo": forms.FileInput(attrs={"accept": ".jpg,.jpeg,.png,.webp,.heic"}),
        }

    def clean_preferred_date(self) -> datetime.date | None:
        date = self.cleaned_data["preferred_date"]
        if date is not None and date < timezone.localdate():
            raise forms.ValidationError("That day has passed. Please pick one from today on.", code="past")
        return date


class StormReportForm(forms.ModelForm):
    """Knows nothing of Octanist: its model is registered."""

    phone = phone_field()

    class Meta:
        model = StormReport
        fields = ["name", "phone", "email", "address", "damage", "message"]
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
            "message": forms.Textarea(attrs={"rows": 4}),
        }


class CallBackForm(OctanistFormMixin, forms.Form):
    octanist_form = "call-back"

    TIMES = [
        ("as soon as possible", "As soon as possible"),
        ("morning", "In the morning, 8 to 12"),
        ("afternoon", "In the afternoon, 12 to 17"),
        ("evening", "In the evening, 17 to 20"),
    ]

    name = forms.CharField(label="Your name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    phone = phone_field()
    best_time = forms.ChoiceField(label="Best time to call", choices=TIMES)


class NewsletterForm(forms.Form):
    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "email"}))


class GuestForm(OctanistFormMixin, forms.Form):
    octanist_form = "open-day"

    name = forms.CharField(max_length=150)
    email = forms.EmailField(label="E-mail")


class BaseGuestFormSet(OctanistFormSetMixin, forms.BaseFormSet):
    """The visitor, and whom they bring along. Each is a lead of the visitor's session."""

    def add_fields(self, form: GuestForm, index: int | None) -> None:
        super().add_fields(form, index)
        if index == 0:
            # A formset says of no form that it is required. And only the visitor's own name is known to the browser.
            form.use_required_attribute = True
            for name in ("name", "email"):
                form.fields[name].widget.attrs["autocomplete"] = name


MAX_GUESTS = 4

GuestFormSet: Any = forms.formset_factory(
    GuestForm,
    formset=BaseGuestFormSet,
    min_num=1,
    extra=MAX_GUESTS - 1,
    max_num=MAX_GUESTS,
    absolute_max=MAX_GUESTS,
    validate_max=True,
)
