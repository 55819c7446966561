"""Running a ``BulkAction``: in a thread of this process, batch by batch.

The row is the truth. Each batch is written down in the transaction that does it, on the condition that the row still
shows this runner's last sign of life: whoever took the action over, or stopped it, wins, and the batch is undone.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connections, router, transaction
from django.db.models import QuerySet

from .. import clock, dispatch, figures
from ..clock import elapsed
from ..exceptions import describe
from ..models import BulkAction, Lead, LeadQuerySet
from ..transactions import retried
from .acts import Kind, touch
from .batches import batches, last_key

logger = logging.getLogger("django_octanist")

LOST_SECONDS = 60.0
"""Without a sign of life for so long, a running action has lost its process (a deploy, a crash)."""
EXIT_SECONDS = 5.0
"""That the end of the interpreter waits for batches under way."""

State = BulkAction.State
Ended = Callable[[BulkAction], None]
"""Called with the row when an action has finished, or stopped by an error."""


class _NotOursError(Exception):
    """Somebody stopped the action, or took it over."""


def begin(kind: str, *, user_key: str, query: str, total: int, last: int | None = None) -> BulkAction:
    """Store a new action on the leads up to the key ``last`` (default: that there are now).

    ``total`` 0: not counted yet.
    """
    now, last = clock.now(using=_database()), last_key() if last is None else last
    return BulkAction.objects.using(_database()).create(
        kind=kind, user_key=user_key, query=query, total=total, last=last, started_at=now, beat_at=now
    )


def start(action: BulkAction, leads: LeadQuerySet, *, ended: Ended) -> None:
    """Do ``action`` to ``leads`` in a thread of its own. Never raises: what goes wrong stands in the row."""
    run = Run(action, leads, ended=ended)
    thread = threading.Thread(target=run, name="octanist-bulk", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        # No more threads.
        run.fail(error)
        return
    _threads[:] = [*filter(threading.Thread.is_alive, _threads), thread]


def take_over(key: int) -> BulkAction | None:
    """Return the action, now in the caller's hands, where it has lost its process. Of many who ask, one gets it."""
    now = clock.now(using=_database())
    lost = _running(key).filter(beat_at__lte=now - timedelta(seconds=LOST_SECONDS))
    return BulkAction.objects.using(_database()).get(pk=key) if lost.update(beat_at=now) else None


def stop(key: int) -> bool:
    """Stop the action, at the latest after the batch under way. Return whether it was running."""
    return bool(_running(key).update(**_at_end(State.STOPPED)))


def is_lost(action: BulkAction) -> bool:
    """Whether ``action`` runs by its row, and nobody has shown a sign of life lately."""
    lately = clock.now(using=_database()) - timedelta(seconds=LOST_SECONDS)
    return action.state == State.RUNNING and action.beat_at <= lately


class Run:
    """One runner's work at ``action``, on those of ``leads`` that it has not come to yet."""

    def __init__(self, action: BulkAction, leads: LeadQuerySet, *, ended: Ended) -> None:
        self.action, self._leads, self._ended = action, leads.using(_database()), ended

    def __call__(self) -> None:
        try:
            self._work()
        except _NotOursError:
            logger.info("Octanist: %s was stopped, or taken over.", self.action)
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            self.fail(error)
        finally:
            connections.close_all()

    def fail(self, error: Exception) -> None:
        """Write that the action stopped, and why. Never raises: without a sign of life, its page says so, too."""
        logger.error("Octanist: %s stopped: %s", self.action, describe(error))
        try:
            self._end(State.STOPPED, error=describe(error))
        except Exception as another:  # noqa: BLE001 - likewise
            logger.error("Octanist: that %s stopped could not be written: %s", self.action, describe(another))

    def _work(self) -> None:
        if not self.action.total:
            leads = self._leads.order_by().filter(pk__lte=self.action.last)
            self._write(lambda: {"total": leads.count()})
        for keys in batches(self._leads, after=self.action.after, last=self.action.last):
            if _exits.is_set():
                return
            touched = self._do(keys)
            for account in sorted({lead.account for lead in touched}) if self.action.kind == Kind.REPLAY else ():
                dispatch.nudge(account)
        self._end(State.FINISHED)

    def _do(self, keys: list[int]) -> list[Lead]:
        batch = Lead.objects.using(_database()).filter(pk__in=keys)
        touched: list[Lead] = []

        def counts() -> dict[str, int]:
            touched[:] = touch(batch, self.action.kind)
            done, left = self.action.touched + len(touched), self.action.left + len(keys) - len(touched)
            return {"touched": done, "left": left, "after": keys[-1]}

        self._write(counts)
        return touched

    def _write(self, work: Callable[[], dict[str, int]]) -> None:
        """Do ``work`` and write what it returns into the row, with a sign of life: both, or nothing."""
        now = clock.now(using=_database())

        def written() -> dict[str, int]:
            with transaction.atomic(using=_database()):
                fields = work()
                if not self._row().update(beat_at=now, **fields):
                    raise _NotOursError
            return fields

        for name, value in {**retried(written, using=_database()), "beat_at": now}.items():
            setattr(self.action, name, value)

    def _end(self, state: str, *, error: str = "") -> None:
        fields = _at_end(state, error=error)
        if retried(lambda: self._row().update(**fields), using=_database()):
            figures.forget()
            self.action.refresh_from_db(using=_database())
            self._ended(self.action)

    def _row(self) -> QuerySet[BulkAction]:
        return _running(self.action.pk).filter(beat_at=self.action.beat_at)


def _running(key: int) -> QuerySet[BulkAction]:
    return BulkAction.objects.using(_database()).filter(pk=key, state=State.RUNNING)


def _at_end(state: str, *, error: str = "") -> dict[str, Any]:
    # The filter may hold what somebody searched for.
    return {"state": state, "error": error, "query": "", "finished_at": clock.now(using=_database())}


def _database() -> str:
    return router.db_for_write(Lead)


_threads: list[threading.Thread] = []
_exits = threading.Event()


def _exit() -> None:
    """Let batches under way come to their end. What remains is taken over by whoever looks at the action's page."""
    _exits.set()
    ends = elapsed() + EXIT_SECONDS
    for thread in _threads:
        thread.join(max(ends - elapsed(), 0))


def _forget() -> None:
    """After a fork: the parent's threads are not the child's."""
    global _exits
    _exits = threading.Event()
    _threads.clear()


atexit.register(_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
