"""An account that pauses and goes on: the last e-mail on it is true, and one that flaps does not flood.

What is told is remembered until the opposite is told. Beyond :data:`MOST` e-mails an hour nothing is, and after it how
the account stands then.
"""

from __future__ import annotations

from datetime import datetime

from ..models import AlertGroup
from . import groups
from .groups import INTERVAL, TURNS, Telling

MOST = 6
"""E-mails an hour on one account that pauses and goes on."""


def take(kind: str, account: str) -> Telling | None:
    """Return what lets this process tell ``kind`` of ``account`` now, or ``None`` where it is known, or too much."""
    telling = groups.claim(kind, account)
    if telling is None:
        return None
    if groups.turn(account) > MOST:
        groups.give_back(telling)
        return None
    groups.forget_other(kind, account)
    return telling


def withheld(turns: list[AlertGroup], *, now: datetime) -> list[str]:
    """Forget those of ``turns`` whose hour is over; return the accounts of which this process must tell yet."""
    over = [group for group in turns if group.told_at is None or group.told_at <= now - INTERVAL]
    return [group.account for group in over if groups.end([group], now=now) and group.waiting > MOST]


def of(unsettled: list[AlertGroup]) -> list[AlertGroup]:
    """Return those of ``unsettled`` groups that count such e-mails."""
    return [group for group in unsettled if group.kind == TURNS]
