"""Whether the share of leads with a session dropped so far that the form must have lost its pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

ENOUGH = 10
"""Leads from which on a share says something."""
LONGEST = 7
"""Days that "lately" reaches back at most."""
UNLIKELY = 0.01
"""The probability below which chance does not explain a drop."""


class Share(NamedTuple):
    """Leads with a session among all of some time."""

    linked: int
    captured: int

    @property
    def value(self) -> float:
        """0 to 1; 0 where there are none."""
        return self.linked / self.captured if self.captured else 0.0


class Recent(NamedTuple):
    """How a form did lately, and before that."""

    days: int
    """How far back "lately" reaches: times 24 hours."""
    lately: Share
    before: Share

    @property
    def is_lost(self) -> bool:
        """Whether the share was at least halved, and by no accident."""
        if not (self.lately.captured and self.before.captured):
            return False
        halved = self.lately.value <= self.before.value / 2
        return halved and chance(self.lately, self.before) < UNLIKELY

    def is_mended(self, newest: Share) -> bool:
        """Whether ``newest``, the :data:`ENOUGH` newest leads of lately, are linked again, and by no accident."""
        rest = Share(max(self.lately.linked - newest.linked, 0), max(self.lately.captured - newest.captured, 0))
        again = newest.captured >= ENOUGH and newest.value >= self.before.value / 2
        return again and chance(rest, newest) < UNLIKELY


def recent(days: Sequence[Share]) -> Recent | None:
    """Split ``days``, the newest first, into "lately" and before; ``None`` where too few leads came to tell.

    "Lately" is the shortest time with :data:`ENOUGH` leads: a busy form is known to have lost its pixel within hours,
    and good days of last week do not hide it.
    """
    for number in range(1, LONGEST + 1):
        lately = _sum(days[:number])
        if lately.captured >= ENOUGH:
            return Recent(number, lately, _sum(days[number:]))
    return None


def _sum(days: Sequence[Share]) -> Share:
    return Share(sum(day.linked for day in days), sum(day.captured for day in days))


def chance(lately: Share, before: Share) -> float:
    """Return how probable so few linked leads lately are if nothing changed: Fisher's exact test, one-sided.

    Unlike a binomial test it does not take the share before for certain, which a few leads do not tell.
    """
    linked, captured = lately.linked + before.linked, lately.captured + before.captured
    term = math.exp(
        _log_choices(lately.captured, lately.linked)
        + _log_choices(before.captured, before.linked)
        - _log_choices(captured, linked)
    )
    total = 0.0
    # Each probability follows from the one of one linked lead more.
    for here in range(lately.linked, -1, -1):
        total += term
        unlinked = lately.captured - here + 1
        there = linked - here + 1
        rest = before.captured - there + 1
        if here == 0 or rest <= 0 or term < total * 1e-9:
            break
        term *= here * rest / (unlinked * there)
    return min(total, 1.0)


def _log_choices(whole: int, part: int) -> float:
    return math.lgamma(whole + 1) - math.lgamma(part + 1) - math.lgamma(whole - part + 1)
