"""The columns of the list, as somebody may see them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.utils.html import strip_tags

from django_octanist.admin.columns import Columns
from django_octanist.masking import MASKED, PLAIN, Sight
from django_octanist.models import DeliveryPause, Lead

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=timezone.utc)
PAUSE = DeliveryPause(account="shop", reason="unauthorized", probe_at=NOW + timedelta(minutes=5))


def cell(column: str, *, sight: Sight = PLAIN, with_account: bool = False, **values: Any) -> str:
    columns = Columns(sight, pauses={"shop": PAUSE}, keyless={"nope"}, with_account=with_account, now=NOW)
    return str(getattr(columns, column)(Lead(**{"next_attempt_at": None, **values})))


def words(column: str, **values: Any) -> str:
    return " ".join(strip_tags(cell(column, **values).replace("<", " <")).split())


class TestNextAttempt:
    @pytest.mark.parametrize(
        ("seconds", "shown"),
        [
            (-86_400, "now"),
            (0, "now"),
            (1, "in less than a minute"),
            (29, "in less than a minute"),
            (60, "in 1 minute"),
            (4 * 60 + 10, "in 4 minutes"),
            (59 * 60, "in 59 minutes"),
            (3_600, "in 1 hour"),
            (6 * 3_600, "in 6 hours"),
        ],
    )
    def test_how_soon(self, seconds: float, shown: str) -> None:
        due = NOW + timedelta(seconds=seconds)
        assert words("attempts", attempts=3, next_attempt_at=due) == f"attempts 3 next: {shown}"

    def test_the_moment_itself(self) -> None:
        shown = cell("attempts", next_attempt_at=NOW)
        assert 'datetime="2026-03-10T12:00:00+00:00"' in shown
        assert 'title="March 10, 2026' in shown

    def test_none(self) -> None:
        assert words("attempts", attempts=1) == "attempts 1"

    def test_being_sent(self) -> None:
        taken = {"lease": uuid.uuid4(), "next_attempt_at": NOW + timedelta(seconds=30)}
        assert words("attempts", **taken) == "attempts 0 being sent"

    def test_a_lease_that_ran_out(self) -> None:
        assert words("attempts", lease=uuid.uuid4(), next_attempt_at=NOW) == "attempts 0 next: now"

    def test_what_is_due_waits_while_its_account_is_paused(self) -> None:
        shown = cell("attempts", account="shop", next_attempt_at=NOW - timedelta(hours=1))
        assert ">paused<" in shown
        assert 'datetime="2026-03-10T12:05:00+00:00"' in shown
        later = NOW + timedelta(hours=1)
        assert words("attempts", account="shop", next_attempt_at=later) == "attempts 0 next: in 1 hour"

    def test_what_is_due_waits_for_a_key(self) -> None:
        shown = cell("attempts", account="nope", next_attempt_at=NOW - timedelta(hours=1))
        assert ">no API key<" in shown
        assert 'datetime="2026-03-10T11:00:00+00:00"' in shown


class TestContact:
    @pytest.mark.parametrize(
        ("values", "plain", "masked"),
        [
            ({"name": "Jo Doe", "email": "jo@example.com", "phone": "0612345678"}, "jo@example.com", "j•••@e•••.com"),
            ({"name": "Jo Doe", "phone": "0612345678"}, "0612345678", "••• 78"),
            ({"name": "Jo Doe"}, "Jo Doe", "J••• D•••"),
            ({}, "-", "-"),
            ({"email": "<b>@x.y", "erased_at": NOW}, "erased", "erased"),
        ],
    )
    def test_the_first_that_there_is(self, values: dict[str, Any], plain: str, masked: str) -> None:
        assert words("contact", **values) == plain
        assert words("contact", sight=MASKED, **values) == masked


class TestLastError:
    def test_in_words_with_what_octanist_said(self) -> None:
        assert words("last_error", error_code="VALIDATION_ERROR", error="email is wrong: jo@") == (
            "Octanist refused the data. email is wrong: jo@"
        )

    def test_the_code_for_those_who_know_it(self) -> None:
        assert 'title="VALIDATION_ERROR"' in cell("last_error", sight=MASKED, error_code="VALIDATION_ERROR")

    def test_what_octanist_said_may_repeat_what_a_visitor_typed(self) -> None:
        assert words("last_error", sight=MASKED, error_code="VALIDATION_ERROR", error="jo@") == (
            "Octanist refused the data."
        )

    def test_what_octanist_said_is_cut(self) -> None:
        assert len(words("last_error", error_code="X", error="e" * 5_000)) < 150

    def test_a_refusal_is_said_once(self) -> None:
        error = "the organisation's rules turned the lead away: The lead was turned away by a filtering rule."
        assert words("last_error", status="rejected", error_code="FORBIDDEN", error=error) == (
            "Turned away by Octanist&#x27;s filtering rules."
        )
        error = "Octanist refuses the lead's data: email is wrong"
        assert words("last_error", status="invalid", error_code="VALIDATION_ERROR", error=error) == (
            "Octanist refused the data. email is wrong"
        )

    def test_none(self) -> None:
        assert words("last_error") == "-"


@pytest.mark.parametrize(
    ("linked", "word", "icon", "title"),
    [
        ("yes", "linked", "icon-yes", "linked"),
        ("no", "not linked", "icon-no", "not linked"),
        ("refused", "refused", "icon-alert", "not linked: the session ID was refused"),
    ],
)
def test_linked(linked: str, word: str, icon: str, title: str) -> None:
    shown = cell("source", source="google / cpc", linked=linked)
    assert words("source", source="google / cpc", linked=linked) == f"google / cpc {word}"
    assert f"{icon}.svg" in shown
    assert f'title="pixel session: {title}"' in shown


@pytest.mark.parametrize("column", ["form", "contact", "source", "last_error"])
def test_hostile_values(column: str) -> None:
    evil = "<script>alert(1)</script>"
    assert evil not in cell(
        column, with_account=True, form=evil, account=evil, email=evil, source=evil, error_code=evil, error=evil
    )


def test_the_account_stands_below_the_form_where_there_are_several() -> None:
    assert words("form", form="contact", account="shop") == "contact"
    assert words("form", form="contact", account="shop", with_account=True) == "contact shop"
    assert words("form") == "-"


def test_status() -> None:
    assert cell("status", status="failed") == '<span class="octanist-status octanist-failed">failed</span>'
