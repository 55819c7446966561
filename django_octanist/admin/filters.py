"""The list's filters that are not plain columns."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import Lead
from ..vocabulary import SESSION_ID

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
