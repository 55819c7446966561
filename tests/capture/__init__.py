"""Tests of the front door."""

from __future__ import annotations

from typing import Any

from django_octanist.capture import capture_lead
from django_octanist.models import Lead

SESSION = "550e8400-e29b-41d4-a716-446655440000"


def capture(data: Any = None, **arguments: Any) -> Lead:
    lead = capture_lead({"email": "jo@example.com"} if data is None else data, **arguments)
    assert lead is not None
    return Lead.objects.get(pk=lead.pk)
