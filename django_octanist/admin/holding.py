"""Why a lead that is due does not go, in a word or two."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from ..models import Lead


def held(lead: Lead, *, is_paused: bool, has_key: bool, now: datetime) -> str:
    """Return what keeps ``lead`` from being tried, or ``""``: nothing does, or its time has not come."""
    if lead.next_attempt_at is None or lead.next_attempt_at > now:
        return ""
    if not has_key:
        return _("no API key")
    return _("paused") if is_paused else ""
