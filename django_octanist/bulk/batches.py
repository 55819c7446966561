"""Leads in batches, in the order of their keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from django.db import router
from django.db.models import Max

from ..models import Lead, LeadQuerySet
from ..transactions import retried
from .acts import Act

BATCH = 500
"""Leads."""


def last_key() -> int:
    """Return the key of the latest lead, whatever it is: one look at the end of an index. Without leads, 0."""
    return Lead.objects.using(router.db_for_write(Lead)).aggregate(last=Max("pk"))["last"] or 0


def batches(leads: LeadQuerySet, *, after: int = 0, last: int | None = None) -> Iterator[list[int]]:
    """Yield the keys of ``leads`` above ``after``, up to ``last`` (without it: those that are there now), in order.

    Each batch is read when it is asked for: what has left ``leads`` meanwhile is passed by.
    """
    database = router.db_for_write(Lead)
    leads = leads.using(database).order_by("pk")
    last = last_key() if last is None else last

    def batch() -> list[int]:
        return list(leads.filter(pk__gt=after, pk__lte=last).values_list("pk", flat=True)[:BATCH])

    while keys := retried(batch, using=database):
        yield keys
        after = keys[-1]


def in_batches(
    leads: LeadQuerySet, act: Act, *, counts: Counter[str], beat: Callable[[], None] = lambda: None, after: int = 0
) -> None:
    """Do ``act`` to ``leads``, those that were there at the start, with keys above ``after``.

    ``act`` gets a batch and returns how many leads it touched. ``counts`` is kept as it goes: ``touched``, and ``left``
    for those that the act left alone. ``beat`` is called after each batch.
    """
    database = router.db_for_write(Lead)
    for keys in batches(leads, after=after):
        touched = retried(partial(act, Lead.objects.using(database).filter(pk__in=keys)), using=database)
        counts.update(touched=touched, left=len(keys) - touched)
        beat()
