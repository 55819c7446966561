from __future__ import annotations

from datetime import timedelta
from itertools import cycle, islice
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from django_octanist import alerts
from django_octanist.alerts import turns
from django_octanist.alerts.groups import TURNS
from django_octanist.models import AlertGroup, DeliveryPause

from . import HOUR, let_pass, subjects

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mails_at_once", "no_test_run")]

Reason = DeliveryPause.Reason
PAUSED = "deliveries of the account shop are paused"
GO_ON = "deliveries of the account shop go on"


def flap(times: int) -> None:
    """Pause and go on in turn, so many times all in all."""
    for tell in islice(cycle([lambda: alerts.paused("shop", Reason.OUTAGE), lambda: alerts.resumed("shop")]), times):
        tell()


def test_an_account_that_flaps_does_not_flood() -> None:
    flap(100)
    assert subjects() == [PAUSED, GO_ON] * (turns.MOST // 2)
    let_pass(HOUR)
    flap(2)
    assert subjects()[turns.MOST :] == [PAUSED, GO_ON]


def test_each_account_has_turns_of_its_own() -> None:
    flap(100)
    alerts.paused("default", Reason.OUTAGE)
    assert "default" in subjects()[-1]


@pytest.mark.parametrize(
    ("reason", "told"),
    [(Reason.OUTAGE, [PAUSED]), (Reason.UNAUTHORIZED, [PAUSED]), (Reason.RATE_LIMITED, []), (None, [])],
)
def test_how_it_stands_is_told_when_the_hour_is_over(reason: Reason | None, told: list[str]) -> None:
    flap(turns.MOST + 1)
    if reason is not None:
        DeliveryPause.objects.create(account="shop", reason=reason, probe_at=timezone.now())
    let_pass(HOUR - timedelta(minutes=1))
    alerts.look()
    assert len(mail.outbox) == turns.MOST
    # It was told a little later than the first.
    AlertGroup.objects.filter(kind="resumed").update(told_at=timezone.now())
    let_pass(timedelta(minutes=1))
    alerts.look()
    assert subjects()[turns.MOST :] == told


def test_a_recovery_that_was_withheld_is_told() -> None:
    alerts.resumed("shop")
    flap(turns.MOST)
    assert subjects()[-1] == PAUSED
    let_pass(HOUR)
    alerts.look()
    assert subjects()[turns.MOST :] == [GO_ON]


def test_nothing_is_remembered_for_ever() -> None:
    flap(2)
    let_pass(HOUR)
    alerts.look()
    assert not AlertGroup.objects.filter(kind=TURNS).exists()
    assert len(mail.outbox) == 2


def test_they_are_no_leads(settings: Any) -> None:
    flap(turns.MOST + 1)
    assert alerts.seconds_until_told() is None
