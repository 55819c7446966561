"""What can be done with leads: sent again, cancelled, erased; from the list and from a lead's page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.db.models import CharField, QuerySet, Value
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from .. import dispatch, figures
from ..bulk import running, touch
from ..bulk.batches import last_key
from ..models import Lead, LeadQuerySet
from ..transactions import retried
from . import bulkactions
from .acts import ACTS, CANCEL, ERASE, EXACT, REPLAY, Act, Preview, left, preview
from .addresses import address
from .others import others
from .watched import Watched

if TYPE_CHECKING:

    class _Mixin(Watched, admin.ModelAdmin[Lead]): ...
else:
    _Mixin = object

AT_ONCE = 500
"""Leads that are done in the request; more are done in the background."""
CORRECT = "correct"
"""The kind of the button that leads to the lead's correction (see ``corrections``)."""


LAST = "last"
"""What is posted with a confirmation: the key of the latest lead that there was at the preview."""


def _last_shown(request: HttpRequest) -> int:
    with suppress(KeyError, ValueError):
        return min(int(request.POST[LAST]), last_key())
    return last_key()


class Button(NamedTuple):
    """A way to act on a lead: its ``url`` shows by GET what it would do, and does it by POST."""

    label: str
    url: str
    kind: str
    """A ``BulkAction.Kind``, or :data:`CORRECT`."""


def buttons(request: HttpRequest, lead: Lead, *, site: admin.AdminSite) -> list[Button]:
    """Return what the user may do with ``lead`` as it is now, the most helpful first."""
    possible = _possible(lead)
    correct = Button(str(_("Correct and send again")), address("lead_correct", lead.pk, site=site), CORRECT)
    acts = [act for act in ACTS.values() if act.kind in possible and act.is_permitted(request.user)]
    return [
        *([correct] if CORRECT in possible and may_correct(request) else []),
        *(Button(str(act.label), address(act.url_name, lead.pk, site=site), act.kind) for act in acts),
    ]


def may_correct(request: HttpRequest) -> bool:
    """Whether the user may correct leads: who does sees the contact, and the lead is sent again."""
    return request.user.has_perms(["octanist.replay_lead", "octanist.view_lead_personal_data"])


def _possible(lead: Lead) -> set[str]:
    """The kinds of acts that would touch ``lead``, as the database has it now."""
    leads = Lead.objects.filter(pk=lead.pk).order_by()
    ways: dict[str, QuerySet[Lead]] = {act.kind: act.may(leads) for act in ACTS.values()}
    ways[CORRECT] = leads.correctable()
    first, *others = (
        way.annotate(act=Value(str(kind), output_field=CharField())).values_list("act", flat=True)
        for kind, way in ways.items()
    )
    return set(first.union(*others, all=True).order_by())


class LeadActing(_Mixin):
    """The acting half of ``LeadAdmin``."""

    actions = ("send_again", "cancel", "erase")

    @admin.action(description=_("Send selected leads again"), permissions=["replay"])
    def send_again(self, request: HttpRequest, queryset: LeadQuerySet) -> HttpResponse | None:
        return self._on_chosen(request, REPLAY, queryset)

    @admin.action(description=_("Cancel selected leads"), permissions=["replay"])
    def cancel(self, request: HttpRequest, queryset: LeadQuerySet) -> HttpResponse | None:
        return self._on_chosen(request, CANCEL, queryset)

    @admin.action(description=_("Erase personal data of selected leads"), permissions=["erase"])
    def erase(self, request: HttpRequest, queryset: LeadQuerySet) -> HttpResponse | None:
        return self._on_chosen(request, ERASE, queryset)

    def _on_chosen(self, request: HttpRequest, act: Act, leads: LeadQuerySet) -> HttpResponse | None:
        """Show what ``act`` would do to ``leads``, or do it once that is confirmed."""
        across = request.POST.get("select_across") == "1"
        if request.POST.get("post"):
            return self._do(request, act, leads, filtered=across, last=_last_shown(request) if across else None)
        # What is captured between the preview and its confirmation was not chosen.
        last = last_key()
        posted = {"action": request.POST.get("action", ""), "post": "yes", LAST: str(last)}
        # Django looks for something chosen also where everything is.
        keys = ["0"] if across else [str(key) for key in leads.order_by().values_list("pk", flat=True)]
        fields = [*posted.items(), ("select_across", str(int(across))), *((ACTION_CHECKBOX_NAME, key) for key in keys)]
        shown = preview(act, leads.filter(pk__lte=last))
        return self._confirmation(request, shown, fields=fields, back=request.get_full_path())

    def _confirmation(
        self,
        request: HttpRequest,
        shown: Preview,
        *,
        fields: list[tuple[str, str]],
        back: str,
        of: Lead | None = None,
    ) -> HttpResponse:
        erased = of if shown.act is ERASE and self.has_personal_permission(request) else None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": shown.act.title,
            "subtitle": str(of) if of else None,
            # What Django's own template has as the last breadcrumb.
            "original": shown.act.title,
            "has_view_permission": True,
            "preview": shown,
            "others": others(erased, site=self.admin_site) if erased else None,
            "fields": fields,
            "back": back,
        }
        return TemplateResponse(request, "admin/octanist/lead/confirm.html", context)

    def _do(
        self,
        request: HttpRequest,
        act: Act,
        leads: LeadQuerySet,
        *,
        filtered: bool = False,
        last: int | None = None,
    ) -> HttpResponse | None:
        """Do ``act`` to ``leads`` at once and say what was done; where many match a filter, in the background.

        ``last`` is the key of the latest lead that there was when they were chosen.
        """
        if last is not None:
            leads = leads.filter(pk__lte=last)
        if filtered and (total := leads.order_by()[: EXACT + 1].count()) > AT_ONCE:
            return self._begin(request, act, leads, total=total if total <= EXACT else 0, last=last)
        database = router.db_for_write(Lead)
        keys = set(leads.order_by().values_list("pk", flat=True))
        chosen = Lead.objects.using(database).filter(pk__in=keys)
        touched = retried(partial(self._touch, request, act, chosen), using=database)
        untouched = chosen.filter(pk__in=keys - {lead.pk for lead in touched})
        why = left(act, untouched, number=len(keys) - len(touched))
        said = Preview(act=act, total=len(keys), touched=len(touched)).sentence
        self.message_user(request, " ".join([said, *why]), messages.WARNING if why else messages.SUCCESS)
        return None

    def _touch(self, request: HttpRequest, act: Act, leads: LeadQuerySet) -> list[Lead]:
        """The act and its entries in the admin's log, in one transaction; then the nudges."""
        with transaction.atomic(using=leads.db):
            touched = touch(leads, act.kind)
            log(request, touched, str(act.logged))
            if touched:
                after_commit(touched if act is REPLAY else [], using=leads.db)
        return touched

    def _begin(
        self, request: HttpRequest, act: Act, leads: LeadQuerySet, *, total: int, last: int | None
    ) -> HttpResponse:
        # Without page and order, which choose no leads.
        chosen = [(name, values) for name, values in request.GET.lists() if name not in (PAGE_VAR, ORDER_VAR)]
        action = running.begin(
            act.kind, user_key=str(request.user.pk), query=urlencode(chosen, doseq=True), total=total, last=last
        )
        return bulkactions.start(action, leads, site=self.admin_site)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(
            request, {"octanist_running": bulkactions.notices(site=self.admin_site), **(extra_context or {})}
        )

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<path:object_id>/{act.slug}/", self._one(act), name=f"octanist_{act.url_name}")
            for act in ACTS.values()
        ]
        return own + super().get_urls()

    def _one(self, act: Act) -> Callable[..., Any]:
        """``act`` for one lead, as the buttons of its page use it."""

        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            if request.method not in ("GET", "HEAD", "POST"):
                return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
            if not (self.has_view_permission(request) and act.is_permitted(request.user)):
                raise PermissionDenied
            lead = self.get_object(request, unquote(object_id))
            if lead is None:
                raise Http404
            leads, page = Lead.objects.filter(pk=lead.pk), address("lead_change", lead.pk, site=self.admin_site)
            if request.method == "POST":
                self._do(request, act, leads)
                return HttpResponseRedirect(page)
            return self._confirmation(request, preview(act, leads), fields=[], back=page, of=lead)

        return self.admin_site.admin_view(view)


def log(request: HttpRequest, leads: list[Lead], message: Any) -> None:
    """Enter into the admin's log what was done to each of ``leads``."""
    if leads and request.user.pk:
        LogEntry.objects.log_actions(request.user.pk, leads, CHANGE, change_message=message)


def after_commit(leads: list[Lead], *, using: str) -> None:
    """Once it is committed, say that ``leads`` are to be delivered, and that figures have changed."""
    transaction.on_commit(figures.forget, using=using, robust=True)
    for account in sorted({lead.account for lead in leads}):
        transaction.on_commit(partial(dispatch.nudge, account), using=using, robust=True)
