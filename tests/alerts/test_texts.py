from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone as django_timezone
from django.utils import translation

from django_octanist.alerts import texts
from django_octanist.models import DeliveryPause, Lead

NOW = datetime(2026, 3, 10, 14, 5, tzinfo=timezone.utc)
Reason = DeliveryPause.Reason
Status = Lead.Status


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.TIME_ZONE = "UTC"
    monkeypatch.setattr(django_timezone, "now", lambda: NOW)


@pytest.mark.parametrize(
    ("status", "subject", "body"),
    [
        (
            Status.INVALID,
            "a lead of the account shop was found invalid",
            "Octanist found lead 12 (form: contact, account: shop) invalid. The code is VALIDATION_ERROR.",
        ),
        (
            Status.FAILED,
            "a lead of the account shop could not be delivered",
            "Lead 12 (form: contact, account: shop) could not be delivered. The code is VALIDATION_ERROR.",
        ),
    ],
)
def test_one_lead(status: Status, subject: str, body: str) -> None:
    lead = Lead(pk=12, status=status, account="shop", form="contact", error_code="VALIDATION_ERROR")
    body = f"{body} Why, and what to do, is on its page."
    assert texts.lead_lost(lead) == (subject, body, "/admin/octanist/lead/12/change/")


def test_a_lead_without_a_code_and_a_form() -> None:
    lead = Lead(pk=12, status=Status.FAILED, account="shop")
    assert texts.lead_lost(lead).body == (
        "Lead 12 (form: -, account: shop) could not be delivered. Why, and what to do, is on its page."
    )


def test_nothing_personal() -> None:
    personal = dict.fromkeys(("name", "email", "phone", "note", "session_id", "source", "error"), "MARKER")
    lead = Lead(pk=12, status=Status.INVALID, custom={"a": "MARKER"}, attribution={"website": "MARKER"}, **personal)
    assert "MARKER" not in repr(texts.lead_lost(lead))


@pytest.mark.parametrize(
    ("status", "number", "since", "sentence"),
    [
        (Status.INVALID, 17, NOW, "17 leads of the account shop were found invalid since 14:05 UTC."),
        (Status.INVALID, 1, NOW, "1 lead of the account shop was found invalid since 14:05 UTC."),
        (Status.INVALID, 2374, NOW, "2,374 leads of the account shop were found invalid since 14:05 UTC."),
        (Status.FAILED, 2374, None, "2,374 leads of the account shop could not be delivered."),
        (Status.INVALID, 2, None, "2 leads of the account shop were found invalid."),
        (Status.FAILED, 2, NOW, "2 leads of the account shop could not be delivered since 14:05 UTC."),
        (Status.FAILED, 1, None, "1 lead of the account shop could not be delivered."),
        (
            Status.FAILED,
            2,
            NOW - timedelta(days=1),
            "2 leads of the account shop could not be delivered since 2026-03-09 14:05 UTC.",
        ),
    ],
)
def test_many_leads(status: Status, number: int, since: datetime | None, sentence: str) -> None:
    text = texts.leads_lost(status, "shop", number=number, since=since)
    assert text.subject == sentence.partition(" since")[0].rstrip(".")
    assert text.body.startswith(f"{sentence} Why, and what to do, is on ")
    assert text.link == f"/admin/octanist/lead/?status__exact={status}&account__exact=shop"


@override_settings(TIME_ZONE="Europe/Amsterdam")
def test_times_are_those_of_the_site() -> None:
    assert "since 15:05 CET." in texts.leads_lost(Status.FAILED, "shop", number=2, since=NOW).body


@override_settings(USE_TZ=False, TIME_ZONE="Europe/Amsterdam")
def test_naive_times_stay_as_they_are() -> None:
    since = datetime.now().replace(hour=15, minute=5)
    assert "since 15:05 CE" in texts.leads_lost(Status.FAILED, "shop", number=2, since=since).body


@pytest.mark.parametrize(
    ("account", "reason", "are_tried", "why"),
    [
        ("default", Reason.UNAUTHORIZED, True, "Deliveries of the account are paused: API key refused."),
        ("shop", None, False, 'The account has no API key: set OCTANIST_API_KEYS["shop"].'),
        ("default", None, True, "Why, and when each is tried again, is on their pages."),
        ("default", None, False, "Nobody has tried to send them. Who delivers? OCTANIST_DISPATCH is manual."),
    ],
)
def test_leads_that_wait(account: str, reason: str | None, are_tried: bool, why: str) -> None:
    oldest = NOW - timedelta(hours=3, minutes=5)
    text = texts.leads_wait(account, number=3000, oldest=oldest, now=NOW, reason=reason, are_tried=are_tried)
    assert text.subject == f"3,000 leads of the account {account} have waited for more than an hour"
    assert text.body == (
        f"{text.subject}. The oldest was captured at 11:00 UTC, 3 hours, 5 minutes ago. {why} Nothing is lost."
    )
    assert text.link == f"/admin/octanist/lead/?status__exact=pending&account__exact={account}"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        # What a variable that the environment lacks comes to.
        ("API_KEY", None, "A setting is wrong: OCTANIST_API_KEY must be a string, not None"),
        ("DISPATCH", "celery", "A setting is wrong: OCTANIST_DISPATCH must be"),
    ],
)
def test_leads_that_wait_for_a_setting(settings: Any, name: str, value: Any, why: str) -> None:
    setattr(settings, f"OCTANIST_{name}", value)
    text = texts.leads_wait("default", number=1, oldest=NOW, now=NOW, reason=None, are_tried=False)
    assert why in text.body


def test_leads_that_somebody_took_and_did_not_settle() -> None:
    text = texts.leads_wait("default", number=1, oldest=NOW, now=NOW, reason=None, are_tried=False, are_taken=True)
    assert "Whoever took them to send them ended before it was done: look at the log of what delivers." in text.body


def test_a_lead_that_waits() -> None:
    text = texts.leads_wait("shop", number=1, oldest=NOW, now=NOW, reason=None, are_tried=False)
    assert text.subject == "1 lead of the account shop has waited for more than an hour"


def test_pauses() -> None:
    subject, body, link = texts.paused("shop", Reason.OUTAGE)
    assert subject == "deliveries of the account shop are paused"
    assert body.startswith("Reason: Octanist unavailable. Leads wait, and nothing is lost.\n\n")
    assert link.startswith("/admin/octanist/lead/")
    assert texts.resumed("shop").subject == "deliveries of the account shop go on"
    assert texts.resumed("shop").link == link


@pytest.mark.parametrize(
    ("reason", "todo"),
    [
        (Reason.UNAUTHORIZED, "Set the right API key and restart the site, then check the key in the overview."),
        (Reason.ENDPOINT, "Set OCTANIST_API_URL right and restart the site, then check the key in the overview."),
        (Reason.OUTAGE, "Nothing to do: deliveries go on by themselves when Octanist answers. Nothing is lost."),
    ],
)
def test_what_to_do_about_a_pause(reason: Reason, todo: str) -> None:
    assert texts.paused("shop", reason).body.endswith(f"\n\n{todo}")


@pytest.mark.parametrize(("language", "number"), [("nl", "2.374"), ("de", "2.374"), ("en", "2,374")])
def test_numbers_are_those_of_the_language(language: str, number: str) -> None:
    with translation.override(language):
        text = texts.leads_lost(Status.FAILED, "shop", number=2374, since=None)
    assert number in text.subject
    assert number in text.body


def test_a_capture_that_failed() -> None:
    text: Any = texts.capture_failed(form="contact", cause="OperationalError", fields="email, name")
    assert text.body.startswith("Form: contact\nCause: OperationalError\nFields: email, name\n\n")
    assert text.link.startswith("/admin/octanist/lead/")
