"""Database work that may collide with somebody else's: done again, in bounds. Never a send."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connections

from ..exceptions import is_about_data

_T = TypeVar("_T")

PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each further try, on average: enough for a deadlock or a lock of SQLite, not for an outage."""


def retried(work: Callable[[], _T], *, using: str) -> _T:
    """Do ``work``, a whole transaction on the database ``using``, again where it was refused for the moment.

    Deadlocks, serialisation failures, SQLite's "locked" and lost connections are all ``OperationalError``, and what is
    done on a connection that is lost already, ``InterfaceError``. Inside somebody else's transaction nothing can be
    done again: there, and after the last try, the error is raised.
    """
    connection = connections[using]
    for pause in PAUSES:
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or is_about_data(error):
                raise
            connection.close_if_unusable_or_obsolete()
        # Both sides of a deadlock come back: not at the same moment.
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
    return work()
