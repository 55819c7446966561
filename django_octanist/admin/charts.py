"""The overview's pictures as geometry: days in, paths for SVG out. Pure, without words or colours.

A picture is :data:`WIDTH` by :data:`HEIGHT`, and is stretched to the page's width; its words stand beside it as HTML,
so that they stay legible. Coordinates are texts, since a template would write numbers in the reader's language.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..figures import Day

WIDTH = 300.0
HEIGHT = 100.0
GAP = 0.12
"""Of a day's width, on each side of its bar."""
LEAST = 3.0
"""Height of the smallest part of a bar: one failed lead among a thousand is seen."""
ORDER = ("delivered", "rejected", "cancelled", "pending", "invalid", "failed")
"""Outcomes from the bottom of a bar to its top."""
CUT = "cut"
"""The name of the path that says which bars are taller than drawn."""
RUNGS = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0, 345600.0, 2592000.0)
"""Seconds: 10 ms, … 1 min, 10 min, 1 h, 10 h, 4 d, 30 d. Each step is equally tall, within it the scale is a log's."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """What is drawn in one colour: its name (a status, ``median``, ``p95``), and the ``d`` of an SVG path."""

    name: str
    d: str


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The strip that belongs to a day, from top to bottom."""

    day: Day
    x: str
    width: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A picture. Without any ``paths`` there is nothing to see."""

    paths: tuple[Path, ...]
    slots: tuple[Slot, ...]
    ticks: tuple[float, ...]
    """What the lines across stand for, the topmost first; the lowest is the bottom of the picture."""
    cut: tuple[Day, ...] = ()
    """Days whose bars are taller than drawn."""

    @property
    def grid(self) -> str:
        """The lines across, evenly spaced, as a path."""
        steps = max(1, len(self.ticks) - 1)
        return "".join(f"M0 {_text(HEIGHT * number / steps)}H{_text(WIDTH)}" for number in range(len(self.ticks)))

    @property
    def box(self) -> str:
        """The picture's ``viewBox``."""
        return f"0 0 {_text(WIDTH)} {_text(HEIGHT)}"


def leads(days: Sequence[Day]) -> Chart:
    """Draw the leads of each day as a bar, stacked by what became of them."""
    top = _round_above(_tallest([day.captured for day in days]))
    slot = WIDTH / max(1, len(days))
    stacks = [_stack(day.counts, top=top) for day in days]
    drawn = [(name, _bars(stacks, name=name, slot=slot)) for name in ORDER]
    cut = [number for number, day in enumerate(days) if day.captured > top]
    paths = [Path(name=name, d=d) for name, d in (*drawn, (CUT, _cuts(cut, slot=slot))) if d]
    return Chart(
        paths=tuple(paths),
        slots=_slots(days),
        ticks=(top, top / 2, 0) if paths else (),
        cut=tuple(days[number] for number in cut),
    )


def latency(days: Sequence[Day]) -> Chart:
    """Draw how long it took from capture to delivery, day by day: ``median`` and ``p95``."""
    values = [value for day in days for value in (day.median, day.p95) if value is not None]
    if not values:
        return Chart(paths=(), slots=_slots(days), ticks=())
    low = min(math.floor(_rung(min(values))), len(RUNGS) - 2)
    high = max(math.ceil(_rung(max(values))), low + 1)
    heights = {name: [_height(getattr(day, name), low=low, high=high) for day in days] for name in ("p95", "median")}
    paths = [Path(name=name, d=_line(column)) for name, column in heights.items()]
    dots = [Path(name=f"{name}-dots", d=_dots(column)) for name, column in heights.items()]
    return Chart(paths=(*paths, *dots), slots=_slots(days), ticks=RUNGS[low : high + 1][::-1])


def _slots(days: Sequence[Day]) -> tuple[Slot, ...]:
    width = WIDTH / max(1, len(days))
    return tuple(Slot(day=day, x=_text(number * width), width=_text(width)) for number, day in enumerate(days))


def _tallest(totals: Sequence[int]) -> int:
    """How many leads the picture must hold. Few days that would flatten all others are cut: a queue behind a pause."""
    totals = sorted(filter(None, totals), reverse=True)
    usual = totals[len(totals) // 4] if totals else 0
    most = totals[0] if totals else 0
    return 2 * usual if most > max(5 * usual, 20) else most


def _round_above(most: int) -> int:
    """The next round number that has a whole half: 2, 4, …, 10, 12, 16, 20, …, 100, 120, 160, …"""
    size = 1
    while most > 100 * size:
        size *= 10
    if most <= 10:
        return max(2, most + most % 2)
    return next(step * size for step in (12, 16, 20, 24, 30, 40, 60, 80, 100) if step * size >= most)


def _stack(counts: Mapping[str, int], *, top: int) -> dict[str, tuple[float, float]]:
    """The lower and the upper edge of each part of a day's bar, above the bottom."""
    total = sum(counts.values())
    whole = HEIGHT * min(1.0, total / top)
    tall = {name: max(whole * counts[name] / total, LEAST) for name in ORDER if counts[name]}
    edges, below = {}, 0.0
    for name, height in _fitted(tall, whole=whole).items():
        edges[name] = (below, below + height)
        below += height
    return edges


def _fitted(tall: dict[str, float], *, whole: float) -> dict[str, float]:
    """What is drawn taller than it is, the largest part makes up for."""
    if not tall:
        return tall
    largest = max(tall, key=lambda name: tall[name])
    return {**tall, largest: max(tall[largest] - max(0.0, sum(tall.values()) - whole), LEAST)}


def _cuts(numbers: Sequence[int], *, slot: float) -> str:
    """A slanted line across each bar that is cut."""
    return "".join(f"M{_text(number * slot)} 17L{_text((number + 1) * slot)} 11" for number in numbers)


def _bars(stacks: Sequence[Mapping[str, tuple[float, float]]], *, name: str, slot: float) -> str:
    wide = _text(slot * (1 - 2 * GAP))
    bars = [(number, *stack[name]) for number, stack in enumerate(stacks) if name in stack]
    return "".join(
        f"M{_text((number + GAP) * slot)} {_text(HEIGHT - upper)}h{wide}v{_text(upper - lower)}h-{wide}z"
        for number, lower, upper in bars
    )


def _rung(seconds: float) -> float:
    """Where on the ladder: 2.5 is half-way (by the log) between the third rung and the fourth."""
    seconds = min(max(seconds, RUNGS[0]), RUNGS[-1])
    lower = max(number for number, rung in enumerate(RUNGS[:-1]) if rung <= seconds)
    return lower + math.log(seconds / RUNGS[lower]) / math.log(RUNGS[lower + 1] / RUNGS[lower])


def _height(seconds: float | None, *, low: int, high: int) -> float | None:
    return None if seconds is None else HEIGHT * (high - _rung(seconds)) / (high - low)


def _line(column: Sequence[float | None]) -> str:
    """A line from day to day, which breaks off where a day has no value."""
    before = [None, *column]
    return "".join(f"{'M' if before[number] is None else 'L'}{x} {y}" for number, x, y in _points(column))


def _dots(column: Sequence[float | None]) -> str:
    """A stroke of no length for each day, which round caps make a dot, however the picture is stretched."""
    return "".join(f"M{x} {y}h0" for _number, x, y in _points(column))


def _points(column: Sequence[float | None]) -> Iterator[tuple[int, str, str]]:
    slot = WIDTH / max(1, len(column))
    for number, height in enumerate(column):
        if height is not None:
            yield number, _text((number + 0.5) * slot), _text(height)


def _text(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
