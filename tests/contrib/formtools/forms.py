from __future__ import annotations

from typing import Any

from django import forms

from django_octanist.forms import OctanistFormMixin
from tests.site.models import Quote


class RoofForm(forms.Form):
    roof = forms.ChoiceField(choices=[("slate", "Slate"), ("tile", "Tile")])
    comment = forms.CharField(required=False)


class PersonForm(forms.Form):
    first_name = forms.CharField(required=False)
    last_name = forms.CharField(required=False)
    email = forms.EmailField()
    secret = forms.CharField(required=False, widget=forms.PasswordInput)


class LastForm(forms.Form):
    birthday = forms.DateField(required=False)
    comment = forms.CharField(required=False)
    photo = forms.FileField(required=False)


class WindowForm(forms.Form):
    room = forms.CharField(required=False)
    pin = forms.CharField(required=False)


WindowFormSet = forms.formset_factory(WindowForm, extra=2, can_delete=True)


class PrivateForm(OctanistFormMixin, forms.Form):
    """Says itself what may leave the site."""

    octanist_fields = {"phone": "reach_me"}
    octanist_exclude = ("income",)
    reach_me = forms.CharField(required=False)
    income = forms.CharField(required=False)
    email = forms.EmailField()


class LastWordForm(OctanistFormMixin, forms.Form):
    """Has the last word on what leaves the site."""

    email = forms.EmailField(required=False)
    diary = forms.CharField(required=False)

    def get_octanist_data(self) -> dict[str, Any]:
        return {"email": self.cleaned_data["email"], "custom": {"wrote": bool(self.cleaned_data["diary"])}}


class QuoteForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Quote
        fields = ["full_name", "email"]


class MessageForm(forms.Form):
    message = forms.CharField()
