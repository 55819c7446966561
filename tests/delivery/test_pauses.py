from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import override_settings
from django.utils import timezone

from django_octanist import signals
from django_octanist.delivery import drain, pauses
from django_octanist.delivery.decisions import Outcome
from django_octanist.models import DeliveryAttempt, DeliveryPause
from django_octanist.test import TestSandbox, octanist

from . import make_lead

__all__ = ["octanist"]

pytestmark = pytest.mark.django_db

Reason = DeliveryPause.Reason
ALERTED = override_settings(OCTANIST_ALERT_EMAILS=["ops@example.com"])


@pytest.fixture
def said() -> Any:
    """What the signals of pauses say, in order."""
    heard: list[Any] = []

    def paused(**named: Any) -> None:
        heard.append(("paused", named["account"], named["reason"]))

    def resumed(**named: Any) -> None:
        heard.append(("resumed", named["account"]))

    signals.delivery_paused.connect(paused)
    signals.delivery_resumed.connect(resumed)
    yield heard
    signals.delivery_paused.disconnect(paused)
    signals.delivery_resumed.disconnect(resumed)


def seconds_until(row: DeliveryPause) -> float:
    return (row.probe_at - timezone.now()).total_seconds()


def test_paused_once_with_one_alert(said: list[Any], sent_alerts: Callable[[], None], caplog: Any) -> None:
    with ALERTED:
        for _ in range(3):
            pauses.pause("shop", reason=Reason.UNAUTHORIZED, error="HTTP 401")
        sent_alerts()
    row = DeliveryPause.objects.get()
    assert (row.account, row.reason, row.error, row.failures) == ("shop", Reason.UNAUTHORIZED, "HTTP 401", 0)
    assert said == [("paused", "shop", Reason.UNAUTHORIZED)]
    (message,) = mail.outbox
    assert message.to == ["ops@example.com"]
    assert "shop" in message.subject
    assert "API key refused" in message.body
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize(("retry_after", "least", "most"), [(None, 28, 30), (90.0, 88, 90)])
def test_when_the_first_probe_comes(retry_after: float | None, least: float, most: float) -> None:
    pauses.pause("shop", reason=Reason.RATE_LIMITED, error="", retry_after=retry_after)
    assert least <= seconds_until(DeliveryPause.objects.get()) <= most


def test_being_rate_limited_alerts_nobody(said: list[Any], sent_alerts: Callable[[], None], caplog: Any) -> None:
    with ALERTED:
        pauses.pause("shop", reason=Reason.RATE_LIMITED, error="HTTP 429", retry_after=5.0)
        sent_alerts()
    assert said == [("paused", "shop", Reason.RATE_LIMITED)]
    assert (mail.outbox, caplog.records) == ([], [])


def test_a_second_reason_does_not_replace_the_first() -> None:
    pauses.pause("shop", reason=Reason.UNAUTHORIZED, error="first")
    pauses.pause("shop", reason=Reason.OUTAGE, error="second")
    row = DeliveryPause.objects.get()
    assert (row.reason, row.error) == (Reason.UNAUTHORIZED, "first")


def test_accounts_pause_by_themselves() -> None:
    pauses.pause("shop", reason=Reason.UNAUTHORIZED, error="")
    pauses.pause("default", reason=Reason.OUTAGE, error="")
    assert pauses.resume("shop")
    assert DeliveryPause.objects.get().account == "default"


@pytest.mark.parametrize(
    ("failures", "retry_after", "seconds"), [(0, None, 60), (1, None, 120), (9, None, 900), (1, 5.0, 5)]
)
def test_prolonged(failures: int, retry_after: float | None, seconds: float) -> None:
    DeliveryPause.objects.create(
        account="shop", reason=Reason.OUTAGE, probe_at=timezone.now(), failures=failures, error="before"
    )
    pauses.prolong("shop", reason=None, error="HTTP 502", retry_after=retry_after)
    row = DeliveryPause.objects.get()
    assert (row.reason, row.failures, row.error) == (Reason.OUTAGE, failures + 1, "HTTP 502")
    assert seconds - 2 <= seconds_until(row) <= seconds


def test_what_is_not_paused_is_not_prolonged() -> None:
    pauses.prolong("shop", reason=Reason.OUTAGE, error="")
    assert not DeliveryPause.objects.exists()


def test_another_reason_is_announced_like_the_first(said: list[Any], sent_alerts: Callable[[], None]) -> None:
    with ALERTED:
        pauses.pause("shop", reason=Reason.RATE_LIMITED, error="HTTP 429")
        pauses.prolong("shop", reason=Reason.RATE_LIMITED, error="HTTP 429")
        pauses.prolong("shop", reason=Reason.UNAUTHORIZED, error="HTTP 401")
        pauses.prolong("shop", reason=Reason.UNAUTHORIZED, error="HTTP 401")
        pauses.prolong("shop", reason=None, error="no connection")
        sent_alerts()
    assert said == [("paused", "shop", Reason.RATE_LIMITED), ("paused", "shop", Reason.UNAUTHORIZED)]
    assert len(mail.outbox) == 1
    assert DeliveryPause.objects.get().reason == Reason.UNAUTHORIZED


@pytest.mark.parametrize(("reason", "mails"), [(Reason.OUTAGE, 1), (Reason.RATE_LIMITED, 0)])
def test_who_heard_of_a_pause_hears_of_its_end(reason: Reason, mails: int, sent_alerts: Callable[[], None]) -> None:
    pauses.pause("shop", reason=reason, error="")
    with ALERTED:
        for _ in range(2):
            pauses.resume("shop")
        sent_alerts()
    assert [message.subject for message in mail.outbox] == [
        "[Django] Octanist: deliveries of the account shop go on"
    ] * mails


def test_the_end_of_a_pause_that_became_a_limit(sent_alerts: Callable[[], None]) -> None:
    with ALERTED:
        for _ in range(2):
            pauses.pause("shop", reason=Reason.OUTAGE, error="HTTP 502")
            pauses.prolong("shop", reason=Reason.RATE_LIMITED, error="HTTP 429")
            pauses.resume("shop")
            sent_alerts()
            pauses.pause("shop", reason=Reason.RATE_LIMITED, error="HTTP 429")
            pauses.resume("shop")
            sent_alerts()
    told = ["paused" in message.subject for message in mail.outbox]
    assert sorted(told[:2]) == sorted(told[2:]) == [False, True]


def test_tried_at_once(said: list[Any], sent_alerts: Callable[[], None]) -> None:
    since = timezone.now() - timedelta(hours=3)
    later = timezone.now() + timedelta(minutes=15)
    DeliveryPause.objects.create(account="shop", reason=Reason.UNAUTHORIZED, since=since, probe_at=later, failures=9)
    with ALERTED, override_settings(OCTANIST_API_KEYS={"shop": "k"}):
        assert pauses.try_now("shop")
        assert not pauses.try_now("default")
        row = DeliveryPause.objects.get()
        assert pauses.take_probe(row, now=timezone.now(), seconds=70)
        pauses.prolong("shop", reason=Reason.UNAUTHORIZED, error="HTTP 401")
        sent_alerts()
    row = DeliveryPause.objects.get()
    assert (row.since, row.failures) == (since, 1)
    assert 58 <= seconds_until(row) <= 60
    assert (said, mail.outbox) == ([], [])


def test_a_bad_day_by_e_mail(octanist: TestSandbox, told: Callable[[], list[str]]) -> None:
    """A wrong key, a try by hand that changes nothing, the mend, and all of it once more within the hour."""
    paused, go_on = (f"deliveries of the account default {what}" for what in ("are paused", "go on"))
    for day in (1, 2):
        for _ in range(3):
            make_lead()
        with override_settings(OCTANIST_API_KEY="wrong"):
            drain()
            since = DeliveryPause.objects.get().since
            assert pauses.try_now("default")
            assert drain() == 1
            assert DeliveryPause.objects.get().since == since
        assert told() == [paused, go_on] * (day - 1) + [paused]
        pauses.forget()
        drain()
        assert not DeliveryPause.objects.exists()
        assert told() == [paused, go_on] * day


def test_an_account_without_a_key_is_not_tried_but_forgotten(said: list[Any]) -> None:
    DeliveryPause.objects.create(account="gone", reason=Reason.UNAUTHORIZED, probe_at=timezone.now())
    assert pauses.try_now("gone")
    assert not DeliveryPause.objects.exists()
    assert said == []


def test_resumed(said: list[Any]) -> None:
    assert pauses.resume("shop") is False
    pauses.pause("shop", reason=Reason.OUTAGE, error="")
    assert pauses.resume("shop") is True
    assert pauses.resume("shop") is False
    assert said == [("paused", "shop", Reason.OUTAGE), ("resumed", "shop")]


def test_one_probe_at_a_time() -> None:
    now = timezone.now()
    DeliveryPause.objects.create(account="shop", reason=Reason.OUTAGE, probe_at=now - timedelta(seconds=1))
    mine, theirs = DeliveryPause.objects.get(), DeliveryPause.objects.get()
    assert pauses.take_probe(mine, now=now, seconds=70)
    assert not pauses.take_probe(theirs, now=now, seconds=70)
    assert 68 <= seconds_until(DeliveryPause.objects.get()) <= 70
    # A prober that never came back keeps nobody waiting for ever.
    later = now + timedelta(seconds=71)
    assert pauses.take_probe(DeliveryPause.objects.get(), now=later, seconds=70)


def test_no_probe_before_its_time() -> None:
    now = timezone.now()
    row = DeliveryPause.objects.create(account="shop", reason=Reason.OUTAGE, probe_at=now + timedelta(seconds=1))
    assert not pauses.take_probe(row, now=now, seconds=70)


U, N, L = Outcome.UNCERTAIN, Outcome.UNREACHABLE, Outcome.LATER


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], False),
        ([U, N, L, U], False),
        ([U, N, L, U, N], True),
        ([Outcome.DELIVERED, U, N, L, U, N], True),
        ([U, N, L, U, N, Outcome.DELIVERED], False),
        ([U, N, Outcome.DELIVERED, L, U, N], False),
        ([U, N, Outcome.INVALID, L, U, N], False),
        ([U, N, Outcome.REJECTED, L, U, N], False),
        ([U, N, Outcome.FOUND, L, U, N], False),
    ],
)
def test_what_is_an_outage(outcomes: list[Outcome], expected: bool) -> None:
    lead, elsewhere = make_lead(account="shop"), make_lead()
    for outcome in outcomes:
        for target, value in ((lead, outcome), (elsewhere, Outcome.DELIVERED)):
            DeliveryAttempt.objects.create(
                lead=target, account=target.account, started_at=timezone.now(), duration_ms=1, outcome=value
            )
    assert pauses.is_outage("shop") is expected
