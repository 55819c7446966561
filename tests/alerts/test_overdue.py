from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from django_octanist import alerts
from django_octanist.delivery import pauses
from django_octanist.models import AlertGroup, DeliveryAttempt, DeliveryPause, Lead
from tests.figures import attempted

from . import HOUR, let_pass, subjects, waiting_lead

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mails_at_once", "no_test_run")]

Reason = DeliveryPause.Reason
WAITS = "1 lead of the account shop has waited for more than an hour"


def look_after(time: timedelta) -> None:
    let_pass(time)
    alerts.look()


def test_told_once_and_then_every_six_hours() -> None:
    waiting_lead(hours=0.9)
    alerts.look()
    assert mail.outbox == []
    waiting_lead(hours=1.1)
    look_after(timedelta(0))
    assert subjects() == [WAITS]
    assert mail.outbox[0].body.endswith("/admin/octanist/lead/?status__exact=pending&account__exact=shop")
    look_after(HOUR)
    look_after(4 * HOUR)
    assert len(mail.outbox) == 1
    look_after(HOUR)
    assert len(mail.outbox) == 2


def test_with_the_number_and_the_age_of_the_oldest() -> None:
    for hours in (0.5, 1.1, 3.1, 2.1):
        waiting_lead(hours=hours)
    waiting_lead(hours=5, account="default")
    alerts.look()
    default, shop = sorted(mail.outbox, key=lambda message: message.subject)
    assert "1 lead of the account default has" in default.subject
    assert "3 leads of the account shop have" in shop.subject
    assert "3 hours, 6 minutes ago" in shop.body


@pytest.mark.parametrize(("reason", "mails"), [(Reason.RATE_LIMITED, 0), (Reason.UNAUTHORIZED, 1)])
def test_behind_a_pause(settings: Any, reason: Reason, mails: int) -> None:
    pauses.pause("shop", reason=reason, error="")
    mail.outbox.clear()
    waiting_lead(hours=2)
    alerts.look()
    assert len(mail.outbox) == mails
    if mails:
        assert "paused: API key refused." in mail.outbox[0].body


def test_behind_a_pause_that_tries_them_again_and_again() -> None:
    """A probe makes its lead the latest due, and costs it no attempt."""
    pauses.pause("shop", reason=Reason.UNAUTHORIZED, error="")
    mail.outbox.clear()
    for hours in (5, 4, 0.5):
        waiting_lead(hours=hours, next_attempt_at=timezone.now())
    alerts.look()
    assert mail.outbox == []
    DeliveryPause.objects.update(since=timezone.now() - HOUR)
    look_after(timedelta(0))
    assert subjects() == ["2 leads of the account shop have waited for more than an hour"]


def test_those_that_are_taken_and_never_settled(settings: Any) -> None:
    """What delivers is killed again and again: memory, a crash."""
    settings.OCTANIST_API_KEYS = {"shop": "key"}
    taken = {"lease": uuid.uuid4(), "uncertain": True, "next_attempt_at": timezone.now() + HOUR / 10}
    waiting_lead(hours=2, **taken)
    alerts.look()
    assert subjects() == [WAITS]
    assert "Whoever took them to send them ended before it was done" in mail.outbox[0].body


def test_an_old_uncertain_lead_that_was_sent_again_and_is_being_sent() -> None:
    lead = waiting_lead(hours=240, lease=uuid.uuid4(), uncertain=True, next_attempt_at=timezone.now() + HOUR / 10)
    attempted(lead, timezone.now() - 100 * HOUR)
    alerts.look()
    assert mail.outbox == []


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Lead.Status.FAILED, "next_attempt_at": None},
        # Sent again by an operator a moment ago, or being sent right now.
        {"next_attempt_at": timezone.now()},
        {"next_attempt_at": timezone.now() + timedelta(minutes=5)},
    ],
)
def test_what_does_not_wait_for_long(fields: dict[str, Any]) -> None:
    waiting_lead(hours=240, **fields)
    alerts.look()
    assert mail.outbox == []


def test_an_operator_sends_old_leads_again() -> None:
    for _ in range(3):
        waiting_lead(hours=240, status=Lead.Status.FAILED, attempts=20)
    assert Lead.objects.replay() == 3
    alerts.look()
    assert mail.outbox == []


def test_what_has_just_come_does_not_wait_for_long() -> None:
    waiting_lead(hours=0.9, attempts=4)
    alerts.look()
    assert mail.outbox == []


def test_one_that_is_tried_in_vain_while_others_are_sent() -> None:
    waiting_lead(hours=5, attempts=5)
    attempted(waiting_lead(hours=0.1), timezone.now(), outcome=DeliveryAttempt.Outcome.DELIVERED)
    alerts.look()
    assert subjects() == [WAITS]


def test_not_while_they_are_being_sent() -> None:
    waiting_lead(hours=5)
    attempted(waiting_lead(hours=5), timezone.now(), outcome=DeliveryAttempt.Outcome.DELIVERED)
    alerts.look()
    assert mail.outbox == []
    waiting_lead(hours=5, account="default")
    look_after(timedelta(0))
    assert subjects() == [WAITS.replace("shop", "default")]
    DeliveryAttempt.objects.update(started_at=timezone.now() - HOUR)
    look_after(timedelta(0))
    assert subjects()[1:] == ["2 leads of the account shop have waited for more than an hour"]


def test_what_is_tried_in_vain_waits_whenever_it_is_due_next() -> None:
    waiting_lead(hours=2, attempts=4, next_attempt_at=timezone.now() + HOUR)
    alerts.look()
    assert subjects() == [WAITS]


def test_the_next_trouble_is_told_after_an_hour_not_after_six() -> None:
    lead = waiting_lead(hours=2)
    alerts.look()
    Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.DELIVERED, next_attempt_at=None)
    # Within the hour it is remembered that somebody was told.
    look_after(HOUR / 2)
    assert AlertGroup.objects.count() == 1
    look_after(HOUR / 2)
    assert not AlertGroup.objects.exists()
    waiting_lead(hours=2)
    look_after(timedelta(0))
    assert subjects() == [WAITS] * 2


def test_an_account_that_recovers_is_forgotten_while_another_waits() -> None:
    waiting_lead(hours=2, account="default")
    lead = waiting_lead(hours=2)
    alerts.look()
    lead.delete()
    look_after(2 * HOUR)
    assert AlertGroup.objects.get().account == "default"
    assert len(mail.outbox) == 2
