"""What all processes know of alerts: when each kind of an account's was told last, and how much has come since.

Every change is one statement that says what it found, so that of several processes one tells. Each is done again where
the database refuses it for the moment. All raise ``django.db.Error`` where it does not answer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import connections, router, transaction
from django.db.models import F, Q, QuerySet

from .. import clock
from ..models import AlertGroup
from ..transactions import retried

INTERVAL = timedelta(hours=1)
"""Between two e-mails of the same kind of the same account."""
OVERDUE = "overdue"
"""The kind whose groups are there only while leads wait too long."""
TURNS = "turns"
"""The kind whose groups count what was told of an account that pauses and goes on, since its first within an hour."""
RESUMED = "resumed"
"""The kind of an account that goes on."""
PAUSED = "paused:"
"""The kind of an account that is paused, followed by the reason."""

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What this process, and no other, may tell now."""

    key: int
    number: int = 0
    """How many had come."""
    before: datetime | None
    """When it was told the last time."""
    at: datetime


def claim(kind: str, account: str, *, interval: timedelta = INTERVAL) -> Telling | None:
    """Return what lets this process tell of ``kind``, or ``None`` where somebody told within ``interval``."""
    return _done(lambda: _claim(kind, account, interval=interval))


def count(kind: str, account: str, number: int) -> Telling | None:
    """Add ``number`` to what is to be told of ``kind``; return what may be told now, if anything may."""
    _done(lambda: _add(kind, account, number))
    return _done(lambda: _take(_rows().get(kind=kind, account=account), now=_now()))


def take(group: AlertGroup, *, now: datetime) -> Telling | None:
    """Return what may be told of ``group`` now, or ``None`` where its hour is not over or somebody else tells."""
    return _done(lambda: _take(group, now=now))


def give_back(telling: Telling) -> None:
    """Undo ``telling``, of which nobody was told, so that it is told yet."""
    told = _rows().filter(pk=telling.key, told_at=telling.at)
    _done(lambda: told.update(told_at=telling.before, waiting=F("waiting") + telling.number))


def unsettled() -> list[AlertGroup]:
    """Return the groups of which something is to be told, or that may be over. Normally none."""
    return _done(lambda: list(_rows().filter(Q(waiting__gt=0) | Q(kind=OVERDUE))))


def counted(unsettled: list[AlertGroup]) -> list[AlertGroup]:
    """Return those of ``unsettled`` groups whose leads are to be told of."""
    return [group for group in unsettled if group.waiting and group.kind != TURNS]


def end(groups: list[AlertGroup], *, now: datetime) -> int:
    """Remove those of ``groups`` that were told an hour ago: what comes next is new, and told at once.

    Return how many this process removed.
    """
    old = Q(told_at=None) | Q(told_at__lte=now - INTERVAL)
    return _done(lambda: _rows().filter(old, pk__in=[group.pk for group in groups]).delete())[0]


def turn(account: str) -> int:
    """Count one more e-mail on ``account`` that pauses or goes on; return how many that makes within an hour."""
    return _done(lambda: _turn(account))


def is_paused(account: str) -> bool:
    """Whether that ``account`` is paused is what was told of it last."""
    told = _rows().filter(kind__startswith=PAUSED, account=account).exclude(told_at=None)
    return _done(told.exists)


def forget_other(kind: str, account: str) -> None:
    """Forget what was told of ``account`` before it was told that it is paused, or goes on (``kind``)."""
    standing = Q(kind=RESUMED) | Q(kind__startswith=PAUSED)
    _done(lambda: _rows().filter(standing, account=account).exclude(kind=kind).delete())


def _claim(kind: str, account: str, *, interval: timedelta) -> Telling | None:
    now = _now()
    group, is_new = _rows().get_or_create(kind=kind, account=account, defaults={"told_at": now})
    if not is_new:
        if group.told_at and group.told_at > now - interval:
            return None
        if not _rows().filter(pk=group.pk, told_at=group.told_at).update(told_at=now):
            return None
    return Telling(key=group.pk, before=None if is_new else group.told_at, at=now)


def _turn(account: str) -> int:
    now = _now()
    group, is_new = _rows().get_or_create(kind=TURNS, account=account, defaults={"told_at": now, "waiting": 1})
    if is_new:
        return 1
    if group.told_at is None or group.told_at <= now - INTERVAL:
        _rows().filter(pk=group.pk, told_at=group.told_at).update(told_at=now, waiting=1)
        return 1
    _rows().filter(pk=group.pk).update(waiting=F("waiting") + 1)
    return group.waiting + 1


def _add(kind: str, account: str, number: int) -> None:
    if not _rows().filter(kind=kind, account=account).update(waiting=F("waiting") + number):
        group, is_new = _rows().get_or_create(kind=kind, account=account, defaults={"waiting": number})
        if not is_new:
            _rows().filter(pk=group.pk).update(waiting=F("waiting") + number)


def _take(group: AlertGroup, *, now: datetime) -> Telling | None:
    if not group.waiting or (group.told_at and group.told_at > now - INTERVAL):
        return None
    seen = _rows().filter(pk=group.pk, told_at=group.told_at, waiting__gte=group.waiting)
    if not seen.update(told_at=now, waiting=F("waiting") - group.waiting):
        return None
    return Telling(key=group.pk, number=group.waiting, before=group.told_at, at=now)


def _done(work: Callable[[], _T]) -> _T:
    database = router.db_for_write(AlertGroup)

    def apart() -> _T:
        with _savepoint(database):
            return work()

    return retried(apart, using=database)


def _savepoint(database: str) -> AbstractContextManager[object]:
    """Within somebody else's transaction, what fails here must not take it along."""
    return transaction.atomic(using=database) if connections[database].in_atomic_block else nullcontext()


def _now() -> datetime:
    return clock.now(using=router.db_for_write(AlertGroup))


def _rows() -> QuerySet[AlertGroup]:
    return AlertGroup.objects.using(router.db_for_write(AlertGroup))
