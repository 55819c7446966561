"""A turn: one bounded stretch of delivering, for whoever runs tasks: Django's, Celery's, a queue of your own.

A turn that finds nothing due costs a query or two for each account. One that put a lead off, or has more to do than
its time allows, asks to come back; at most once, so that any number of turns leave no more than they were. One that
finds work has another look arranged beforehand, lest it be killed with leads in its hands.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from django.db import Error as DatabaseError

from .. import alerts
from ..clock import elapsed
from ..conf import conf
from ..delivery import Engine
from ..delivery.claims import lease_seconds
from ..delivery.due import seconds_until_due
from ..delivery.loop import settle
from ..exceptions import describe
from ..models import UNCERTAIN_SECONDS, Lead

logger = logging.getLogger("django_octanist")

TURN_SECONDS = 30.0
"""After these no lead is begun: the worker has other tasks too, and queues end a task that lasts for minutes."""
BETWEEN_LOOKS = 60.0
"""Seconds: one process arranges no more than one look at what it might leave behind within them."""

ComeBack = Callable[[float], None]

_look_at = 0.0
"""When (``clock.elapsed()``) somebody looks at what this process might have left."""
_told_at = 0.0
"""When somebody comes to tell of leads that were lost here."""
_this_thread = threading.local()


def take_turn(come_back: ComeBack) -> None:
    """Deliver what is due, of all accounts, for at most :data:`TURN_SECONDS` and the requests in flight.

    ``come_back(seconds)`` has to see to it that another turn is taken after so many seconds (0: as soon as may be).
    A queue that cannot wait does nothing for more than 0. It is called three times at most, and may raise.

    Raises :class:`~django_octanist.exceptions.OctanistConfigurationError` on a bad setting. Errors of the database are
    logged: their texts may quote what people wrote, and queues store and show what a task raises.
    """
    if getattr(_this_thread, "takes_turn", False):
        return  # A queue that runs at once what it is given: the turn under way delivers.
    _this_thread.takes_turn = True
    try:
        _take_turn(come_back)
    except DatabaseError as error:
        logger.error("Octanist: deliveries wait: %s", describe(error))
        _have_a_look_later(come_back)
    finally:
        _this_thread.takes_turn = False
        # Some queues end a process with its task.
        alerts.finish()


def _take_turn(come_back: ComeBack) -> None:
    due = seconds_until_due()
    if due is None or due > 0:
        alerts.look()
        return
    _have_a_look_later(come_back)
    with Engine(senders=conf.concurrency) as engine:
        _drain(engine)
    due = seconds_until_due()
    # Who has only delivered leaves the rest to those who put it off.
    if due is not None and (engine.stop.is_set() or engine.counts[Lead.Status.PENDING]):
        _ask(come_back, due)
    if engine.counts[Lead.Status.FAILED] or engine.counts[Lead.Status.INVALID]:
        _tell_later(come_back)


def _tell_later(come_back: ComeBack) -> None:
    """Ask for a turn that tells of the leads that may not be told yet: until then, nothing else may happen."""
    global _told_at
    seconds = alerts.seconds_until_told()
    if seconds is not None and elapsed() + seconds > _told_at:
        _told_at = elapsed() + seconds + BETWEEN_LOOKS
        _ask(come_back, seconds)


def _drain(engine: Engine) -> None:
    ends = elapsed() + TURN_SECONDS

    def beat() -> None:
        if elapsed() >= ends:
            engine.stop.set()

    engine.beat = beat
    try:
        engine.drain()
    except Exception:  # the site's queue may end a task by one
        settle(engine)
        raise


def _have_a_look_later(come_back: ComeBack) -> None:
    """Ask for a turn at a time when every lease of this one has run out."""
    global _look_at
    leases_end = TURN_SECONDS + lease_seconds(batch=conf.batch_size, senders=conf.concurrency) + UNCERTAIN_SECONDS
    if elapsed() + leases_end > _look_at:
        _look_at = elapsed() + leases_end + BETWEEN_LOOKS
        _ask(come_back, leases_end + BETWEEN_LOOKS)


def _ask(come_back: ComeBack, seconds: float) -> None:
    try:
        # Queues that keep whole seconds cut the rest off, and would come too early.
        come_back(math.ceil(seconds) + 1 if seconds > 0 else 0)
    except Exception as error:  # noqa: BLE001 - whatever the site's queue raises; delivering goes on
        logger.error("Octanist: nobody comes back for what is put off before the next nudge: %s", describe(error))
