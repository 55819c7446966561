"""The attempts below a lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from ..models import DeliveryAttempt, Lead
from .watched import Watched

if TYPE_CHECKING:
    _AttemptInline = admin.TabularInline[DeliveryAttempt, Lead]
else:
    _AttemptInline = admin.TabularInline


class AttemptInline(Watched, _AttemptInline):
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

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Octanist's message may repeat what a visitor typed."""
        personal = self.has_personal_permission(request)
        return [name for name in self.fields if personal or name != "error"]
