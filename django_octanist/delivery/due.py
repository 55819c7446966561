"""What to send next, and when: leads that are due, or the one that probes a paused account."""

from __future__ import annotations

from datetime import datetime

from django.db import router

from .. import clock
from ..conf import conf
from ..models import Lead
from . import pauses
from .claims import Claim, claim, lease_seconds


def claim_for(account: str, *, limit: int, senders: int) -> list[Claim]:
    """Claim leads of ``account``: one as the probe where it is paused and its time has come, none before.

    Raises ``OctanistConfigurationError`` for whatever setting its delivery would need.
    """
    # Read only afterwards, a wrong one would cost the lead an attempt, or leave what was sent unrecorded.
    _needed = conf.api_url, conf.max_attempts, conf.when_uncertain
    row = pauses.of(account)
    if row is None and pauses.is_refused_here(account):
        return []
    if row is None:
        return claim(account, limit=limit, senders=senders)
    database = router.db_for_write(Lead)
    now = clock.now(using=database)
    if pauses.probe_moment(row, now=now) > now:
        return []
    if not Lead.objects.using(database).due(now=now).filter(account=account).exists():
        return []
    if not pauses.take_probe(row, now=now, seconds=lease_seconds(batch=1, senders=1)):
        return []
    return claim(account, limit=1, senders=1, probe=True, oldest=bool(row.failures % 2))


def count_due() -> int:
    """Return how many leads are due now, of accounts that have a key."""
    database = router.db_for_write(Lead)
    accounts = [account for account in conf.accounts if conf.api_key(account)]
    return Lead.objects.using(database).due(now=clock.now(using=database)).filter(account__in=accounts).count()


def seconds_until_due() -> float | None:
    """Return the seconds until a lead may be sent (0 or less: now), or ``None`` where none waits for a time."""
    now = clock.now(using=router.db_for_write(Lead))
    moments = [_next_moment(account, now=now) for account in conf.accounts if conf.api_key(account)]
    return min(((moment - now).total_seconds() for moment in moments if moment), default=None)


def _next_moment(account: str, *, now: datetime) -> datetime | None:
    waiting = Lead.objects.using(router.db_for_write(Lead)).waiting()
    waiting = waiting.filter(account=account, next_attempt_at__isnull=False)
    first = waiting.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
    row = pauses.of(account) if first else None
    return max(first, pauses.probe_moment(row, now=now)) if first and row else first
