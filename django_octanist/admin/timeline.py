"""The story of a lead: captured, attempts, outcome. A step each, oldest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _

from ..masking import Sight
from ..models import DeliveryAttempt, Lead
from .errors import said
from .shown import duration_shown, second_shown, until_shown

Outcome = DeliveryAttempt.Outcome

MOST_ATTEMPTS = 200
"""Attempts that a page shows: the latest ones."""
GOOD = frozenset({Outcome.DELIVERED, Outcome.FOUND})
BAD = frozenset({Outcome.INVALID, Outcome.UNAUTHORIZED, Outcome.ENDPOINT})


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that happened, or will."""

    title: str
    tone: str
    """``good``, ``bad``, ``waits`` or ``quiet``: its colour, which says nothing that ``title`` does not."""
    moment: datetime | None = None
    after: str = ""
    """How long after the capture, or when it will be."""
    facts: tuple[tuple[str, str], ...] = ()
    message: str = field(default="", repr=False)
    """What Octanist or the network said."""

    @property
    def time(self) -> str:
        """The moment to the second."""
        return second_shown(self.moment) if self.moment else ""


def steps(
    lead: Lead,
    attempts: Iterable[DeliveryAttempt],
    *,
    sight: Sight,
    now: datetime,
    first: int = 1,
    waits: str = "",
) -> list[Step]:
    """Return the story of ``lead`` with ``attempts``, oldest first, for somebody with ``sight``.

    ``first`` is the number of the first of the attempts; ``waits`` says why it is not tried though it is due.
    """
    captured = Step(
        title=_("Captured"), tone="quiet", moment=lead.created_at, facts=_facts({_("form"): lead.form or "-"})
    )
    tried = [_attempt(row, number=number, lead=lead, sight=sight) for number, row in enumerate(attempts, start=first)]
    return [captured, *tried, *_now(lead, now=now, waits=waits)]


def _attempt(row: DeliveryAttempt, *, number: int, lead: Lead, sight: Sight) -> Step:
    outcome = Outcome(row.outcome)
    return Step(
        title=_("Attempt %(number)d: %(outcome)s") % {"number": number, "outcome": outcome.label},
        tone="good" if outcome in GOOD else "bad" if outcome in BAD else "waits",
        moment=row.started_at,
        after=_after(row.started_at, lead=lead),
        facts=_facts(
            {
                _("took"): duration_shown(row.duration_ms / 1000),
                _("HTTP status"): str(row.http_status or ""),
                _("code"): row.error_code,
                _("request ID"): row.request_id,
                _("pixel session"): _("sent along") if row.with_session else _("not sent"),
            }
        ),
        message=sight.text(said(row.error)),
    )


def _after(moment: datetime, *, lead: Lead) -> str:
    seconds = (moment - lead.created_at).total_seconds()
    return _("%(span)s after the capture") % {"span": duration_shown(seconds)} if seconds >= 0 else ""


def _facts(facts: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in facts.items() if value)


def _now(lead: Lead, *, now: datetime, waits: str) -> list[Step]:
    """Where it stands, as far as the attempts do not say it."""
    if lead.erased_at is not None:
        return [Step(title=_("Personal data erased"), tone="quiet", moment=lead.erased_at)]
    if lead.status == Lead.Status.DELIVERED and lead.delivered_at is not None:
        octanist = _facts({_("Octanist ID"): lead.octanist_id})
        after = _after(lead.delivered_at, lead=lead)
        return [Step(title=_("Delivered"), tone="good", moment=lead.delivered_at, after=after, facts=octanist)]
    if lead.status == Lead.Status.FAILED:
        return [Step(title=_("Given up"), tone="bad")]
    if lead.status == Lead.Status.CANCELLED:
        return [Step(title=_("Cancelled"), tone="quiet")]
    if lead.status == Lead.Status.PENDING:
        return [_next(lead, now=now, waits=waits)]
    return []


def _next(lead: Lead, *, now: datetime, waits: str) -> Step:
    # When it was due says nothing of when it will be tried.
    if waits:
        return Step(title=_("Next attempt"), tone="waits", after=waits)
    moment = until_shown(lead.next_attempt_at, now=now)
    return Step(title=_("Next attempt"), tone="quiet", moment=lead.next_attempt_at, after=moment)
