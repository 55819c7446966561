"""Looking for what is due to be told: what came within an hour of an e-mail, and leads that wait too long.

Done by whoever delivers anyway, and by who captures: where nobody delivers, nobody else would notice. A look that finds
nothing is one query a minute, and one more in ten; none at all where nobody is to be told, and under a test runner.
"""

from __future__ import annotations

from functools import partial

from django.db import router

from .. import clock, process
from ..conf import conf
from ..models import AlertGroup, DeliveryPause
from . import events, groups, limits, mailing, overdue, texts, turns
from .groups import INTERVAL, OVERDUE
from .guard import never_raises

LOOK_SECONDS = 60.0
"""Between two looks of a process that delivers."""
APART_SECONDS = 600.0
"""Between two looks of a process that captures, and between two for leads that wait too long."""


def look() -> None:
    """Tell what is due, at most every :data:`LOOK_SECONDS`. Never raises."""
    if limits.comes("look", seconds=LOOK_SECONDS) and not process.is_test_run():
        _look()


def look_apart() -> None:
    """Do so in a thread of its own, at most every :data:`APART_SECONDS`; costs the caller no query. Never raises."""
    if limits.comes("apart", seconds=APART_SECONDS) and process.may_start_threads():
        _look_apart()


@never_raises
def _look_apart() -> None:
    if conf.alert_emails:
        mailing.apart(_look)


@never_raises
def _look() -> None:
    if not conf.alert_emails:
        return
    unsettled = groups.unsettled()
    counted, turned = groups.counted(unsettled), turns.of(unsettled)
    if counted:
        _tell_counted(counted)
    if turned:
        _tell_withheld(turned)
    if limits.comes("overdue", seconds=APART_SECONDS):
        overdue.tell([group for group in unsettled if group.kind == OVERDUE])


def _tell_counted(counted: list[AlertGroup]) -> None:
    now = clock.now(using=router.db_for_write(AlertGroup))
    for group in counted:
        telling = groups.take(group, now=now)
        if telling is not None:
            compose = partial(texts.leads_lost, group.kind, group.account, number=telling.number, since=telling.before)
            mailing.post(compose, telling=telling)


def _tell_withheld(turned: list[AlertGroup]) -> None:
    database = router.db_for_write(DeliveryPause)
    for account in turns.withheld(turned, now=clock.now(using=database)):
        row = DeliveryPause.objects.using(database).filter(account=account).first()
        if row is None:
            events.resumed(account)
        # That passes by itself.
        elif row.reason != DeliveryPause.Reason.RATE_LIMITED:
            events.paused(account, DeliveryPause.Reason(row.reason))


def seconds_until_told() -> float | None:
    """Return the seconds until all that was counted may be told (0: now), or ``None`` where nothing waits.

    Raises ``django.db.Error``, and ``OctanistConfigurationError`` on a bad setting.
    """
    counted = groups.counted(groups.unsettled()) if conf.alert_emails else []
    if not counted:
        return None
    now = clock.now(using=router.db_for_write(AlertGroup))
    ends = [group.told_at + INTERVAL if group.told_at else now for group in counted]
    return max((max(ends) - now).total_seconds(), 0.0)
