"""What follows from an answer: pure functions, without a database, a network or a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .. import clock
from ..exceptions import (
    AuthenticationError,
    EndpointError,
    InvalidLeadError,
    OctanistError,
    RejectedError,
    TransientError,
)
from ..models import HELD_CODE, UNCERTAIN_SECONDS, DeliveryAttempt, DeliveryPause, Lead

Outcome = DeliveryAttempt.Outcome
Reason = DeliveryPause.Reason

BACKOFF_SECONDS = 30.0
BACKOFF_MAX_SECONDS = 6 * 3600.0
JITTER = 0.2
PROBE_SECONDS = 30.0
PROBE_MAX_SECONDS = 15 * 60.0
OUTAGE_STREAK = 5
"""Failures in a row after which the account is paused."""

OUTAGE_OUTCOMES = frozenset({Outcome.UNREACHABLE, Outcome.UNCERTAIN, Outcome.LATER})
"""Outcomes that a lead has not brought about itself."""
PAUSING = {
    Outcome.UNAUTHORIZED: Reason.UNAUTHORIZED,
    Outcome.ENDPOINT: Reason.ENDPOINT,
    Outcome.RATE_LIMITED: Reason.RATE_LIMITED,
}
"""Outcomes that concern the whole account at once."""
FINAL = {
    Outcome.DELIVERED: Lead.Status.DELIVERED,
    Outcome.FOUND: Lead.Status.DELIVERED,
    Outcome.REJECTED: Lead.Status.REJECTED,
    Outcome.INVALID: Lead.Status.INVALID,
}

_OUTCOMES: dict[type[OctanistError], DeliveryAttempt.Outcome] = {
    RejectedError: Outcome.REJECTED,
    InvalidLeadError: Outcome.INVALID,
    AuthenticationError: Outcome.UNAUTHORIZED,
    EndpointError: Outcome.ENDPOINT,
}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request and its outcome, as it will stand in ``DeliveryAttempt``."""

    started_at: datetime
    duration_ms: int
    outcome: DeliveryAttempt.Outcome
    with_session: bool = False
    http_status: int | None = None
    error_code: str = ""
    error: str = field(default="", repr=False)
    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a claimed lead.

    No attempts: nothing was sent, and the lead goes back (``held`` is empty) or waits for a person (``held`` says
    why). ``looked_up``: Octanist was asked and did not have it.
    """

    attempts: tuple[Attempt, ...] = ()
    octanist_id: str = ""
    retry_after: float | None = None
    held: str = ""
    looked_up: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """What to write into the lead's row, and what it means for the account."""

    fields: dict[str, Any] = field(repr=False)
    pause: DeliveryPause.Reason | None = None
    retry_after: float | None = None
    answered: bool = False
    """Octanist took a decision on the lead: the account works."""


def outcome_of(error: OctanistError) -> DeliveryAttempt.Outcome:
    """Return the outcome that ``error`` stands for."""
    if isinstance(error, TransientError):
        if error.status is None:
            return Outcome.UNREACHABLE
        return Outcome.RATE_LIMITED if error.status == 429 else Outcome.LATER
    return _OUTCOMES.get(type(error), Outcome.UNCERTAIN)


def backoff(failures: int, *, chance: float) -> float:
    """Return the seconds before the next attempt after ``failures`` of a lead's own (1, 2, …).

    30 s doubling, at most 6 h, ±20 % by ``chance`` (0 to 1).
    """
    seconds = min(BACKOFF_SECONDS * 2.0 ** min(failures - 1, 20), BACKOFF_MAX_SECONDS)
    return seconds * (1 + JITTER * (2 * chance - 1))


def probe_delay(failures: int) -> float:
    """Return the seconds before the next probe of a paused account after ``failures`` probes (0, 1, …)."""
    return min(PROBE_SECONDS * 2.0 ** min(failures, 20), PROBE_MAX_SECONDS)


def decide(
    result: Result, *, attempts: int, uncertain: bool, now: datetime, max_attempts: int, chance: float, probe: bool
) -> Change:
    """Return what follows from ``result`` for a lead with ``attempts`` of its own behind it.

    ``probe``: the lead was sent to see whether a paused account works again, which costs it nothing.
    """
    if not result.attempts:
        return _unsent(result, now=now)
    last = result.attempts[-1]
    fields: dict[str, Any] = {
        "lease": None,
        "error_code": last.error_code,
        "error": last.error,
        "request_id": last.request_id,
        "uncertain": last.outcome is Outcome.UNCERTAIN or (uncertain and not result.looked_up),
    }
    if last.outcome in FINAL:
        return _final(last, result, fields=fields, attempts=attempts, now=now)
    pause = PAUSING.get(last.outcome)
    if pause and last.outcome is not Outcome.ENDPOINT:
        fields["next_attempt_at"] = now
    else:
        # "Not the API" may be about this one lead, which a firewall redirects, say: it must not pause the account
        # again and again for nothing. Leads that wait meanwhile pay nothing.
        fields |= _again(
            attempts=attempts,
            uncertain=fields["uncertain"],
            now=now,
            max_attempts=max_attempts,
            chance=chance,
            probe=probe,
        )
    return Change(fields=fields, pause=pause, retry_after=result.retry_after if pause else None)


def _unsent(result: Result, *, now: datetime) -> Change:
    if not result.held:
        return Change(fields={"lease": None, "next_attempt_at": now})
    held = {"status": Lead.Status.FAILED, "error_code": HELD_CODE, "error": result.held}
    return Change(fields={"lease": None, "next_attempt_at": None, **held})


def _final(last: Attempt, result: Result, *, fields: dict[str, Any], attempts: int, now: datetime) -> Change:
    fields |= {"status": FINAL[last.outcome], "next_attempt_at": None, "uncertain": False}
    if last.outcome is not Outcome.FOUND:
        fields["attempts"] = attempts + 1
    if fields["status"] == Lead.Status.DELIVERED:
        fields |= {"octanist_id": result.octanist_id, "delivered_at": now}
    return Change(fields=fields, answered=True)


def _again(
    *, attempts: int, uncertain: bool, now: datetime, max_attempts: int, chance: float, probe: bool
) -> dict[str, Any]:
    failures = attempts if probe else attempts + 1
    if failures >= max_attempts and not probe:
        return {"attempts": failures, "status": Lead.Status.FAILED, "next_attempt_at": None}
    seconds = backoff(max(failures, 1), chance=chance)
    if uncertain:
        seconds = max(seconds, float(UNCERTAIN_SECONDS))
    return {"attempts": failures, "next_attempt_at": clock.after(now, timedelta(seconds=seconds))}
