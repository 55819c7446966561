"""Leads that wait for more than an hour, whatever the reason: a refused key, an outage, no worker that runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from django.db import router
from django.db.models import Count, Max, Min, Q

from .. import clock
from ..figures.progress import catching_up
from ..models import AlertGroup, DeliveryPause, Lead
from . import groups, mailing, texts
from .groups import OVERDUE

AFTER = timedelta(hours=1)
"""How long a lead waits before it is told of."""
AGAIN = timedelta(hours=6)
"""Between two e-mails on leads that go on waiting; once they are sent, the next that waits is told after the hour."""


class Waiting(NamedTuple):
    """The leads of one account that wait for too long."""

    account: str
    number: int
    oldest: datetime
    attempts: int
    """Of the lead that was tried most."""


def tell(told: list[AlertGroup]) -> None:
    """Tell of the accounts whose leads wait too long. ``told`` are those that were so at an earlier look.

    Raises ``django.db.Error``.
    """
    database = router.db_for_write(Lead)
    if not told and not Lead.objects.using(database).waiting().exists():
        return
    now = clock.now(using=database)
    found = {waiting.account: waiting for waiting in _found(now=now)}
    rows = DeliveryPause.objects.using(database).filter(account__in=found)
    reasons = dict(rows.values_list("account", "reason"))
    for account, waiting in found.items():
        if not _passes(waiting, reason=reasons.get(account), now=now):
            _tell(waiting, reason=reasons.get(account), now=now)
    over = [group for group in told if group.account not in found]
    if over:
        groups.end(over, now=now)


def _found(*, now: datetime) -> Iterator[Waiting]:
    """Leads captured an hour ago that are due since then, or were tried in vain.

    Not those that somebody has just sent again: their time has only come.
    """
    leads = Lead.objects.using(router.db_for_write(Lead)).waiting().filter(created_at__lte=now - AFTER)
    leads = leads.filter(Q(next_attempt_at__lte=now - AFTER) | Q(attempts__gt=0))
    by_account = leads.values_list("account").annotate(Count("pk"), Min("created_at"), Max("attempts"))
    for account, number, oldest, attempts in by_account:
        yield Waiting(account, number, oldest, attempts)


def _passes(waiting: Waiting, *, reason: str | None, now: datetime) -> bool:
    """Whether it passes by itself: Octanist asked to send more slowly, or the leads are being sent."""
    if reason is not None:
        return reason == DeliveryPause.Reason.RATE_LIMITED
    return bool(catching_up([waiting.account], now=now, using=router.db_for_write(Lead)))


def _tell(waiting: Waiting, *, reason: str | None, now: datetime) -> None:
    telling = groups.claim(OVERDUE, waiting.account, interval=AGAIN)
    if telling is not None:
        account, number, oldest, attempts = waiting
        compose = partial(
            texts.leads_wait,
            account,
            number=number,
            oldest=oldest,
            now=now,
            reason=reason,
            are_tried=bool(attempts),
        )
        mailing.post(compose, telling=telling)
