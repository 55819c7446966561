"""Figures, and leads of all ages to count."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django_octanist.models import DeliveryAttempt, Lead

S = Lead.Status
NOBODY: dict[str, Any] = {"email": "jo@example.com", "custom": {}}


def stored(now: datetime, *, ago: timedelta, took: float | None = None, **values: Any) -> Lead:
    """Store a lead that was captured before ``now``, and delivered after ``took`` seconds where that is given."""
    return Lead.objects.create(**_values(now, ago=ago, took=took, **values))


def _values(now: datetime, *, ago: timedelta, took: float | None = None, **values: Any) -> dict[str, Any]:
    captured = now - ago
    if took is not None:
        values = {"status": S.DELIVERED, "delivered_at": captured + timedelta(seconds=took), **values}
    if values.get("status", S.PENDING) != S.PENDING:
        values.setdefault("next_attempt_at", None)
    return {**NOBODY, "created_at": captured, **values}


def attempted(
    lead: Lead,
    moment: datetime,
    *,
    outcome: DeliveryAttempt.Outcome = DeliveryAttempt.Outcome.UNCERTAIN,
    request_id: str = "",
) -> None:
    """Store an attempt to deliver ``lead``."""
    DeliveryAttempt.objects.create(
        lead=lead,
        account=lead.account,
        started_at=moment,
        duration_ms=5,
        outcome=outcome,
        request_id=request_id,
    )


def many(now: datetime, *, number: int, seed: int = 1) -> None:
    """Store leads of all kinds, captured over the last 35 days."""
    chance = random.Random(seed)
    answers = (True, False, None)
    leads = []
    for _index in range(number):
        status = chance.choices(S.values, weights=[1, 9, 2, 1, 1, 1])[0]
        took = 0.05 + chance.lognormvariate(2, 2) if status == S.DELIVERED else None
        consent = {"ad_storage": chance.choice(answers), "analytics_storage": chance.choice(answers)}
        values = {
            "account": chance.choice(["default", "shop"]),
            "form": chance.choice(["contact", "quote", ""]),
            "linked": chance.choice(Lead.Linked.values),
            "consent": chance.choice([consent, {}]),
            "status": status,
        }
        ago = timedelta(seconds=chance.uniform(0, 35 * 86_400))
        leads.append(Lead(**_values(now, ago=ago, took=took, **values)))
    Lead.objects.bulk_create(leads)
