"""Delivering for as long as a process lives: drain, wait for a nudge or until something is due, drain."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import suppress

from django.db import Error as DatabaseError
from django.db import connections

from ..exceptions import describe
from .due import seconds_until_due
from .engine import Engine

logger = logging.getLogger("django_octanist")

LONGEST_WAIT = 60.0
"""Seconds after which a process looks for leads that nobody nudged it for."""
SHORTEST_WAIT = 1.0
WAIT_AFTER_ERROR = 5.0
SETTLE_TRIES = 5
SETTLE_SECONDS = 1.0
"""Between two tries to write, at the end, what was sent while the database did not take it."""


def run(engine: Engine, *, wake: threading.Event, finish: threading.Event) -> None:
    """Deliver until ``finish`` is set (what is due then is still delivered) or ``engine.stop`` (nothing more begins).

    ``wake`` is the nudge. Both ends must set it too. Whatever goes wrong in a round is logged and outlived.
    """
    while True:
        # In this order: an end that comes in between is seen now, or wakes what follows.
        wake.clear()
        finishing = finish.is_set()
        wait = _drain(engine)
        if finishing or engine.stop.is_set():
            settle(engine)
            return
        # Spread out, so that many processes do not look at the same moment.
        wake.wait(wait * random.uniform(0.9, 1.1))  # noqa: S311


def run_once(engine: Engine) -> None:
    """Deliver what is due now. Raises what the database or ``engine.beat`` raises, after what was sent is settled."""
    try:
        engine.drain()
    except Exception:
        settle(engine)
        raise


def _drain(engine: Engine) -> float:
    """Deliver what is due; return the seconds to wait. The database connection is not kept meanwhile."""
    try:
        engine.drain()
        due = seconds_until_due()
    except Exception as error:  # noqa: BLE001 - a thread that ended, or a worker, would deliver nothing more
        logger.error("Octanist: deliveries wait: %s", describe(error))
        due = WAIT_AFTER_ERROR
    finally:
        connections.close_all()
    return LONGEST_WAIT if due is None else min(max(due, SHORTEST_WAIT), LONGEST_WAIT)


def settle(engine: Engine) -> None:
    """Write, in bounds, what came of leads in flight. What cannot be written is asked for at Octanist later."""
    engine.stop.set()
    for _try in range(SETTLE_TRIES):
        if not engine.under_way:
            return
        time.sleep(SETTLE_SECONDS)
        with suppress(DatabaseError):
            engine.drain()
    if engine.under_way:
        logger.error("Octanist: the outcome of %d leads could not be written: they are uncertain.", engine.under_way)
