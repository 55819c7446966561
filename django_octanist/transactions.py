"""Database work beside somebody else's: done again where the two collide, and apart from an open transaction."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from django.db import Error, InterfaceError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .exceptions import describe, is_about_data

logger = logging.getLogger("django_octanist")

_T = TypeVar("_T")

PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each further try, on average: enough for a deadlock or a lock of SQLite, not for an outage."""


def retried(work: Callable[[], _T], *, using: str, times: int = len(PAUSES)) -> _T:
    """Do ``work``, a whole transaction on the database ``using``, again where it was refused for the moment.

    Never a send.

    Deadlocks, serialisation failures, SQLite's "locked" and lost connections are all ``OperationalError``, and what is
    done on a connection that is lost already, ``InterfaceError``. Inside somebody else's transaction nothing can be
    done again: there, and after so many further ``times``, the error is raised. A connection that still works is
    left as it is: the site may have opened a cursor or a temporary table on it.
    """
    connection = connections[using]
    for pause in PAUSES[:times]:
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            if _is_in_a_transaction(connection) or is_about_data(error):
                raise
            if connection.connection is not None and not connection.is_usable():
                connection.close()
        # Both sides of a deadlock come back: not at the same moment.
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
    return work()


@contextmanager
def savepoints() -> Iterator[None]:
    """Do what is within in a savepoint of each transaction that is open; where none is, as it is.

    PostgreSQL answers nothing more in a transaction in which a query failed, even where the error was caught. One that
    is lost already is passed over.
    """
    with ExitStack() as stack:
        for connection in connections.all(initialized_only=True):
            if _is_in_a_transaction(connection):
                try:
                    stack.enter_context(transaction.atomic(using=connection.alias))
                except Error as error:
                    logger.warning(
                        "Octanist: the transaction on %r takes no savepoint: %s", connection.alias, describe(error)
                    )
        yield


def _is_in_a_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Whether somebody's transaction is open, also by ``set_autocommit(False)``."""
    return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)
