"""A lead whose data Octanist refused: corrected by hand, and sent again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db import router, transaction
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from ..models import DeliveryAttempt, Lead
from ..text import clean_line, clean_text
from ..transactions import retried
from ..vocabulary import BY_NAME, CONTACT
from .acting import after_commit, log, may_correct
from .addresses import address
from .errors import said
from .watched import Watched

if TYPE_CHECKING:

    class _Mixin(Watched, admin.ModelAdmin[Lead]): ...
else:
    _Mixin = object

CORRECTED = (*CONTACT, "note")
LABELS = {
    "name": gettext_noop("name"),
    "email": gettext_noop("e-mail"),
    "phone": gettext_noop("phone"),
    "note": gettext_noop("note"),
}
"""As the admin's log keeps them, which translates them when it shows them."""
AGAIN = "again"
"""What is posted along to send again all the same what Octanist is likely to refuse."""


class LinesField(forms.CharField):
    """Text of several lines, counted as it is kept: a browser posts each line's end as two characters."""

    def to_python(self, value: Any) -> str:
        text: str = super().to_python(value) or ""
        return text.replace("\r\n", "\n")


class CorrectionForm(forms.Form):
    """The contact of a lead that Octanist refused. ``error`` is what Octanist said."""

    name = forms.CharField(label=_("Name"), required=False, max_length=BY_NAME["name"].max_length)
    email = forms.CharField(
        label=_("E-mail"),
        required=False,
        max_length=BY_NAME["email"].max_length,
        # No type of its own: a browser would refuse what Octanist may accept.
        widget=forms.TextInput(attrs={"inputmode": "email"}),
    )
    phone = forms.CharField(
        label=_("Phone"),
        required=False,
        max_length=BY_NAME["phone"].max_length,
        widget=forms.TextInput(attrs={"inputmode": "tel"}),
    )
    note = LinesField(
        label=_("Note"), required=False, max_length=BY_NAME["note"].max_length, widget=forms.Textarea(attrs={"rows": 6})
    )
    # The latest attempt that the operator knew of.
    seen = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *arguments: Any, lead: Lead, error: str = "", **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._lead = lead
        for name in CORRECTED:
            # Visitors fill in their own browser's names; an operator's must not offer the operator's.
            self.fields[name].widget.attrs["autocomplete"] = "off"
            if re.search(rf"\b{name}\b", error, re.IGNORECASE):
                self.fields[name].help_text = _("Octanist's answer names this field.")
        if not (_may_be_email(lead.email) or self.fields["email"].help_text):
            self.fields["email"].help_text = _("This is not a complete e-mail address.")

    def clean(self) -> dict[str, Any]:
        """Clean as ``capture`` does; something must be left to know the visitor by."""
        data: dict[str, Any] = super().clean() or {}
        for name in CONTACT:
            data[name] = clean_line(data.get(name, ""), max_length=BY_NAME[name].max_length)
        data["note"] = clean_text(data.get("note", ""))
        if not (any(data[name] for name in CONTACT) or self._lead.custom or self.errors):
            raise ValidationError(_("A lead needs a name, an e-mail address or a phone number."))
        return data

    def contact(self) -> dict[str, str]:
        """Return the cleaned fields of the lead."""
        return {name: self.cleaned_data[name] for name in CORRECTED}


def doubt(lead: Lead, contact: Mapping[str, str]) -> str:
    """Return why Octanist is likely to refuse ``lead`` again with ``contact``, or ``""``."""
    if not changed(lead, contact):
        return str(_("Nothing is changed yet. What Octanist refused, it is likely to refuse again."))
    if not _may_be_email(contact["email"]):
        return str(_("This is not a complete e-mail address: Octanist is likely to refuse it."))
    return ""


def _may_be_email(text: str) -> bool:
    """Whether it is a complete address, or none at all."""
    with suppress(ValidationError):
        validate_email(text or "nobody@example.com")
        return True
    return False


def changed(lead: Lead, contact: Mapping[str, str]) -> list[str]:
    """Return the names of the fields in which ``contact`` is not what ``lead`` says."""
    return [name for name, value in contact.items() if getattr(lead, name) != value]


class LeadCorrecting(_Mixin):
    """The correcting half of ``LeadAdmin``."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.correct_view)
        return [path("<path:object_id>/correct/", view, name="octanist_lead_correct"), *super().get_urls()]

    def correct_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET: a form with the lead's contact. POST: correct the lead and send it again."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if not (self.has_view_permission(request) and may_correct(request)):
            raise PermissionDenied
        lead = self.get_object(request, unquote(object_id))
        if lead is None:
            raise Http404
        last = lead.delivery_attempts.order_by("-pk").first()
        error = said((last.error if last else "") or lead.error)
        if request.method != "POST":
            values = {name: getattr(lead, name) for name in CORRECTED}
            initial = {**values, "seen": last.pk if last else 0}
            return self._form(request, lead, CorrectionForm(initial=initial, lead=lead, error=error), error=error)
        form = CorrectionForm(request.POST, lead=lead, error=error)
        if not form.is_valid():
            return self._form(request, lead, form, error=error)
        doubtful = doubt(lead, form.contact())
        if doubtful and AGAIN not in request.POST:
            return self._form(request, lead, form, error=error, doubtful=doubtful)
        self._correct(request, lead, form)
        return HttpResponseRedirect(self._page(lead))

    def _form(
        self, request: HttpRequest, lead: Lead, form: CorrectionForm, *, error: str, doubtful: str = ""
    ) -> HttpResponse:
        title = _("Correct a lead and send it again")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media + form.media,
            "title": title,
            "subtitle": str(lead),
            # What Django's own template has as the last breadcrumb.
            "original": title,
            "has_view_permission": True,
            "form": form,
            "errors": form.errors,
            "possible": Lead.objects.filter(pk=lead.pk).correctable().exists(),
            "error": error,
            "doubtful": doubtful,
            "again": AGAIN,
            "back": self._page(lead),
        }
        return TemplateResponse(request, "admin/octanist/lead/correct.html", context)

    def _correct(self, request: HttpRequest, lead: Lead, form: CorrectionForm) -> None:
        """Whoever was quicker wins: a worker, or a colleague, whether their correction was sent by now or not."""
        database, contact = router.db_for_write(Lead), form.contact()
        later = DeliveryAttempt.objects.filter(lead=OuterRef("pk"), pk__gt=form.cleaned_data["seen"])
        as_seen = Lead.objects.using(database).filter(~Exists(later), pk=lead.pk)
        names = [LABELS[name] for name in changed(lead, contact)]

        def corrected() -> bool:
            with transaction.atomic(using=database):
                if not as_seen.correct(**contact):
                    return False
                log(request, [lead], [{"changed": {"fields": names}}] if names else str(_("Sent again.")))
                after_commit([lead], using=database)
            return True

        if retried(corrected, using=database):
            self.message_user(request, _("The lead is sent again."), messages.SUCCESS)
        else:
            text = _("Nothing was changed: somebody was quicker, and the lead is not as you saw it any more.")
            self.message_user(request, text, messages.ERROR)

    def _page(self, lead: Lead) -> str:
        return address("lead_change", lead.pk, site=self.admin_site)
