"""Alerts, and what their tests share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core import mail
from django.utils import timezone

from django_octanist.alerts import limits
from django_octanist.models import AlertGroup, Lead
from tests.delivery import make_lead

HOUR = timedelta(hours=1)


def lost_lead(status: Lead.Status = Lead.Status.INVALID, **fields: Any) -> Lead:
    """Store a lead that was lost."""
    values = {"account": "shop", "error_code": "VALIDATION_ERROR", "error": "jo@example.com?"}
    return make_lead(**{"status": status, "next_attempt_at": None} | values | fields)


def waiting_lead(*, hours: float, **fields: Any) -> Lead:
    """Store a lead that was captured so long ago, and is due since then."""
    moment = timezone.now() - timedelta(hours=hours)
    return make_lead(**{"created_at": moment, "next_attempt_at": moment, "account": "shop"} | fields)


def let_pass(time: timedelta) -> None:
    """Move what was told into the past, and let this process forget when it looked."""
    for group in AlertGroup.objects.exclude(told_at=None):
        AlertGroup.objects.filter(pk=group.pk).update(told_at=group.told_at - time)
    limits.forget()


def subjects() -> list[str]:
    """What the mails are about, in the order in which they were sent."""
    return [message.subject.partition("Octanist: ")[2] for message in mail.outbox]
