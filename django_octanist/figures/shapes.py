"""What the figures look like: plain values, without a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

SPANS: dict[str, timedelta] = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
"""The spans that are looked back on, by their names in JSON."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """What became of the leads that were captured in a span of time."""

    counts: Mapping[str, int]
    """Leads by their status now (``Lead.Status`` values, each of them there)."""
    median: float | None
    """Seconds from capture to delivery that half of the delivered leads took at most. ``None``: none was delivered."""
    p95: float | None
    """The same for 95 of 100."""
    erased: Mapping[str, int] = field(default_factory=dict)
    """Those of the failed and invalid ones that say nothing of a person any more: nobody can do anything about them."""

    @property
    def captured(self) -> int:
        """All leads of the span."""
        return sum(self.counts.values())

    def unwell(self, status: str) -> int:
        """How many leads with ``status``, failed or invalid, wait for a person to look at them."""
        return self.counts[status] - self.erased.get(status, 0)

    @property
    def success_rate(self) -> float | None:
        """Delivered of those that could be: 0 to 1. Turned away by Octanist's rules is no failure, nor is cancelled."""
        could = sum(self.counts[status] for status in ("delivered", "invalid", "failed"))
        return self.counts["delivered"] / could if could else None


@dataclass(frozen=True, kw_only=True)
class Day(Span):
    """A calendar day in Django's current time zone."""

    date: date


@dataclass(frozen=True, kw_only=True)
class AccountFigures:
    """One account: of the settings, or with leads in the last 30 days or pending."""

    account: str
    pending: int
    """All pending leads, however old."""
    oldest_pending: datetime | None
    """When the oldest of them was captured."""
    spans: Mapping[str, Span]
    """By the names in :data:`SPANS`."""
    days: tuple[Day, ...]
    """The last 30, oldest first, today last; days without leads are there."""
    failed_lately: int = 0
    """Leads that failed, or that Octanist refused, within the last 24 hours, captured whenever in 30 days: a lead fails
    after about 3 days. A person must look at them."""


@dataclass(frozen=True, kw_only=True)
class FormFigures:
    """One form of one account with leads in the last 30 days."""

    form: str
    account: str
    captured: int
    """Leads in 30 days."""
    linked: float
    """Share of them with a pixel session: 0 to 1."""
    without_consent: float
    """Share of them where neither consent for ads nor for analytics is known to be granted."""
    linked_lately: float | None
    """Share with a session lately (see ``lately_days``); ``None`` where too few came to tell."""
    linked_before: float | None
    """The same before that, within the 30 days; ``None`` where none came then."""
    lost_pixel: bool
    """Whether the share dropped so far that it is no accident: the form has lost its pixel."""
    never_linked: bool
    """Whether no lead at all was linked, though enough came to tell."""
    lately_days: int | None = None
    """How far back "lately" reaches, in times 24 hours: the shortest time with enough leads, 1 to 7."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All of it, at one moment."""

    taken_at: datetime
    accounts: tuple[AccountFigures, ...]
    forms: tuple[FormFigures, ...]
    """Those that need a look first, then by how many leads they have."""
