"""Django's admin: which leads arrived, which did not and why, and what to do."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from . import dispatch
from .conf import SETTINGS, Setting, conf
from .delivery import pauses
from .exceptions import OctanistConfigurationError, OctanistError
from .models import DeliveryAttempt, DeliveryPause, Lead, LeadQuerySet
from .vocabulary import SESSION_ID

if TYPE_CHECKING:
    _LeadAdmin = admin.ModelAdmin[Lead]
    _AttemptInline = admin.TabularInline[DeliveryAttempt, Lead]
    _PauseAdmin = admin.ModelAdmin[DeliveryPause]
else:
    _LeadAdmin = admin.ModelAdmin
    _AttemptInline = admin.TabularInline
    _PauseAdmin = admin.ModelAdmin

REFUSED = "refused"


class LinkedFilter(admin.SimpleListFilter):
    """Whether a lead came with a pixel session; a session id that was none counts apart."""

    title = _("pixel session")
    parameter_name = "linked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("linked")), ("no", _("not linked")), (REFUSED, _("not linked: the session id was no id"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        chosen = self.value()
        if chosen == "yes":
            return queryset.exclude(session_id="")
        if chosen == "no":
            return queryset.filter(session_id="")
        if chosen == REFUSED:
            return queryset.filter(**{f"sources__{SESSION_ID}__startswith": REFUSED})
        return queryset


class Watched:
    """What is looked at and acted on; not added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send leads again, cancel them and end pauses (``octanist.replay_lead``)."""
        return request.user.has_perm("octanist.replay_lead")


class AttemptInline(_AttemptInline):
    """The attempts below a lead, oldest first."""

    model = DeliveryAttempt
    extra = 0
    can_delete = False
    fields = readonly_fields = (
        "started_at",
        "outcome",
        "http_status",
        "error_code",
        "error",
        "request_id",
        "duration_ms",
        "with_session",
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
    search_fields = ("email", "name", "phone", "=submission_id", "=octanist_id", "=request_id")
    search_help_text = _("E-mail, name, phone, submission ID, Octanist ID or request ID")
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

    @admin.display(description=_("linked"), boolean=True)
    def linked(self, lead: Lead) -> bool:
        return bool(lead.session_id)

    @admin.display(description=_("last error"))
    def last_error(self, lead: Lead) -> str:
        return " ".join(filter(None, [lead.error_code, lead.error]))[:200] or "-"

    @admin.display(description=_("custom fields"))
    def custom_shown(self, lead: Lead) -> SafeString:
        return _json(lead.custom)

    @admin.display(description=_("pixel session"))
    def session_shown(self, lead: Lead) -> str:
        source = lead.sources.get(SESSION_ID, "")
        return " · ".join(filter(None, [lead.session_id or str(_("none")), source]))

    @admin.display(description=_("attribution"))
    def attribution_shown(self, lead: Lead) -> SafeString:
        rows = [(name, value, lead.sources.get(name, "")) for name, value in lead.attribution.items()]
        return _table("<tr><th>{}</th><td>{}</td><td>{}</td></tr>", rows)

    @admin.display(description=_("consent"))
    def consent_shown(self, lead: Lead) -> SafeString:
        words = {True: _("granted"), False: _("denied"), None: _("unknown")}
        rows = [(name, words[value], lead.sources.get(name, "")) for name, value in lead.consent.items()]
        return _table("<tr><th>{}</th><td>{}</td><td>{}</td></tr>", rows)

    @admin.display(description=_("JSON sent"))
    def sent(self, lead: Lead) -> SafeString | str:
        """The exact body of the last attempt, or of the first one to come."""
        last = lead.delivery_attempts.order_by("-id").values_list("with_session", flat=True).first()
        try:
            return _json(lead.payload(with_session=last is not False))
        except OctanistError as error:
            return str(error)

    # What waits, and why

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"octanist_notices": _notices(), **(extra_context or {})})

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


@admin.register(DeliveryPause)
class DeliveryPauseAdmin(Watched, _PauseAdmin):
    """Accounts whose deliveries wait, and the way to let them go on before the next probe."""

    list_display = ("account", "reason", "since", "probe_at", "failures", "error")
    list_display_links = None
    actions = ("resume",)

    @admin.action(description=_("Let deliveries of selected accounts go on now"), permissions=["replay"])
    def resume(self, request: HttpRequest, queryset: QuerySet[DeliveryPause]) -> None:
        for row in list(queryset):
            if pauses.resume(row.account) and request.user.pk:
                LogEntry.objects.log_actions(request.user.pk, [row], CHANGE, change_message="Resumed.")
                transaction.on_commit(partial(dispatch.nudge, row.account), robust=True)
                text = _("Deliveries of the account %(account)s go on. Where nothing has changed, they pause again.")
                self.message_user(request, text % {"account": row.account}, messages.SUCCESS)


def _notices() -> list[str]:
    """Sentences on accounts whose leads wait for a reason that a person can mend."""
    wrong = [problem for setting in SETTINGS.values() if (problem := _problem(setting))]
    if wrong:
        return wrong
    accounts = conf.accounts
    keyless = [account for account in accounts if not conf.api_key(account)]
    paused = [
        _(
            "Account %(account)s is paused: %(reason)s. Leads wait; nothing is lost."
            " (Since %(since)s, next try %(probe)s)"
        )
        % {
            "account": row.account,
            "since": _moment(row.since),
            "reason": row.get_reason_display(),
            "probe": _moment(row.probe_at),
        }
        for row in DeliveryPause.objects.order_by("account")
    ]
    waiting = Lead.objects.waiting().filter(Q(account__in=keyless) | ~Q(account__in=accounts))
    without_key = [
        _("Account %(account)s has no API key: its leads wait. Set OCTANIST_API_KEY or OCTANIST_API_KEYS.")
        % {"account": account}
        for account in waiting.order_by("account").values_list("account", flat=True).distinct()[:10]
    ]
    return [*paused, *without_key]


def _problem(setting: Setting[Any]) -> str:
    try:
        setting.read()
    except OctanistConfigurationError as error:
        return str(error)
    return ""


def _moment(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def _json(value: Any) -> SafeString:
    return format_html('<pre class="octanist-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def _table(row: str, rows: list[Any]) -> SafeString:
    if not rows:
        return SafeString("-")
    return format_html('<table class="octanist-table">{}</table>', format_html_join("", row, rows))
