"""A month of leads as a roofer's site has them, always the same but for the date: for screens and pictures."""

from __future__ import annotations

import random
import uuid
from datetime import datetime, timedelta

from django.utils import timezone

from django_octanist.models import DeliveryAttempt, DeliveryPause, Lead

S = Lead.Status
FIRST = ("Jolanda", "Piet", "Marie", "Ahmed", "Sofie", "Jan", "Lotte", "Wim")
LAST = ("de Vries", "Jansen", "Bakker", "Visser", "Smit", "Meijer")
FORMS = {"contact": 5, "quote": 3, "newsletter": 2}
SOURCES = {
    "google / cpc": {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "roofs", "gclid": "EAIaIQobChMI"},
    "gclid": {"gclid": "Cj0KCQiA"},
    "facebook / paid_social": {"utm_source": "facebook", "utm_medium": "paid_social", "fbc": "fb.1.17.abc"},
    "direct": {},
}
STATUSES = {S.DELIVERED: 940, S.REJECTED: 30, S.INVALID: 12, S.FAILED: 13, S.CANCELLED: 5}
ERRORS = {
    S.INVALID: ("VALIDATION_ERROR", "email: not a valid address", "invalid", 400),
    S.FAILED: ("INTERNAL_ERROR", "server error", "uncertain", 500),
    S.REJECTED: ("FORBIDDEN", "filtered", "rejected", 403),
    S.CANCELLED: ("", "no connection", "unreachable", None),
    S.DELIVERED: ("", "", "delivered", 201),
}
LOST_PIXEL = "quote"
"""The form whose leads of the last three days have no session."""


def a_month(leads: int = 600, *, waiting: int = 0) -> None:
    """Make ``leads`` that are finished, over 30 days, and ``waiting`` ones behind a key that is refused."""
    chance, now = random.Random(3), timezone.now()
    ages = sorted((30 * chance.random() for _lead in range(leads)), reverse=True)
    made = Lead.objects.bulk_create([_lead(chance, now - timedelta(days=days), now=now) for days in ages])
    DeliveryAttempt.objects.bulk_create([_attempt(chance, lead) for lead in made])
    if waiting:
        since = now - timedelta(hours=5)
        ages = sorted((5 * chance.random() for _lead in range(waiting)), reverse=True)
        Lead.objects.bulk_create([_waits(chance, now - timedelta(hours=hours), now=now) for hours in ages])
        DeliveryPause.objects.create(
            account="default",
            reason="unauthorized",
            since=since,
            probe_at=now + timedelta(minutes=9),
            failures=22,
            error="HTTP 401 UNAUTHORIZED",
        )


def _captured(chance: random.Random, at: datetime, *, now: datetime) -> Lead:
    first, last = chance.choice(FIRST), chance.choice(LAST)
    form = chance.choices(list(FORMS), list(FORMS.values()))[0]
    source = chance.choices(list(SOURCES), [4, 2, 2, 3])[0]
    linked = chance.random() < 0.72 and not (form == LOST_PIXEL and now - at < timedelta(days=3))
    agreed = chance.random() < 0.7
    return Lead(
        form=form,
        name=f"{first} {last}",
        email=f"{first}.{last.replace(' ', '')}{chance.randint(1, 99)}@example.com".lower(),
        phone=f"+31 6 {chance.randint(10_000_000, 99_999_999)}",
        note="Water comes in near the chimney when it rains.",
        custom={"roof": chance.choice(["flat", "pitched"]), "size_m2": chance.randint(40, 300)},
        session_id=str(uuid.UUID(int=chance.getrandbits(128), version=4)) if linked else "",
        linked=Lead.Linked.YES if linked else Lead.Linked.NO,
        source=source,
        attribution={"website": "https://ridgeline.example", "path": f"/{form}/", **SOURCES[source]},
        consent={"ad_storage": agreed, "ad_user_data": agreed, "ad_personalization": None, "analytics_storage": agreed},
        sources={
            "website": "referer",
            "path": "referer",
            "gclid": "cookie:_gcl_aw",
            "utm_source": "query",
            "utm_medium": "query",
            "utm_campaign": "query",
            "fbc": "remembered",
            **({"sessionId": "form"} if linked else {}),
            **dict.fromkeys(("ad_storage", "ad_user_data", "analytics_storage"), "cookiebot"),
        },
        created_at=at,
        submission_id=uuid.UUID(int=chance.getrandbits(128), version=4),
    )


def _lead(chance: random.Random, at: datetime, *, now: datetime) -> Lead:
    lead = _captured(chance, at, now=now)
    status = chance.choices(list(STATUSES), list(STATUSES.values()))[0]
    lead.status, lead.attempts, lead.next_attempt_at = status, 20 if status == S.FAILED else 1, None
    lead.error_code, lead.error, _outcome, _http = ERRORS[status]
    lead.request_id = f"req_{chance.getrandbits(48):012x}"
    if status == S.DELIVERED:
        lead.octanist_id = f"lead_{chance.getrandbits(40):010x}"
        lead.delivered_at = at + timedelta(seconds=chance.lognormvariate(-0.3, 0.9))
    return lead


def _waits(chance: random.Random, at: datetime, *, now: datetime) -> Lead:
    lead = _captured(chance, at, now=now)
    lead.next_attempt_at = at
    return lead


def _attempt(chance: random.Random, lead: Lead) -> DeliveryAttempt:
    code, error, outcome, http_status = ERRORS[S(lead.status)]
    return DeliveryAttempt(
        lead=lead,
        started_at=lead.created_at + timedelta(milliseconds=90),
        duration_ms=chance.randint(60, 400),
        outcome=outcome,
        http_status=http_status,
        error_code=code,
        error=error,
        request_id=lead.request_id,
        with_session=bool(lead.session_id),
    )
