"""Figures as the overview gets them, made up: a month of an account, and forms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from django_octanist.figures import AccountFigures, Day, Figures, FormFigures, Span
from django_octanist.models import Lead

TODAY = date(2026, 11, 23)


def counts(**numbers: int) -> dict[str, int]:
    return {status: numbers.get(status, 0) for status in Lead.Status.values}


def span(median: float | None = None, p95: float | None = None, **numbers: int) -> Span:
    return Span(counts=counts(**numbers), median=median, p95=p95)


def day(ago: int, median: float | None = None, p95: float | None = None, **numbers: int) -> Day:
    """The day so many days ago."""
    return Day(date=TODAY - timedelta(days=ago), counts=counts(**numbers), median=median, p95=p95)


def month(special: Mapping[int, Day] = {}, **each: Any) -> tuple[Day, ...]:
    """30 days, each like ``each`` says, but for the ``special`` ones, by how many days ago they were."""
    return tuple(special.get(ago) or day(ago, **each) for ago in range(29, -1, -1))


def account(name: str = "default", **values: Any) -> AccountFigures:
    """An account whose leads of 30 days are ``values["days"]``, unless the spans say otherwise."""
    days = values.setdefault("days", month())
    total = {status: sum(day.counts[status] for day in days) for status in Lead.Status.values}
    whole = Span(counts=total, median=values.pop("median", 0.8), p95=values.pop("p95", 180.0))
    values.setdefault("spans", {"24h": whole, "7d": whole, "30d": whole})
    return AccountFigures(**{"account": name, "pending": 0, "oldest_pending": None, **values})


def form(name: str = "contact", **values: Any) -> FormFigures:
    usual = {"account": "default", "captured": 100, "linked": 0.8, "without_consent": 0.25}
    rest = {"linked_lately": 0.8, "linked_before": 0.8, "lately_days": 3, "lost_pixel": False, "never_linked": False}
    return FormFigures(form=name, **{**usual, **rest, **values})


def figures(
    *accounts: AccountFigures, forms: tuple[FormFigures, ...] = (), taken_at: datetime | None = None
) -> Figures:
    return Figures(taken_at=taken_at or timezone.now(), accounts=accounts or (account(),), forms=forms)
