"""One act on any number of leads: in batches, in the order of their keys, beside whatever workers do.

An act is a conditional update of its own: what a worker took meanwhile is left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import connections, router, transaction
from django.db.models import Max

from .delivery.transactions import retried
from .models import Lead, LeadQuerySet

BATCH = 500
"""Leads."""

Act = Callable[[LeadQuerySet], int]


def in_batches(
    leads: LeadQuerySet, act: Act, *, counts: Counter[str], beat: Callable[[], None] = lambda: None, after: int = 0
) -> None:
    """Do ``act`` to ``leads``, those that were there at the start, with keys above ``after``.

    ``act`` gets a batch and returns how many leads it touched. ``counts`` is kept as it goes: ``touched``, and ``left``
    for those that the act left alone. ``beat`` is called after each batch.
    """
    database = router.db_for_write(Lead)
    leads = leads.using(database).order_by("pk")
    last: int = leads.aggregate(last=Max("pk"))["last"] or 0
    while keys := list(leads.filter(pk__gt=after, pk__lte=last).values_list("pk", flat=True)[:BATCH]):
        batch = Lead.objects.using(database).filter(pk__in=keys)
        touched = retried(partial(act, batch), using=database)
        counts.update(touched=touched, left=len(keys) - touched)
        after = keys[-1]
        beat()


def replay(batch: LeadQuerySet) -> int:
    """Send again what may be."""
    return batch.replay()


def cancel(batch: LeadQuerySet) -> int:
    """Stop what is pending."""
    return batch.cancel()


def erase(batch: LeadQuerySet) -> int:
    """Remove what the leads say of a person."""
    return batch.erase()


def pruner(*, before: datetime) -> Act:
    """Return the act that deletes what was captured before the moment ``before`` and is finished, with its attempts."""

    def prune(batch: LeadQuerySet) -> int:
        database = batch.db
        with transaction.atomic(using=database):
            finished = batch.finished_before(before)
            if connections[database].features.has_select_for_update_skip_locked:
                # A lead that somebody sends again at this moment is not deleted behind their back.
                locked = finished.order_by("pk").select_for_update(skip_locked=True)
                finished = finished.filter(pk__in=list(locked.values_list("pk", flat=True)))
            _all, by_model = finished.delete()
        return by_model.get(Lead._meta.label, 0)

    return prune
