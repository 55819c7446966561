"""Taking leads by lease, so that any number of workers share them.

One short transaction, or one statement, sets a lease token and moves ``next_attempt_at`` past the time that the lead
may be in the claimer's hands. A claimer that crashes has to undo nothing: its leads simply become due again, and as
they still carry its lease, they are uncertain.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connections, router, transaction
from django.db.models import BooleanField, Case, F, Q, QuerySet, Value, When

from .. import clock
from ..clock import Reading, elapsed
from ..conf import conf
from ..models import UNCERTAIN_SECONDS, Lead
from ..transactions import retried

CALLS_PER_LEAD = 3
"""Times ``OCTANIST_TIMEOUT`` that a lead may take: a look-up, a try with the session, one without."""


@dataclass(frozen=True)
class Claim:
    """A lead in this process's hands until ``ends`` (on ``clock.elapsed()``), by the token ``lease`` in its row.

    ``reading`` is the database's time at the claim. ``probe``: it is sent to see whether a paused account works.
    """

    lead: Lead
    lease: uuid.UUID
    ends: float
    reading: Reading
    probe: bool = False

    def lasts(self, *, seconds: float) -> bool:
        """Whether the lease lasts for another ``seconds``."""
        return elapsed() + seconds < self.ends

    def now(self) -> datetime:
        """Return the database's time now."""
        return self.reading.now()


def lease_seconds(*, batch: int, senders: int) -> float:
    """Return how long a lease must last: the last lead of a batch waits for those before it, at their slowest.

    Before it are the rest of its batch, those that waited when it was claimed (fewer than ``senders`` and a batch),
    and those being sent.
    """
    rounds = math.ceil(2 * batch / max(senders, 1)) + 2
    return rounds * CALLS_PER_LEAD * conf.timeout + 10


def claim(account: str, *, limit: int, senders: int, probe: bool = False, oldest: bool = True) -> list[Claim]:
    """Take at most ``limit`` due leads of ``account`` for ``senders`` concurrent senders, oldest due first.

    Without ``oldest`` the lead with the fewest attempts comes first. Probes take turns at both, so that one lead
    which always fails cannot keep the account paused: a probe adds no attempt, but makes its lead the latest due.
    """
    database = router.db_for_write(Lead)
    order = ("next_attempt_at",) if oldest else ("attempts", "next_attempt_at")
    seconds = lease_seconds(batch=limit, senders=senders)

    reading, token, chosen = clock.read(using=database), uuid.uuid4(), set[int]()

    def take() -> list[Claim]:
        # Once more, the first time may have been committed, and only its acknowledgement lost: those leads are ours.
        if not chosen or not ours().exists():
            _mark(account, order=order, limit=limit, seconds=seconds, now=reading.at, token=token, chosen=chosen)
        taken = ours().order_by("pk") if chosen else ()
        return [Claim(lead, token, reading.read_at + seconds, reading, probe) for lead in taken]

    def ours() -> QuerySet[Lead]:
        return Lead.objects.using(database).filter(pk__in=chosen, lease=token)

    return retried(take, using=database)


def _mark(
    account: str,
    *,
    order: Sequence[str],
    limit: int,
    seconds: float,
    now: datetime,
    token: uuid.UUID,
    chosen: set[int],
) -> None:
    """Give due leads the lease ``token``; add the keys of those that it may have to ``chosen``."""
    database = router.db_for_write(Lead)
    due = Lead.objects.using(database).due(now=now).filter(account=account)
    locks = connections[database].features.has_select_for_update_skip_locked
    with _transaction(database, needed=locks):
        rows = due.order_by(*order)
        if locks:
            rows = rows.select_for_update(skip_locked=True)
        leases = dict(rows.values_list("pk", "lease")[:limit])
        chosen.update(leases)
        # The guard that holds on every database: what somebody else took meanwhile has another lease. Locked rows are
        # looked for by their keys alone: a planner whose statistics are of quieter times believes that few leads are
        # due, and would walk through all of them.
        if leases:
            guarded = Lead.objects.using(database).waiting() if locks else due
            guarded.filter(_as_seen(leases)).update(
                uncertain=Case(
                    When(lease__isnull=False, then=Value(True)), default=F("uncertain"), output_field=BooleanField()
                ),
                lease=token,
                # If nobody comes back, the lead is uncertain: not to be looked up right after the last moment to send.
                next_attempt_at=clock.after(now, timedelta(seconds=seconds + UNCERTAIN_SECONDS)),
            )


def _as_seen(leases: dict[int, uuid.UUID | None]) -> Q:
    """Rows, by key, that still have their lease of ``leases``: hardly ever any, else one that ran out."""
    stale = {key: lease for key, lease in leases.items() if lease}
    seen = Q(pk__in=leases.keys() - stale.keys(), lease=None)
    return seen | Q(pk__in=stale, lease__in=set(stale.values())) if stale else seen


def _transaction(database: str, *, needed: bool) -> AbstractContextManager[object]:
    """SQLite takes its write lock late in a transaction, and may then refuse at once: there, no transaction."""
    return transaction.atomic(using=database) if needed else nullcontext()
