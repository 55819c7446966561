"""Leads that wait for more than an hour, whatever the reason: a refused key, an outage, no worker that runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from django.db import router
from django.db.models import Count, Exists, Max, Min, OuterRef, Q

from .. import clock
from ..figures.progress import catching_up
from ..models import AlertGroup, DeliveryAttempt, DeliveryPause, Lead
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
    leases: int
    """How many somebody took to send, and has not settled."""


def tell(told: list[AlertGroup]) -> None:
    """Tell of the accounts whose leads wait too long. ``told`` are those that were so at an earlier look.

    Raises ``django.db.Error``.
    """
    database = router.db_for_write(Lead)
    if not told and not Lead.objects.using(database).waiting().exists():
        return
    now = clock.now(using=database)
    pauses = list(DeliveryPause.objects.using(database).all())
    long_paused = [pause.account for pause in pauses if pause.since <= now - AFTER]
    found = {waiting.account: waiting for waiting in _found(now=now, long_paused=long_paused)}
    reasons = {pause.account: pause.reason for pause in pauses}
    for account, waiting in found.items():
        if not _passes(waiting, reason=reasons.get(account), now=now):
            _tell(waiting, reason=reasons.get(account), now=now)
    over = [group for group in told if group.account not in found]
    if over:
        groups.end(over, now=now)


def _found(*, now: datetime, long_paused: Collection[str]) -> Iterator[Waiting]:
    """Leads captured an hour ago that are due since then, or were tried in vain; all of accounts ``long_paused``.

    Not those that somebody has just sent again: their time has only come. A probe moves the time of its lead and costs
    it no attempt, and so does who takes a lead and ends before it is settled.
    """
    leads = Lead.objects.using(router.db_for_write(Lead)).waiting().filter(created_at__lte=now - AFTER)
    untold = ~Exists(DeliveryAttempt.objects.filter(lead=OuterRef("pk")))
    dropped = Q(attempts=0, uncertain=True, lease__isnull=False) & untold
    tried = Q(next_attempt_at__lte=now - AFTER) | Q(attempts__gt=0) | dropped
    leads = leads.filter(tried | Q(account__in=long_paused))
    by_account = leads.order_by().values_list("account")
    for row in by_account.annotate(Count("pk"), Min("created_at"), Max("attempts"), Count("lease")):
        yield Waiting(*row)


def _passes(waiting: Waiting, *, reason: str | None, now: datetime) -> bool:
    """Whether it passes by itself: Octanist asked to send more slowly, or the leads are being sent."""
    if reason is not None:
        return reason == DeliveryPause.Reason.RATE_LIMITED
    return bool(catching_up([waiting.account], now=now, using=router.db_for_write(Lead)))


def _tell(waiting: Waiting, *, reason: str | None, now: datetime) -> None:
    telling = groups.claim(OVERDUE, waiting.account, interval=AGAIN)
    if telling is not None:
        compose = partial(
            texts.leads_wait,
            waiting.account,
            number=waiting.number,
            oldest=waiting.oldest,
            now=now,
            reason=reason,
            are_tried=bool(waiting.attempts),
            are_taken=bool(waiting.leases),
        )
        mailing.post(compose, telling=telling)
