"""What is done to a batch of leads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from django.db import connections, transaction

from ..models import BulkAction, Lead, LeadQuerySet

Act = Callable[[LeadQuerySet], int]
"""Does something to those of a batch that it may be done to, and returns how many these were."""

Kind = BulkAction.Kind


class Verb(NamedTuple):
    """What an operator can have done to leads: which of them ``may`` be touched, and the conditional update."""

    may: Callable[[LeadQuerySet], LeadQuerySet]
    act: Act


VERBS: dict[str, Verb] = {
    Kind.REPLAY: Verb(LeadQuerySet.replayable, LeadQuerySet.replay),
    Kind.CANCEL: Verb(LeadQuerySet.cancellable, LeadQuerySet.cancel),
    Kind.ERASE: Verb(LeadQuerySet.erasable, LeadQuerySet.erase),
}


def touch(leads: LeadQuerySet, kind: str) -> list[Lead]:
    """Do what ``kind`` (a ``BulkAction.Kind``) says to those of ``leads`` that may be; return exactly these.

    Of the leads returned, only the key, the account and the form are read. A row that somebody else holds at this
    moment is in their hands, and left alone. One transaction: to be done again as a whole.
    """
    verb = VERBS[kind]
    with transaction.atomic(using=leads.db):
        chosen = verb.may(leads).order_by("pk")
        if connections[leads.db].features.has_select_for_update_skip_locked:
            chosen = chosen.select_for_update(skip_locked=True)
        touched = list(chosen.only("account", "form"))
        verb.act(Lead.objects.using(leads.db).filter(pk__in=[lead.pk for lead in touched]))
    return touched


def replay(batch: LeadQuerySet) -> int:
    """Send again what may be."""
    return batch.replay()


def replayer(accounts: set[str]) -> Act:
    """Return the act that sends again what may be, and adds the accounts of these leads to ``accounts``."""

    def replay(batch: LeadQuerySet) -> int:
        touched = touch(batch, Kind.REPLAY)
        accounts.update(lead.account for lead in touched)
        return len(touched)

    return replay


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
