"""Percentiles from how many values fell between thresholds, so that a database only has to count."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping

FACTOR = 1.25
"""What each threshold is to the one before it, and so the bound of the error."""
LEAST = 0.05
"""Seconds."""
MOST = 30 * 24 * 3600.0
"""Seconds."""

THRESHOLDS = tuple(LEAST * FACTOR**power for power in range(math.ceil(math.log(MOST / LEAST, FACTOR)) + 1))
"""Seconds, ascending: from :data:`LEAST` until :data:`MOST` is reached."""


def bucket_of(seconds: float) -> int:
    """Return the bucket that ``seconds`` falls into: how many thresholds are at most that."""
    return bisect_right(THRESHOLDS, seconds)


def percentile(share: float, counts: Mapping[int, int]) -> float | None:
    """Return the seconds that ``share`` (0 to 1) of the values took at most, or ``None`` where there are none.

    ``counts`` are how many values fell into each bucket. It is the nearest-rank percentile, less than a factor of
    :data:`FACTOR` off in either direction (usually a few per cent, as values spread over their bucket), from
    :data:`LEAST` to the last threshold; below, it is less than :data:`LEAST` off, above, it is the last threshold.
    """
    rank = max(1, math.ceil(share * sum(counts.values())))
    before = 0
    for bucket, count in sorted(counts.items()):
        if before + count >= rank:
            return _within(bucket, position=(rank - before - 0.5) / count)
        before += count
    return None


def _within(bucket: int, *, position: float) -> float:
    """Where a value is at ``position`` (0 to 1) of its bucket: evenly in proportion, as the thresholds are."""
    if bucket == 0:
        return LEAST * position
    if bucket == len(THRESHOLDS):
        return THRESHOLDS[-1]
    return float(THRESHOLDS[bucket - 1] * FACTOR**position)
