"""The overview's pictures with their words: a title, a gist, a scale, a legend, and the same as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from ..figures import AccountFigures, Day
from ..models import Lead
from . import charts
from .amounts import NONE, day_shown, duration_shown, number_shown
from .cells import Cell, Row
from .charts import Chart, Slot
from .gist import latency_gist, leads_gist

OUTCOMES = ("delivered", "rejected", "invalid", "failed", "cancelled", "pending")
"""In the order of the tables."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart with its words."""

    id: str
    """On the page."""
    title: str
    gist: str
    chart: Chart
    ticks: tuple[str, ...]
    """Beside the lines across, the topmost first."""
    days: tuple[str, ...]
    """Below it: the first day, one amid, and the last."""
    strips: tuple[tuple[Slot, str], ...]
    """The strip of each day, and what is said while the pointer is over it."""
    legend: tuple[tuple[str, str], ...]
    """What the paths stand for: name and label."""
    head: tuple[str, ...]
    rows: tuple[Row, ...]


def leads_picture(account: AccountFigures, *, id: str) -> Picture:  # noqa: A002 - HTML's own word
    """Return the picture of the leads of each day, stacked by what became of them."""
    chart = charts.leads(account.days)
    labels = {status: str(Lead.Status(status).label) for status in OUTCOMES}
    return Picture(
        id=id,
        title=_("Leads per day"),
        gist=leads_gist(account.days, cut=chart.cut),
        chart=chart,
        ticks=tuple(number_shown(int(tick)) for tick in chart.ticks),
        days=_some(account.days),
        strips=tuple((slot, _said(slot.day, _outcomes(slot.day, labels))) for slot in chart.slots),
        # As they are stacked.
        legend=tuple((path.name, labels[path.name]) for path in reversed(chart.paths) if path.name in labels),
        head=tuple(labels.values()),
        rows=_rows(account.days, lambda day: [number_shown(day.counts[status]) for status in OUTCOMES]),
    )


def _outcomes(day: Day, labels: dict[str, str]) -> list[str]:
    return [f"{number_shown(day.counts[status])} {label}" for status, label in labels.items() if day.counts[status]]


def latency_picture(account: AccountFigures, *, id: str) -> Picture:  # noqa: A002 - HTML's own word
    """Return the picture of the time from capture to delivery, day by day."""
    chart = charts.latency(account.days)
    labels = {"p95": _("95 of 100 within"), "median": _("half within")}
    return Picture(
        id=id,
        title=_("Time from capture to delivery"),
        gist=latency_gist(account.spans["30d"], account.days),
        chart=chart,
        ticks=tuple(duration_shown(tick) for tick in chart.ticks),
        days=_some(account.days),
        strips=tuple((slot, _said(slot.day, _times(slot.day, labels))) for slot in chart.slots),
        legend=tuple(labels.items()),
        head=tuple(labels.values()),
        rows=_rows(account.days, lambda day: [duration_shown(getattr(day, name)) for name in labels]),
    )


def _times(day: Day, labels: dict[str, str]) -> list[str]:
    if day.median is None:
        return []
    return [f"{label} {duration_shown(getattr(day, name))}" for name, label in labels.items()]


def _said(day: Day, parts: Sequence[str]) -> str:
    return f"{day_shown(day.date)}: {', '.join(parts) or NONE}"


def _some(days: Sequence[Day]) -> tuple[str, ...]:
    return tuple(day_shown(days[number].date) for number in (0, len(days) // 2, -1))


def _rows(days: Sequence[Day], texts: Callable[[Day], Iterable[str]]) -> tuple[Row, ...]:
    """The newest day first."""
    return tuple(Row(day_shown(day.date), tuple(map(Cell, texts(day)))) for day in reversed(days))
