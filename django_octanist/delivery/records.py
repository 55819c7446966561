"""Writing what became of leads: one ``update`` an outcome, guarded by the lease, and the attempts in one go."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import DatabaseError, connections, router, transaction
from django.db.models.expressions import RawSQL

from .. import alerts, signals
from ..attribution import REFUSED, source_word
from ..conf import conf
from ..exceptions import describe, is_about_data
from ..models import DeliveryAttempt, Lead
from ..transactions import retried
from ..vocabulary import SESSION_ID
from . import pauses
from .claims import Claim
from .decisions import Attempt, Change, Outcome, Result, decide

logger = logging.getLogger("django_octanist")

LOST = (Lead.Status.FAILED, Lead.Status.INVALID)
OWN = ("octanist_id", "request_id")
"""Columns in which leads of the same outcome differ, written by ``CASE``."""


class Finished(NamedTuple):
    """A claim that is settled, and how."""

    claim: Claim
    result: Result


class Written(NamedTuple):
    """What became of a claim, as it stands in the database."""

    claim: Claim
    result: Result
    change: Change


class _FencedError(Exception):
    """Some lead of a group is not ours any more."""


def record(finished: Sequence[Finished]) -> set[str]:
    """Write the results in one short transaction, then tell: log, signals, alerts, pauses. Return the accounts paused.

    A result whose lease is not the row's any more is dropped: somebody else has the lead. What was written stands in
    the claims' leads, too. Raises ``django.db.Error`` where the database takes nothing now.
    """
    # One moment for all: leads of the same outcome then change alike.
    now = finished[0].claim.now()
    written = _write_all([Written(*item, _change(item, now=now)) for item in finished])
    for item in written:
        _tell(item)
    alerts.leads_lost([item.claim.lead for item in written if item.claim.lead.status in LOST])
    # Pauses need the database, which may fail now: they come last, and are made up for by the next answer.
    return pauses.follow(written)


def _write_all(items: list[Written]) -> list[Written]:
    database = router.db_for_write(Lead)
    try:
        return retried(lambda: _write(items, database=database), using=database)
    except _FencedError:
        return retried(lambda: _write(items, database=database, singly=True), using=database)
    except DatabaseError as error:
        # Of what is wrong with one result, the others must not suffer. What is wrong with the database concerns all.
        if not is_about_data(error) or connections[database].in_atomic_block:
            raise
    return [written for item in items for written in _write_alone(item, database=database)]


def _write_alone(item: Written, *, database: str) -> list[Written]:
    """Write one result; where the database refuses it for what it is, leave the lead to its lease."""
    try:
        return retried(lambda: _write([item], database=database, singly=True), using=database)
    except DatabaseError as error:
        if not is_about_data(error):
            raise
        logger.error("Octanist: the outcome of %s could not be written: %s", item.claim.lead, describe(error))
        return []


def _write(items: Iterable[Written], *, database: str, singly: bool = False) -> list[Written]:
    written: list[Written] = []
    with transaction.atomic(using=database):
        for group in _groups(items, singly=singly):
            rows = _update(group, database=database)
            if rows == len(group):
                written += group
            elif not singly:
                raise _FencedError
        DeliveryAttempt.objects.using(database).bulk_create(
            DeliveryAttempt(lead_id=item.claim.lead.pk, account=item.claim.lead.account, **vars(attempt))
            for item in written
            for attempt in item.result.attempts
        )
    return written


def _groups(items: Iterable[Written], *, singly: bool) -> Iterable[list[Written]]:
    """Results of the same lease that change the same columns to the same values, but for :data:`OWN`."""
    groups: dict[Any, list[Written]] = {}
    for item in items:
        shared = [(name, repr(value)) for name, value in item.change.fields.items() if name not in OWN]
        key = item.claim.lead.pk if singly else (item.claim.lease, *shared)
        groups.setdefault(key, []).append(item)
    # Always in the same order, so that two recorders do not lock each other's rows crosswise.
    return sorted(groups.values(), key=lambda group: group[0].claim.lead.pk)


def _update(group: list[Written], *, database: str) -> int:
    """Write a group in one statement; return how many rows still carried the lease."""
    fields = dict(group[0].change.fields)
    if len(group) > 1:
        for name in OWN:
            if name in fields:
                fields[name] = _by_key({item.claim.lead.pk: item.change.fields[name] for item in group})
    keys = [item.claim.lead.pk for item in group]
    rows = Lead.objects.using(database).filter(pk__in=keys, lease=group[0].claim.lease)
    return rows.update(**fields)


def _by_key(texts: dict[int, str]) -> RawSQL:
    """Each row's own text. In SQL, since Django takes longer over a hundred ``When`` than the database."""
    whens = " ".join(["WHEN %s THEN %s"] * len(texts))
    return RawSQL(f"CASE id {whens} END", [part for pair in texts.items() for part in pair])  # noqa: S611 - no values


def _change(item: Finished, *, now: datetime) -> Change:
    change = decide(
        item.result,
        attempts=item.claim.lead.attempts,
        uncertain=item.claim.lead.uncertain,
        now=now,
        max_attempts=conf.max_attempts,
        chance=random.random(),  # noqa: S311 - jitter
        probe=item.claim.probe,
    )
    lead, outcomes = item.claim.lead, [attempt.outcome for attempt in item.result.attempts]
    if outcomes == [Outcome.SESSION_REFUSED, Outcome.DELIVERED] or (outcomes == [Outcome.FOUND] and _is_bare(lead)):
        # It was the session that Octanist refused: the lead is not linked to it.
        change.fields.update(
            session_id="",
            linked=Lead.Linked.REFUSED,
            sources={**lead.sources, SESSION_ID: f"{REFUSED}: by Octanist"},
            source=source_word(lead.attribution, linked=False),
        )
    return change


def _is_bare(lead: Lead) -> bool:
    """Whether Octanist can have ``lead`` only without its session, by the last time that this went along."""
    if not lead.session_id:
        return False
    tried = DeliveryAttempt.objects.using(router.db_for_write(Lead)).filter(lead=lead, with_session=True)
    last = tried.order_by("-pk").values_list("outcome", flat=True).first()
    return last == Outcome.SESSION_REFUSED


def _tell(item: Written) -> None:
    lead = item.claim.lead
    for name, value in item.change.fields.items():
        setattr(lead, name, value)
    if lead.status == Lead.Status.DELIVERED:
        logger.info("Octanist: %s is delivered.", lead)
        signals.send(signals.lead_delivered, sender=Lead, lead=lead)
    elif lead.status in LOST:
        logger.error("Octanist: %s is %s (%s).", lead, lead.status, lead.error_code or "no code")
        signals.send(signals.lead_failed, sender=Lead, lead=lead)
    elif item.result.attempts:
        _log_waiting(lead, item.result.attempts[-1])


def _log_waiting(lead: Lead, last: Attempt) -> None:
    if lead.status == Lead.Status.REJECTED:
        logger.info("Octanist: %s is rejected by the organisation's rules.", lead)
        return
    answer = f"HTTP {last.http_status}" if last.http_status else "no answer"
    moment = lead.next_attempt_at.isoformat(timespec="seconds") if lead.next_attempt_at else "-"
    logger.warning("Octanist: %s waits: %s (%s); due at %s.", lead, last.outcome.value, answer, moment)
