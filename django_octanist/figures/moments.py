"""Where days and spans begin, and which stretches of time between those moments they are made of.

Found here and not by the database: one whose time zone tables are empty, as those of a new MySQL are, knows no days.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from datetime import timezone as fixed

from .shapes import SPANS

DAYS = 30
"""Calendar days that are looked back on, today included."""


class Stretches:
    """Time cut at ``edges``, ascending. Stretch ``n`` reaches from edge ``n - 1``, included, to edge ``n``."""

    def __init__(self, edges: Iterable[datetime]) -> None:
        self.edges: Sequence[datetime] = sorted(set(edges))

    @property
    def first(self) -> datetime:
        """The first edge."""
        return self.edges[0]

    def within(self, start: datetime, end: datetime | None = None) -> range:
        """Return the stretches from the edge ``start`` to the edge ``end``, or to whatever comes last."""
        last = len(self.edges) if end is None else bisect_left(self.edges, end)
        return range(bisect_left(self.edges, start) + 1, last + 1)


def span_starts(now: datetime) -> dict[str, datetime]:
    """Return when each of the :data:`SPANS` begins, by their names."""
    return {name: now - length for name, length in SPANS.items()}


def day_starts(now: datetime, *, zone: tzinfo) -> dict[date, datetime]:
    """Return when each of the last :data:`DAYS` calendar days in ``zone`` began, oldest first.

    Days are as long as the clocks make them: 23 hours, 25. A naive ``now`` (``USE_TZ`` off) is in ``zone`` already.
    """
    today = now.date() if now.tzinfo is None else now.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    return {day: _midnight(day, zone=now.tzinfo and zone) for day in days}


def _midnight(day: date, *, zone: tzinfo | None) -> datetime:
    """In UTC: moments of the same zone are compared by their clock faces, which an autumn night has twice."""
    midnight = datetime.combine(day, time(), tzinfo=zone)
    return midnight if zone is None else midnight.astimezone(fixed.utc)
