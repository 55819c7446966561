"""From counted rows to figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from ..models import Lead
from . import drop
from .histogram import percentile
from .queries import Captures, Outcomes, Pending
from .shapes import AccountFigures, Day, FormFigures, Span

_K = TypeVar("_K", bound=Hashable)

Window = str | date
"""A span by its name, or a day."""
Newest = Callable[[str, str, int], drop.Share]
"""What the newest leads of a form of an account are, of those of so many times 24 hours."""


class _Tally:
    """What became of the leads of one window, while it is added up."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(Lead.Status.values, 0))
        self.buckets: Counter[int] = Counter()

    def add(self, row: Outcomes) -> None:
        self.counts[row.status] += row.leads
        if row.bucket is not None:
            self.buckets[row.bucket] += row.leads

    def values(self) -> dict[str, Any]:
        return {
            "counts": dict(self.counts),
            "median": percentile(0.5, self.buckets),
            "p95": percentile(0.95, self.buckets),
        }


def accounts(
    names: Iterable[str],
    *,
    outcomes: Iterable[Outcomes],
    pending: Iterable[Pending],
    failed: Mapping[str, int],
    windows: Mapping[Window, range],
) -> tuple[AccountFigures, ...]:
    """Return the figures of the accounts ``names``, and then of whatever else the rows speak of.

    ``windows`` says which stretches of time each span and day is made of, days oldest first; ``failed`` counts
    what was captured before the last 24 hours and failed, or was refused, within them.
    """
    tallies = _tallies(outcomes, windows=windows)
    waiting = {row.account: row for row in pending}
    known = list(dict.fromkeys(names))
    others = sorted({*tallies, *waiting, *failed} - {*known})
    return tuple(
        _account(name, tallies=tallies[name], windows=windows, waiting=waiting.get(name), failed=failed.get(name, 0))
        for name in [*known, *others]
    )


def _tallies(outcomes: Iterable[Outcomes], *, windows: Mapping[Window, range]) -> dict[str, dict[Window, _Tally]]:
    of_stretch: dict[int, list[Window]] = defaultdict(list)
    for window, stretches in windows.items():
        for stretch in stretches:
            of_stretch[stretch].append(window)
    tallies: dict[str, dict[Window, _Tally]] = defaultdict(lambda: defaultdict(_Tally))
    for row in outcomes:
        for window in of_stretch[row.stretch]:
            tallies[row.account][window].add(row)
    return tallies


def _account(
    name: str, *, tallies: dict[Window, _Tally], windows: Iterable[Window], waiting: Pending | None, failed: int
) -> AccountFigures:
    tallied = {window: (tallies.get(window) or _Tally()).values() for window in windows}
    spans = {window: Span(**values) for window, values in tallied.items() if isinstance(window, str)}
    return AccountFigures(
        account=name,
        pending=waiting.leads if waiting else 0,
        oldest_pending=waiting.oldest if waiting else None,
        spans=spans,
        days=tuple(Day(date=window, **values) for window, values in tallied.items() if isinstance(window, date)),
        failed_lately=failed + sum(spans["24h"].counts[status] for status in ("failed", "invalid")),
    )


def forms(captures: Iterable[Captures], *, edges: Sequence[datetime], newest: Newest) -> tuple[FormFigures, ...]:
    """Return the figures of each form: those that need a look first, then by how many leads they have.

    ``edges`` cut the time that the rows speak of; whatever comes after the last one is the latest day. ``newest`` is
    asked only of forms that seem to have lost their pixel.
    """
    by_form: dict[tuple[str, str], list[Captures]] = defaultdict(list)
    for row in captures:
        by_form[row.account, row.form].append(row)
    found = [_form(rows, days=len(edges), newest=newest) for _key, rows in sorted(by_form.items())]
    return tuple(sorted(found, key=lambda form: (not form.lost_pixel, not form.never_linked, -form.captured)))


def _form(rows: Sequence[Captures], *, days: int, newest: Newest) -> FormFigures:
    total = _share(rows)
    recent = drop.recent([_share([row for row in rows if row.stretch == day]) for day in range(days, 0, -1)])
    return FormFigures(
        form=rows[0].form,
        account=rows[0].account,
        captured=total.captured,
        linked=total.value,
        without_consent=sum(row.leads for row in rows if not row.has_consent) / total.captured,
        linked_lately=recent.lately.value if recent else None,
        linked_before=recent.before.value if recent and recent.before.captured else None,
        lately_days=recent.days if recent else None,
        lost_pixel=recent is not None and _is_lost(recent, rows[0], newest=newest),
        never_linked=total.linked == 0 and total.captured >= drop.ENOUGH,
    )


def _is_lost(recent: drop.Recent, row: Captures, *, newest: Newest) -> bool:
    """Whether the form of ``row`` has lost its pixel. Leads of a day would hide for a day that it is mended."""
    return recent.is_lost and not recent.is_mended(newest(row.form, row.account, recent.days))


def _share(rows: Sequence[Captures]) -> drop.Share:
    return drop.Share(sum(row.leads for row in rows if row.has_session), sum(row.leads for row in rows))
