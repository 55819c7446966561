"""The leads in the admin: a list, a page each, and what can be done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from ..models import Lead
from .acting import LeadActing
from .changelist import LeadList
from .corrections import LeadCorrecting
from .export import LeadExport
from .overview import LeadOverview
from .page import LeadPage
from .watched import Watched

if TYPE_CHECKING:
    _LeadAdmin = admin.ModelAdmin[Lead]
else:
    _LeadAdmin = admin.ModelAdmin


@admin.register(Lead)
class LeadAdmin(LeadList, LeadExport, LeadPage, LeadActing, LeadCorrecting, LeadOverview, Watched, _LeadAdmin):
    """Leads can be looked at and acted on; not added, changed or deleted."""

    class Media:
        css = {"all": ("octanist/admin.css", "octanist/lead.css", "octanist/acting.css")}
