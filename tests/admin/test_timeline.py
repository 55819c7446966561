"""The story of a lead."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from django_octanist.admin.timeline import Step, steps
from django_octanist.masking import MASKED, PLAIN
from django_octanist.models import DeliveryAttempt, Lead

CAPTURED = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
NOW = CAPTURED + timedelta(hours=1)
Outcome = DeliveryAttempt.Outcome
S = Lead.Status


def attempt(seconds: float, outcome: Outcome, **values: Any) -> DeliveryAttempt:
    started_at = CAPTURED + timedelta(seconds=seconds)
    return DeliveryAttempt(started_at=started_at, duration_ms=700, outcome=outcome, **values)


def story(*attempts: DeliveryAttempt, sight: Any = PLAIN, first: int = 1, **values: Any) -> list[Step]:
    lead = Lead(**{"created_at": CAPTURED, "form": "contact", "next_attempt_at": None, **values})
    return steps(lead, attempts, sight=sight, now=NOW, first=first)


def test_from_the_capture_to_the_delivery() -> None:
    found = story(
        attempt(0.4, Outcome.UNREACHABLE, error="the connection was refused"),
        attempt(30, Outcome.DELIVERED, http_status=201, request_id="req_1", with_session=True),
        status=S.DELIVERED,
        delivered_at=CAPTURED + timedelta(seconds=31),
        octanist_id="lead_1",
    )
    assert [(step.title, step.tone, step.after) for step in found] == [
        ("Captured", "quiet", ""),
        ("Attempt 1: unreachable", "waits", "0.4 s after the capture"),
        ("Attempt 2: delivered", "good", "30 s after the capture"),
        ("Delivered", "good", "31 s after the capture"),
    ]
    assert found[1].message == "the connection was refused"
    assert dict(found[2].facts) == {
        "took": "0.7 s",
        "HTTP status": "201",
        "request ID": "req_1",
        "pixel session": "sent along",
    }
    assert found[3].facts == (("Octanist ID", "lead_1"),)


@pytest.mark.parametrize(
    ("values", "title", "after"),
    [
        ({"status": S.PENDING, "next_attempt_at": NOW + timedelta(minutes=4)}, "Next attempt", "in 4\xa0minutes"),
        ({"status": S.PENDING, "next_attempt_at": CAPTURED}, "Next attempt", "now"),
        ({"status": S.FAILED}, "Given up", ""),
        ({"status": S.CANCELLED}, "Cancelled", ""),
        ({"status": S.CANCELLED, "erased_at": NOW}, "Personal data erased", ""),
        ({"status": S.INVALID}, "Captured", ""),
    ],
)
def test_where_it_stands(values: dict[str, Any], title: str, after: str) -> None:
    last = story(**values)[-1]
    assert (last.title, last.after) == (title, after)


def test_what_is_due_and_waits_all_the_same() -> None:
    lead = Lead(created_at=CAPTURED, next_attempt_at=CAPTURED)
    last = steps(lead, [], sight=PLAIN, now=NOW, waits="paused")[-1]
    assert (last.title, last.after, last.moment) == ("Next attempt", "paused", None)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_words(outcome: Outcome) -> None:
    assert story(attempt(1, outcome))[1].title == f"Attempt 1: {outcome.label}"


def test_attempts_are_numbered_from_the_first_that_is_shown() -> None:
    assert story(attempt(1, Outcome.LATER), first=58)[1].title == "Attempt 58: later"


def test_a_refusal_is_said_once() -> None:
    error = "the organisation's rules turned the lead away: The lead was turned away by a filtering rule."
    tried = story(attempt(1, Outcome.REJECTED, error=error), status=S.REJECTED)[1]
    assert (tried.title, tried.message) == ("Attempt 1: rejected", "The lead was turned away by a filtering rule.")


def test_what_octanist_said_may_repeat_what_a_visitor_typed() -> None:
    (_captured, tried) = story(attempt(1, Outcome.INVALID, error="no address: jo@"), sight=MASKED, status=S.INVALID)
    assert tried.message == "•••"
    assert "jo@" not in repr(tried)


def test_clocks_that_disagree_are_not_shown_as_negative() -> None:
    assert story(attempt(-5, Outcome.DELIVERED))[1].after == ""
