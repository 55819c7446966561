"""The row: written once for what is the same submission, and again where the database refused for the moment."""

from __future__ import annotations

import copy
import json
import logging
import re
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, IntegrityError, connections, router, transaction
from django.db.models import F, Q
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from .. import clock, dispatch, signals
from ..conf import SETTINGS, conf
from ..exceptions import describe
from ..models import DUPLICATE_CODE, Lead
from ..text import clean_text
from ..transactions import retried
from ..vocabulary import CONTACT
from .lenient import safely

logger = logging.getLogger("django_octanist")


HELD_SECONDS = 10
"""Seconds after which a lead is due that was held for its form, where nobody came back to say so."""


def store(lead: Lead, *, request: HttpRequest | None, held: bool = False) -> Lead | None:
    """Write the unsaved ``lead`` and have it delivered, or return the one that is the same submission.

    One that is ``held`` is not due before it is released, or :data:`HELD_SECONDS` have passed.
    """
    if not (lead.name or lead.email or lead.phone or lead.custom):
        logger.warning(
            "Octanist: nothing was captured of the form %r: it has no name, email, phone or custom field"
            " (map them with octanist_fields).",
            lead.form,
        )
        return None
    database = router.db_for_write(Lead)
    # A connection may be lost since it was used last, and SQLite locked. Not for long: a visitor waits.
    return retried(lambda: _write(lead, request=request, held=held, database=database), using=database, times=1)


def _write(lead: Lead, *, request: HttpRequest | None, held: bool, database: str) -> Lead:
    lead.pk = None
    with transaction.atomic(using=database):
        lead.created_at = lead.next_attempt_at = clock.now(using=database)
        if held:
            lead.next_attempt_at = clock.after(lead.created_at, timedelta(seconds=HELD_SECONDS))
        stored, is_new = _insert(lead, database=database)
        if stored.submission_id == lead.submission_id and not held:
            transaction.on_commit(lambda: dispatch.nudge(stored.account), using=database, robust=True)
        if is_new and signals.lead_captured.has_listeners(Lead):
            _announce(stored, request=request, database=database)
    return stored


def complete(lead: Lead, *, by: Lead) -> Lead:
    """Give ``lead`` what it lacks and ``by``, an unsaved lead of the same submission, has. Return it.

    Nothing is changed once a worker has taken it. Where the same was sent twice, and the second time came through
    first, its lead is returned, and this one cancelled.
    """
    more = lacking(lead, by=by)
    if not more:
        return lead
    database = router.db_for_write(Lead)
    untaken = Lead.objects.using(database).waiting().filter(pk=lead.pk, lease=None, attempts=0)
    with transaction.atomic(using=database):
        # Written first, which locks it: see `store_beside`.
        if not untaken.update(**more):
            return lead
        other = _overtaker(whole(lead, by=by), database=database)
        if other is not None:
            untaken.update(**_overtaken(other))
            return other
    lead.refresh_from_db(using=database)
    return lead


def store_beside(twin: Lead, lead: Lead, *, request: HttpRequest | None) -> Lead | None:
    """Write the unsaved ``lead``, as :func:`store` does, unless ``twin`` says the same by now: then return that."""
    database = router.db_for_write(Lead)

    def write() -> Lead | None:
        row = Lead.objects.using(database).filter(pk=twin.pk)
        with transaction.atomic(using=database):
            # A lock that every database has. Of two requests that send the same, one completes the twin before this
            # looks at it, or finds what this has stored.
            row.update(submission_id=F("submission_id"))
            now = row.first()
            return now if now is not None and _said(now) == _said(lead) else store(lead, request=request)

    return retried(write, using=database, times=1)


def lacking(lead: Lead, *, by: Lead) -> dict[str, Any]:
    """Return the columns of what ``lead`` lacks and ``by``, an unsaved lead of the same submission, has.

    Where both have a contact, the one of ``by`` goes into ``custom``, and its note behind the other's. Of custom fields
    with the same name that of ``lead`` counts: the same answer, which it may render in other words.
    """
    more = {name: getattr(by, name) for name in CONTACT if getattr(by, name) and not getattr(lead, name)}
    if by.note not in lead.note:
        more["note"] = clean_text("\n\n".join(filter(None, [lead.note, by.note])))
    if by.session_id and not lead.session_id:
        more |= {name: getattr(by, name) for name in _OF_A_VISIT}
    if isinstance(by.custom, dict) and isinstance(lead.custom, dict):
        others = {name: getattr(by, name) for name in CONTACT if _is_another(name, lead=lead, by=by)} | by.custom
        if others.keys() - lead.custom.keys():
            more["custom"] = {**others, **lead.custom}
    return {name: value for name, value in more.items() if value != getattr(lead, name)}


def _is_another(name: str, *, lead: Lead, by: Lead) -> bool:
    """Whether both have a contact ``name``, and not the same: however it is spelt."""
    mine, other = (_LETTERS.sub("", getattr(each, name)).casefold() for each in (lead, by))
    return bool(mine and other) and mine != other


def whole(lead: Lead, *, by: Lead) -> Lead:
    """Return a copy of ``lead`` that has what it lacks of ``by``. Nothing is stored."""
    made = copy.copy(lead)
    for name, value in lacking(lead, by=by).items():
        setattr(made, name, value)
    return made


def _overtaker(lead: Lead, *, database: str) -> Lead | None:
    """The lead that was stored of the same submission as ``lead``, while that lacked what only its form knew."""
    seconds = safely(lambda: conf.dedupe_seconds, otherwise=SETTINGS["OCTANIST_DEDUPE_SECONDS"].default)
    lead.dedupe_key = dedupe_key(lead) if seconds else None
    found = _twin(lead, seconds=seconds, database=database) if lead.dedupe_key else None
    return found if found is not None and found.pk != lead.pk else None


def _overtaken(other: Lead) -> dict[str, Any]:
    return {
        "status": Lead.Status.CANCELLED,
        "next_attempt_at": None,
        "dedupe_key": None,
        "error_code": DUPLICATE_CODE,
        "error": f"The same was sent twice: lead {other.pk} stands for it.",
    }


_LETTERS = re.compile(r"[^\w@.+]")
_OF_A_VISIT = ("session_id", "linked", "attribution", "source", "consent", "sources")


def _announce(lead: Lead, *, request: HttpRequest | None, database: str) -> None:
    """Send ``lead_captured``. A receiver whose query fails must not take the lead's own savepoint with it."""
    try:
        with transaction.atomic(using=database):
            signals.send(signals.lead_captured, sender=Lead, lead=lead, request=request)
    except DatabaseError as error:
        logger.error("Octanist: what a receiver of lead_captured wrote is undone: %s", describe(error))


def _insert(lead: Lead, *, database: str) -> tuple[Lead, bool]:
    """Insert ``lead``, or return the one that an identical submission made a moment ago."""
    seconds = safely(lambda: conf.dedupe_seconds, otherwise=SETTINGS["OCTANIST_DEDUPE_SECONDS"].default)
    lead.dedupe_key = dedupe_key(lead) if seconds else None
    if lead.dedupe_key:
        twin = _twin(lead, seconds=seconds, database=database)
        if twin is not None:
            return twin, False
    try:
        with transaction.atomic(using=database):
            lead.save(using=database, force_insert=True)
    except IntegrityError:
        # The same submission came in through another process at the same moment; or this one was stored, and the
        # connection lost before the database could say so.
        same = Q(submission_id=lead.submission_id)
        same |= Q(dedupe_key=lead.dedupe_key) if lead.dedupe_key else Q()
        twin = Lead.objects.using(database).select_for_update().filter(same).first()
        if twin is None:
            raise
        return twin, False
    return lead, True


def _twin(lead: Lead, *, seconds: int, database: str) -> Lead | None:
    """The identical lead within ``OCTANIST_DEDUPE_SECONDS``; an older one gives up its key."""
    twins = Lead.objects.using(database).filter(dedupe_key=lead.dedupe_key)
    old = lead.created_at - timedelta(seconds=seconds)
    if connections[database].vendor == "sqlite":
        # Written first and read then: SQLite refuses at once to turn a transaction that has read into one that writes,
        # where somebody else writes too, but waits its turn for one that begins with writing.
        twins.filter(created_at__lte=old).update(dedupe_key=None)
        return twins.first()
    # Elsewhere read first: MySQL would lock the gap where a key would be that is not there, and two visitors' forms
    # would wait for each other.
    twin = twins.first()
    if twin is not None and twin.created_at <= old:
        twins.filter(pk=twin.pk).update(dedupe_key=None)
        return None
    return twin


def dedupe_key(lead: Lead) -> str | None:
    """Return what identical submissions share, or ``None`` where nothing tells one visitor from another.

    A keyed hash: the content cannot be guessed from it.
    """
    if not (lead.name or lead.email or lead.phone or lead.session_id):
        return None
    content = _said(lead, lead.account, lead.form)
    return salted_hmac("django_octanist.capture", content, algorithm="sha256").hexdigest()


def _said(lead: Lead, *of: str) -> str:
    """What the visitor said in ``lead``, as text, after the names of what it was said in."""
    said = [*of, lead.name, lead.email, lead.phone, lead.note, lead.custom, lead.session_id]
    return json.dumps(said, sort_keys=True, ensure_ascii=True)
