"""Accounts whose deliveries wait."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .. import dispatch
from ..delivery import pauses
from ..models import DeliveryPause
from .labels import labelled
from .watched import Watched

if TYPE_CHECKING:
    _PauseAdmin = admin.ModelAdmin[DeliveryPause]
else:
    _PauseAdmin = admin.ModelAdmin


@admin.register(DeliveryPause)
class DeliveryPauseAdmin(Watched, _PauseAdmin):
    """Accounts whose deliveries wait, and the way to let them go on before the next try."""

    class Media:
        css = {"all": ("octanist/admin.css",)}

    list_display = tuple(
        labelled(DeliveryPause, name) for name in ("account", "reason", "since", "probe_at", "failures", "error")
    )
    list_display_links = None
    actions = ("resume",)

    @admin.action(description=_("Let deliveries of selected accounts go on now"), permissions=["replay"])
    def resume(self, request: HttpRequest, queryset: QuerySet[DeliveryPause]) -> None:
        for row in list(queryset):
            if pauses.try_now(row.account) and request.user.pk:
                LogEntry.objects.log_actions(request.user.pk, [row], CHANGE, change_message="Tried at once.")
                transaction.on_commit(partial(dispatch.nudge, row.account), robust=True)
                text = _(
                    "The next lead of the account %(account)s is tried now. Where it gets through, deliveries go on."
                )
                self.message_user(request, text % {"account": row.account}, messages.SUCCESS)
