"""Which accounts catch up: where leads that waited are being sent, an old one among them is no sign of trouble."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.db import router
from django.db.models import Exists, OuterRef, Q, Subquery

from ..models import DeliveryAttempt, Lead

LATELY = timedelta(minutes=2)
"""Within it an account that catches up got an answer."""
OWN_ATTEMPTS = 5
"""Attempts with which a lead waits for reasons of its own, not for those before it. An outage costs it fewer."""
WAITS = timedelta(hours=1)
"""After which such a lead waits for too long, whatever else is delivered."""

_Outcome = DeliveryAttempt.Outcome
ANSWERED = (_Outcome.DELIVERED, _Outcome.FOUND, _Outcome.REJECTED, _Outcome.INVALID)


def catching_up(accounts: Collection[str], *, now: datetime, using: str | None = None) -> frozenset[str]:
    """Return those of ``accounts`` of whose leads Octanist took one just before ``now``, or after it.

    Not where the first of an account's leads has waited for more than an hour and was tried again and again. One query,
    each account's latest attempts and its first lead by their indexes; none without ``accounts``. Raises
    ``django.db.Error``.
    """
    if not accounts:
        return frozenset()
    database = using or router.db_for_read(Lead)
    attempts = DeliveryAttempt.objects.using(database)
    answered = attempts.filter(outcome__in=ANSWERED).order_by("-pk").values("pk")
    latest = [Q(pk=Subquery(answered.filter(account=account)[:1])) for account in accounts]
    leads = Lead.objects.using(database).order_by()
    # Of the first alone: to look through all that wait takes the longer, the more there are.
    waiting = leads.waiting().filter(account=OuterRef(OuterRef("account"))).order_by("pk").values("pk")
    stuck = leads.filter(pk=Subquery(waiting[:1]), attempts__gte=OWN_ATTEMPTS, created_at__lt=now - WAITS)
    found = attempts.filter(reduce(or_, latest), ~Exists(stuck), started_at__gte=now - LATELY).order_by()
    return frozenset(found.values_list("account", flat=True))
