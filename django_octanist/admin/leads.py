"""The leads: their list, the page of each, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .. import dispatch
from ..exceptions import OctanistError
from ..masking import mask_email, mask_json, mask_payload, mask_phone, mask_text, mask_words
from ..models import Lead, LeadQuerySet
from ..vocabulary import LEAD, SESSION_ID
from .attempts import AttemptInline
from .filters import LinkedFilter
from .notices import notices
from .shown import json_shown, table_shown
from .watched import Watched

if TYPE_CHECKING:
    _LeadAdmin = admin.ModelAdmin[Lead]
else:
    _LeadAdmin = admin.ModelAdmin


CONTACT_SEARCH = ("email", "name", "phone")
ID_SEARCH = ("=submission_id", "=octanist_id", "=request_id")
CONTACT_HELP = _("E-mail, name, phone, submission ID, Octanist ID or request ID")
ID_HELP = _("Submission ID, Octanist ID or request ID")
PERSONAL = {*LEAD, "error", "dedupe_key"}
"""Columns that say something of a person, or may repeat it."""
MASKED = {
    "contact": "contact_masked",
    "name": "name_masked",
    "email": "email_masked",
    "phone": "phone_masked",
    "note": "note_masked",
    "custom_shown": "custom_masked",
    "last_error": "error_code_shown",
    "sent": "sent_masked",
}
"""What stands in a column's or field's place for those who may not see personal data."""


@admin.register(Lead)
class LeadAdmin(Watched, _LeadAdmin):
    """Leads can be looked at, sent again and cancelled; not added, changed or deleted."""

    list_display = (
        "created_at",
        "status_shown",
        "form",
        "account",
        "contact",
        "linked",
        "attempts",
        "next_attempt_at",
        "last_error",
    )
    list_display_links = ("created_at",)
    list_filter = ("status", "form", "account", LinkedFilter, "created_at")
    show_full_result_count = False
    actions = ("send_again", "cancel")
    inlines = (AttemptInline,)
    fieldsets = (
        (None, {"fields": ("status_shown", "next_attempt_at", "last_error", "octanist_id", "request_id")}),
        (_("Lead"), {"fields": ("form", "account", "name", "email", "phone", "note", "custom_shown")}),
        (_("Where from"), {"fields": ("session_shown", "attribution_shown", "consent_shown")}),
        (_("Delivery"), {"fields": ("created_at", "delivered_at", "attempts", "uncertain", "submission_id", "sent")}),
    )

    class Media:
        css = {"all": ("octanist/admin.css",)}

    # What is shown

    @admin.display(description=_("status"), ordering="status")
    def status_shown(self, lead: Lead) -> SafeString:
        return format_html(
            '<span class="octanist-status octanist-{}">{}</span>', lead.status, lead.get_status_display()
        )

    @admin.display(description=_("contact"), ordering="email")
    def contact(self, lead: Lead) -> str:
        return lead.email or lead.phone or lead.name or "-"

    @admin.display(description=_("contact"))
    def contact_masked(self, lead: Lead) -> str:
        return mask_email(lead.email) or mask_phone(lead.phone) or mask_words(lead.name) or "-"

    @admin.display(description=_("name"))
    def name_masked(self, lead: Lead) -> str:
        return mask_words(lead.name) or "-"

    @admin.display(description=_("e-mail"))
    def email_masked(self, lead: Lead) -> str:
        return mask_email(lead.email) or "-"

    @admin.display(description=_("phone"))
    def phone_masked(self, lead: Lead) -> str:
        return mask_phone(lead.phone) or "-"

    @admin.display(description=_("note"))
    def note_masked(self, lead: Lead) -> str:
        return mask_text(lead.note) or "-"

    @admin.display(description=_("custom fields"))
    def custom_masked(self, lead: Lead) -> SafeString:
        return json_shown(mask_json(lead.custom))

    @admin.display(description=_("linked"), boolean=True)
    def linked(self, lead: Lead) -> bool:
        return bool(lead.session_id)

    @admin.display(description=_("last error"))
    def last_error(self, lead: Lead) -> str:
        return " ".join(filter(None, [lead.error_code, lead.error]))[:200] or "-"

    @admin.display(description=_("last error"))
    def error_code_shown(self, lead: Lead) -> str:
        """Octanist's message may repeat what a visitor typed; its code does not."""
        return lead.error_code or "-"

    @admin.display(description=_("custom fields"))
    def custom_shown(self, lead: Lead) -> SafeString:
        return json_shown(lead.custom)

    @admin.display(description=_("pixel session"))
    def session_shown(self, lead: Lead) -> str:
        source = lead.sources.get(SESSION_ID, "")
        return " · ".join(filter(None, [lead.session_id or str(_("none")), source]))

    @admin.display(description=_("attribution"))
    def attribution_shown(self, lead: Lead) -> SafeString:
        rows = [(name, value, lead.sources.get(name, "")) for name, value in lead.attribution.items()]
        return table_shown("<tr><th>{}</th><td>{}</td><td>{}</td></tr>", rows)

    @admin.display(description=_("consent"))
    def consent_shown(self, lead: Lead) -> SafeString:
        words = {True: _("granted"), False: _("denied"), None: _("unknown")}
        rows = [(name, words[value], lead.sources.get(name, "")) for name, value in lead.consent.items()]
        return table_shown("<tr><th>{}</th><td>{}</td><td>{}</td></tr>", rows)

    @admin.display(description=_("JSON sent"))
    def sent(self, lead: Lead) -> SafeString | str:
        """The exact body of the last attempt, or of the first one to come."""
        return self._sent(lead, shown=dict)

    @admin.display(description=_("JSON sent"))
    def sent_masked(self, lead: Lead) -> SafeString | str:
        return self._sent(lead, shown=mask_payload)

    def _sent(self, lead: Lead, *, shown: Callable[[dict[str, Any]], dict[str, Any]]) -> SafeString | str:
        last = lead.delivery_attempts.order_by("-id").values_list("with_session", flat=True).first()
        try:
            return json_shown(shown(lead.payload(with_session=last is not False)))
        except OctanistError as error:
            return str(error)

    # Who sees what

    def get_list_display(self, request: HttpRequest) -> Any:
        return self._as_seen(request, self.list_display)

    def get_fieldsets(self, request: HttpRequest, obj: Lead | None = None) -> Any:
        return [
            (title, {"fields": self._as_seen(request, options["fields"])})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Who may not see a contact does not find out by searching for it, either."""
        return CONTACT_SEARCH + ID_SEARCH if self.has_personal_permission(request) else ID_SEARCH

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        listed = super().get_changelist_instance(request)
        listed.search_help_text = str(CONTACT_HELP if self.has_personal_permission(request) else ID_HELP)
        return listed

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Nor by a filter in the address: Django allows one on every column of the table."""
        if lookup.partition("__")[0] in PERSONAL and not self.has_personal_permission(request):
            return False
        return super().lookup_allowed(lookup, value, request)

    def _as_seen(self, request: HttpRequest, names: Iterable[Any]) -> list[str]:
        plain = self.has_personal_permission(request)
        return [name if plain else MASKED.get(name, name) for name in names]

    # What waits, and why

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"octanist_notices": notices(), **(extra_context or {})})

    # Acting

    @admin.action(description=_("Send selected leads again"), permissions=["replay"])
    def send_again(self, request: HttpRequest, queryset: LeadQuerySet) -> None:
        chosen = queryset.count()
        touched = list(queryset.replayable())
        replayed = Lead.objects.filter(pk__in=[lead.pk for lead in touched]).replay()
        self._log(request, touched, message="Sent again.")
        for account in {lead.account for lead in touched}:
            transaction.on_commit(partial(dispatch.nudge, account), robust=True)
        self._report(
            request,
            ngettext("%d lead is sent again.", "%d leads are sent again.", replayed) % replayed,
            left=chosen - replayed,
            why=_("delivered, or being sent right now"),
        )

    @admin.action(description=_("Cancel selected leads"), permissions=["replay"])
    def cancel(self, request: HttpRequest, queryset: LeadQuerySet) -> None:
        chosen = queryset.count()
        touched = list(queryset.cancellable())
        cancelled = Lead.objects.filter(pk__in=[lead.pk for lead in touched]).cancel()
        self._log(request, touched, message="Cancelled.")
        self._report(
            request,
            ngettext("%d lead is cancelled.", "%d leads are cancelled.", cancelled) % cancelled,
            left=chosen - cancelled,
            why=_("not pending, or being sent right now"),
        )

    def _log(self, request: HttpRequest, leads: list[Lead], *, message: str) -> None:
        if leads and request.user.pk:
            LogEntry.objects.log_actions(request.user.pk, leads, CHANGE, change_message=message)

    def _report(self, request: HttpRequest, text: str, *, left: int, why: Any) -> None:
        if left:
            rest = ngettext("%(left)d was left as it is (%(why)s).", "%(left)d were left as they are (%(why)s).", left)
            text = f"{text} {rest % {'left': left, 'why': why}}"
        self.message_user(request, text, messages.WARNING if left else messages.SUCCESS)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<path:object_id>/send-again/", self._one(self.send_again), name="octanist_lead_send_again"),
            path("<path:object_id>/cancel/", self._one(self.cancel), name="octanist_lead_cancel"),
        ]
        return own + super().get_urls()

    def _one(self, action: Any) -> Any:
        """The action for one lead, as the buttons of its page use it: by POST, with the permission."""

        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not (self.has_view_permission(request) and self.has_replay_permission(request)):
                raise PermissionDenied
            lead = self.get_object(request, object_id)
            if lead is not None:
                action(request, self.get_queryset(request).filter(pk=lead.pk))
            return HttpResponseRedirect(reverse("admin:octanist_lead_change", args=[object_id]))

        return self.admin_site.admin_view(view)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        lead = Lead.objects.filter(pk=object_id) if object_id.isdigit() else Lead.objects.none()
        may = self.has_replay_permission(request)
        buttons = {
            "octanist_may_send_again": may and lead.replayable().exists(),
            "octanist_may_cancel": may and lead.cancellable().exists(),
        }
        return super().change_view(request, object_id, form_url, {**buttons, **(extra_context or {})})
