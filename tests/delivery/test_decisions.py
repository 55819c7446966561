from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest

from django_octanist.client import ERRORS, Answer, error_of
from django_octanist.delivery.decisions import (
    FINAL,
    OUTAGE_OUTCOMES,
    Attempt,
    Change,
    Outcome,
    Reason,
    Result,
    backoff,
    decide,
    outcome_of,
    probe_delay,
)
from django_octanist.exceptions import InvalidLeadError, OctanistError, TransientError, UncertainError
from django_octanist.models import Lead

NOW = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
PENDING, FAILED = Lead.Status.PENDING, Lead.Status.FAILED


def an_attempt(outcome: Outcome, **fields: Any) -> Attempt:
    return Attempt(started_at=NOW, duration_ms=12, outcome=outcome, **fields)


def decided(*outcomes: Outcome, **given: Any) -> Change:
    result = {name: given.pop(name) for name in ("octanist_id", "retry_after", "held", "looked_up") if name in given}
    values: dict[str, Any] = {"attempts": 0, "uncertain": False, "max_attempts": 20, "chance": 0.5, "probe": False}
    attempts = tuple(an_attempt(outcome) for outcome in outcomes)
    return decide(Result(attempts=attempts, **result), now=NOW, **values | given)


def answer(status: int, body: Any = None, **headers: str) -> OctanistError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_of(Answer(status=status, headers=named, text=json.dumps(body or {}).encode(), whole=True))


FORBIDDEN = {"success": False, "error": {"code": "FORBIDDEN", "message": "no"}}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the design's delivery table: what came back, and what happens."""

    name: str
    error: OctanistError
    outcome: Outcome
    status: Lead.Status = PENDING
    attempts: int = 1
    uncertain: bool = False
    pause: Reason | None = None
    wait: float | None = 30.0
    """Seconds until the lead is due, without jitter; ``None``: it is not due any more."""
    answered: bool = False


TABLE = [
    Row(name="200 that is not the API's", error=UncertainError(status=200), outcome=Outcome.UNCERTAIN, uncertain=True),
    *[
        Row(
            name=f"{status}",
            error=answer(status),
            outcome=Outcome.INVALID,
            status=Lead.Status.INVALID,
            wait=None,
            answered=True,
        )
        for status in (400, 413, 422)
    ],
    Row(
        name="401",
        error=answer(401),
        outcome=Outcome.UNAUTHORIZED,
        attempts=0,
        pause=Reason.UNAUTHORIZED,
        wait=0,
    ),
    Row(
        name="403 with the documented code",
        error=answer(403, FORBIDDEN),
        outcome=Outcome.REJECTED,
        status=Lead.Status.REJECTED,
        wait=None,
        answered=True,
    ),
    Row(name="403 of something else, such as a firewall", error=answer(403), outcome=Outcome.LATER),
    *[
        Row(
            name=f"{status}",
            error=answer(status),
            outcome=Outcome.ENDPOINT,
            pause=Reason.ENDPOINT,
        )
        for status in (404, 405, 410, 301, 302, 303, 307, 308, 402, 418)
    ],
    *[Row(name=f"{status}", error=answer(status), outcome=Outcome.LATER) for status in (408, 425)],
    Row(
        name="429",
        error=answer(429, Retry_After="90"),
        outcome=Outcome.RATE_LIMITED,
        attempts=0,
        pause=Reason.RATE_LIMITED,
        wait=0,
    ),
    Row(name="409", error=answer(409), outcome=Outcome.UNCERTAIN, uncertain=True),
    *[
        Row(name=f"{status}", error=answer(status), outcome=Outcome.UNCERTAIN, uncertain=True)
        for status in (500, 502, 503, 504, 599)
    ],
    Row(name="never connected", error=TransientError("no connection"), outcome=Outcome.UNREACHABLE),
    Row(name="sent, but no full answer", error=UncertainError("cut"), outcome=Outcome.UNCERTAIN, uncertain=True),
    Row(
        name="nothing to send",
        error=InvalidLeadError("the lead has no name"),
        outcome=Outcome.INVALID,
        status=Lead.Status.INVALID,
        wait=None,
        answered=True,
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_delivery_table(row: Row) -> None:
    outcome = outcome_of(row.error)
    assert outcome == row.outcome
    change = decided(outcome)
    fields = {"status": PENDING, "attempts": 0} | change.fields
    due = None if row.wait is None else NOW + timedelta(seconds=row.wait)
    assert fields == {
        "lease": None,
        "status": row.status,
        "attempts": row.attempts,
        "next_attempt_at": due,
        "uncertain": row.uncertain,
        "error_code": "",
        "error": "",
        "request_id": "",
    }
    assert (change.pause, change.answered) == (row.pause, row.answered)


def test_every_status_that_the_client_knows_has_its_row() -> None:
    named = {row.name for row in TABLE}
    assert {status for status in ERRORS if str(status) not in named} == {403}


def test_delivered() -> None:
    change = decided(Outcome.DELIVERED, octanist_id="lead_1", attempts=3, uncertain=True)
    assert change.answered
    assert change.pause is None
    assert change.fields == {
        "lease": None,
        "status": Lead.Status.DELIVERED,
        "attempts": 4,
        "next_attempt_at": None,
        "uncertain": False,
        "octanist_id": "lead_1",
        "delivered_at": NOW,
        "error_code": "",
        "error": "",
        "request_id": "",
    }


def test_found_costs_no_attempt() -> None:
    change = decided(Outcome.FOUND, octanist_id="lead_1", attempts=3, uncertain=True)
    assert "attempts" not in change.fields
    assert (change.fields["status"], change.fields["octanist_id"]) == (Lead.Status.DELIVERED, "lead_1")
    assert change.fields["uncertain"] is False


def test_what_the_last_attempt_says_stands_in_the_lead() -> None:
    last = an_attempt(Outcome.LATER, error_code="BUSY", error="come later", request_id="req_2")
    first = an_attempt(Outcome.SESSION_REFUSED, error_code="VALIDATION_ERROR", error="bad session", request_id="req_1")
    change = decide(
        Result(attempts=(first, last)), attempts=0, uncertain=False, now=NOW, max_attempts=20, chance=0.5, probe=False
    )
    said = {name: change.fields[name] for name in ("error_code", "error", "request_id")}
    assert said == {"error_code": "BUSY", "error": "come later", "request_id": "req_2"}


@pytest.mark.parametrize(
    ("last", "status", "uncertain"),
    [
        (Outcome.DELIVERED, Lead.Status.DELIVERED, False),
        (Outcome.REJECTED, Lead.Status.REJECTED, False),
        (Outcome.INVALID, Lead.Status.INVALID, False),
        (Outcome.UNCERTAIN, PENDING, True),
        (Outcome.UNREACHABLE, PENDING, False),
    ],
)
def test_after_a_refused_session_the_second_answer_counts(last: Outcome, status: str, uncertain: bool) -> None:
    change = decided(Outcome.SESSION_REFUSED, last)
    assert change.fields.get("status", PENDING) == status
    assert change.fields["uncertain"] is uncertain


@pytest.mark.parametrize(
    ("outcome", "looked_up", "after"),
    [
        (Outcome.UNREACHABLE, False, True),
        (Outcome.UNREACHABLE, True, False),
        (Outcome.LATER, False, True),
        (Outcome.LATER, True, False),
        (Outcome.UNAUTHORIZED, False, True),
        (Outcome.UNAUTHORIZED, True, False),
        (Outcome.RATE_LIMITED, True, False),
        (Outcome.UNCERTAIN, True, True),
    ],
)
def test_doubt_ends_only_by_a_look_up(outcome: Outcome, looked_up: bool, after: bool) -> None:
    assert decided(outcome, uncertain=True, looked_up=looked_up).fields["uncertain"] is after


# Nothing sent


def test_given_back_as_it_was() -> None:
    change = decided(attempts=3, uncertain=True)
    assert change.fields == {"lease": None, "next_attempt_at": NOW}
    assert (change.pause, change.answered) == (None, False)


def test_held_for_a_person() -> None:
    change = decided(held="Look there.", attempts=3, uncertain=True)
    assert change.fields == {
        "lease": None,
        "status": FAILED,
        "next_attempt_at": None,
        "error_code": "UNCERTAIN",
        "error": "Look there.",
    }


# Time


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(1, 30), (2, 60), (3, 120), (4, 240), (9, 7680), (10, 15360), (11, 21600), (12, 21600), (10_000, 21600)],
)
def test_backoff(failures: int, seconds: float) -> None:
    assert backoff(failures, chance=0.5) == seconds
    assert backoff(failures, chance=0.0) == pytest.approx(seconds * 0.8)
    assert backoff(failures, chance=1.0) == pytest.approx(seconds * 1.2)


def test_the_attempts_of_a_lead_span_about_three_days() -> None:
    total = sum(backoff(failures, chance=0.5) for failures in range(1, 20))
    assert timedelta(days=2) < timedelta(seconds=total) < timedelta(days=4)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 30), (1, 60), (2, 120), (3, 240), (4, 480), (5, 900), (6, 900), (10_000, 900)]
)
def test_probe_delay(failures: int, seconds: float) -> None:
    assert probe_delay(failures) == seconds


@pytest.mark.parametrize("attempts", [0, 1, 7])
def test_the_next_attempt_follows_the_leads_own_failures(attempts: int) -> None:
    fields = decided(Outcome.UNREACHABLE, attempts=attempts).fields
    assert fields["attempts"] == attempts + 1
    assert fields["next_attempt_at"] == NOW + timedelta(seconds=backoff(attempts + 1, chance=0.5))


@pytest.mark.parametrize(
    ("outcome", "uncertain", "least"),
    [(Outcome.UNCERTAIN, False, 30), (Outcome.UNREACHABLE, True, 30), (Outcome.UNREACHABLE, False, 24)],
)
def test_an_uncertain_lead_never_comes_sooner_than_30_s(outcome: Outcome, uncertain: bool, least: float) -> None:
    change = decided(outcome, uncertain=uncertain, chance=0.0)
    assert change.fields["next_attempt_at"] == NOW + timedelta(seconds=least)


# Giving up


@pytest.mark.parametrize("outcome", sorted(OUTAGE_OUTCOMES))
@pytest.mark.parametrize(("attempts", "status"), [(18, PENDING), (19, FAILED), (25, FAILED)])
def test_max_attempts(outcome: Outcome, attempts: int, status: str) -> None:
    fields = decided(outcome, attempts=attempts).fields
    assert fields.get("status", PENDING) == status
    assert fields["attempts"] == attempts + 1
    assert (fields["next_attempt_at"] is None) == (status == FAILED)


@pytest.mark.parametrize("outcome", [Outcome.UNAUTHORIZED, Outcome.RATE_LIMITED])
def test_what_concerns_the_account_never_ends_a_lead(outcome: Outcome) -> None:
    fields = decided(outcome, attempts=19).fields
    assert "status" not in fields
    assert "attempts" not in fields


def test_a_lead_that_always_meets_something_else_than_the_api_ends() -> None:
    """Else it would pause its account again and again, say where a firewall redirects its words."""
    change = decided(Outcome.ENDPOINT, attempts=19)
    assert (change.fields["status"], change.pause) == (FAILED, Reason.ENDPOINT)
    assert "status" not in decided(Outcome.ENDPOINT, attempts=19, probe=True).fields


@pytest.mark.parametrize("outcome", sorted(OUTAGE_OUTCOMES))
@pytest.mark.parametrize("attempts", [0, 3, 19, 20])
def test_a_probe_costs_nothing(outcome: Outcome, attempts: int) -> None:
    fields = decided(outcome, attempts=attempts, probe=True).fields
    assert fields["attempts"] == attempts
    assert "status" not in fields
    assert fields["next_attempt_at"] > NOW


def test_retry_after_is_the_accounts() -> None:
    assert decided(Outcome.RATE_LIMITED, retry_after=90.0).retry_after == 90.0
    assert decided(Outcome.LATER, retry_after=90.0).retry_after is None


# Whatever happens


@pytest.mark.parametrize("outcome", Outcome)
def test_no_lead_is_left_where_nobody_finds_it(outcome: Outcome) -> None:
    for uncertain, looked_up, probe, attempts in product((False, True), (False, True), (False, True), (0, 19)):
        change = decided(outcome, uncertain=uncertain, looked_up=looked_up, probe=probe, attempts=attempts)
        waits = change.fields.get("status", PENDING) == PENDING
        assert change.fields["lease"] is None
        assert (change.fields["next_attempt_at"] is not None) == waits
        assert change.answered == (outcome in FINAL)
        assert change.fields.get("attempts", attempts) >= attempts


def test_no_personal_data_in_a_repr() -> None:
    last = an_attempt(Outcome.INVALID, error="jo@example.com is no address")
    result = Result(attempts=(last,))
    change = decide(result, attempts=0, uncertain=False, now=NOW, max_attempts=20, chance=0.5, probe=False)
    assert "jo@" not in f"{result!r} {change!r}"
