"""What time it is, for whatever is due: the clock of the database, which all processes share.

A web server and a worker may disagree by a day; leases and due times must not. SQLite has no clock of its own, nor
other processes than this machine's: there, and where the database is none of Django's own, it is this machine's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from django.conf import settings
from django.db import connections
from django.utils.timezone import get_default_timezone, is_aware, make_naive

# As seconds since 1970: free of the session's time zone. Of the moment, not of the transaction's begin.
_EPOCH_SQL = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    "mysql": "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1000000",
}


def now(*, using: str) -> datetime:
    """Return the time of the database ``using``: aware, or naive local time where ``USE_TZ`` is off."""
    connection = connections[using]
    sql = _EPOCH_SQL.get(connection.vendor)
    if sql is None:
        return _datetime(time.time())
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return _datetime(float(cursor.fetchone()[0]))


def after(moment: datetime, span: timedelta) -> datetime:
    """Return a moment that no clock shows before ``span`` has passed since ``moment``.

    Naive local time (``USE_TZ`` off) jumps in spring, and would let a lease end at once; where it repeats an hour, in
    autumn, this is up to an hour later.
    """
    return moment + span if is_aware(moment) else max(moment + span, _later(moment, span))


def _later(moment: datetime, span: timedelta) -> datetime:
    """Naive local time ``span`` after ``moment``, as the clocks show it then."""
    zone = get_default_timezone()
    return make_naive((moment.replace(tzinfo=zone)).astimezone(timezone.utc) + span, zone)


def _datetime(epoch: float) -> datetime:
    moment = datetime.fromtimestamp(epoch, tz=timezone.utc)
    return moment if settings.USE_TZ else make_naive(moment, get_default_timezone())


def elapsed() -> float:
    """Return seconds that only ever grow, also while the machine sleeps (unlike ``time.monotonic`` on Linux)."""
    if _BOOT_CLOCK is None:
        return time.monotonic()
    return time.clock_gettime(_BOOT_CLOCK)


_BOOT_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


@dataclass(frozen=True)
class Reading:
    """The database's time at one moment, from which later moments follow without asking again."""

    at: datetime
    read_at: float
    """On the clock of :func:`elapsed`."""

    def now(self) -> datetime:
        """Return the database's time now."""
        span = timedelta(seconds=elapsed() - self.read_at)
        return self.at + span if is_aware(self.at) else _later(self.at, span)


def read(*, using: str) -> Reading:
    """Read the clock of the database ``using``."""
    read_at = elapsed()
    return Reading(now(using=using), read_at)
