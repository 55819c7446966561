"""The overview: how deliveries of each account go, what needs a look, and a button that checks a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from .. import figures, health
from ..models import Lead
from .addresses import address
from .amounts import age_shown
from .bulkactions import interrupted
from .cells import Links
from .formrows import TAGS, form_rows
from .keycheck import check
from .needs import needs
from .panels import panels
from .shown import second_shown
from .standing import standings
from .watched import Watched

if TYPE_CHECKING:

    class _Mixin(Watched, admin.ModelAdmin[Lead]): ...
else:
    _Mixin = object

OPEN = 3
"""Accounts that are shown in full; of further ones the heading, which opens."""


class LeadOverview(_Mixin):
    """The overview's part of ``LeadAdmin``."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("overview/", view(self.overview_view), name="octanist_lead_overview"),
            path("overview/check/", view(self.check_view), name="octanist_lead_check"),
        ]
        return own + super().get_urls()

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        wrong = health.wrong_settings(delivers=True)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Overview"),
            "may_check": self.has_replay_permission(request),
            "wrong_settings": wrong,
            # Nothing is delivered while such a setting is wrong, and nothing else matters.
            **({} if wrong else _shown(self.admin_site)),
        }
        return TemplateResponse(request, "admin/octanist/overview.html", context)

    # The row of the pause must not be held, nor a transaction be open, while Octanist is asked.
    @transaction.non_atomic_requests
    def check_view(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_replay_permission(request)):
            raise PermissionDenied
        checked = check(request.POST.get("account", ""), user_id=request.user.pk)
        self.message_user(request, checked.text, messages.SUCCESS if checked.good else messages.ERROR)
        return HttpResponseRedirect(self._url("overview"))

    def _url(self, name: str) -> str:
        return address(f"lead_{name}", site=self.admin_site)


def _shown(site: admin.AdminSite) -> dict[str, Any]:
    links = Links(address("lead_changelist", site=site))
    read, now = figures.read(), timezone.now()
    state = health.examine(read)
    shown = panels(read, standings=standings(state, now=now), links=links, now=now)
    return {
        "taken_at": second_shown(read.taken_at, "TIME_FORMAT"),
        "age": age_shown(read.taken_at, now=now),
        "panels": shown,
        "open": OPEN,
        "needs": needs(shown, health=state, links=links, interrupted=interrupted(site=site)),
        "forms": form_rows(read, links=links),
        "tags": TAGS,
        "is_empty": not any(panel.pictures or panel.pending.url for panel in shown),
    }
