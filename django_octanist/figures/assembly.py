"""From counted rows to figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from ..models import Lead
from . import drop
from .histogram import percentile
from .queries import Captures, FormKey, Newest, Outcomes, Pending
from .shapes import AccountFigures, Day, FormFigures, Span

_K = TypeVar("_K", bound=Hashable)

Window = str | date
"""A span by its name, or a day."""
AskNewest = Callable[[Mapping[FormKey, int]], Iterable[Newest]]
"""Returns what the newest leads of forms are; each with the times 24 hours within which it has enough of them."""
MOST_ASKED = 100
"""Forms that seem to have lost their pixel and are looked at more closely: those with the most leads."""


class _Tally:
    """What became of the leads of one window, while it is added up."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(Lead.Status.values, 0))
        self.erased: Counter[str] = Counter()
        self.buckets: Counter[int] = Counter()

    def add(self, row: Outcomes) -> None:
        self.counts[row.status] += row.leads
        if row.is_erased:
            self.erased[row.status] += row.leads
        if row.bucket is not None:
            self.buckets[row.bucket] += row.leads

    def values(self) -> dict[str, Any]:
        return {
            "counts": dict(self.counts),
            "erased": dict(self.erased),
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
        failed_lately=failed + sum(map(spans["24h"].unwell, ("failed", "invalid"))),
    )


def forms(captures: Iterable[Captures], *, edges: Sequence[datetime], newest: AskNewest) -> tuple[FormFigures, ...]:
    """Return the figures of each form: those that need a look first, then by how many leads they have.

    ``edges`` cut the time that the rows speak of; whatever comes after the last one is the latest day. ``newest`` is
    asked, once, of forms that seem to have lost their pixel.
    """
    by_form: dict[FormKey, list[Captures]] = defaultdict(list)
    for row in captures:
        by_form[FormKey(row.account, row.form)].append(row)
    recents = {key: _recent(rows, days=len(edges)) for key, rows in by_form.items()}
    lost = _lost({key: recent for key, recent in recents.items() if recent and recent.is_lost}, newest=newest)
    found = [_form(by_form[key], recent=recents[key], lost_pixel=key in lost) for key in sorted(by_form)]
    return tuple(sorted(found, key=lambda form: (not form.lost_pixel, not form.never_linked, -form.captured)))


def _recent(rows: Iterable[Captures], *, days: int) -> drop.Recent | None:
    by_day: dict[int, list[Captures]] = defaultdict(list)
    for row in rows:
        by_day[row.stretch].append(row)
    return drop.recent([_share(by_day[day]) for day in range(days, 0, -1)])


def _lost(suspects: Mapping[FormKey, drop.Recent], *, newest: AskNewest) -> set[FormKey]:
    """Return those of ``suspects`` that are not mended already. Leads of a day would hide for a day that they are."""
    if not suspects:
        return set()
    asked = sorted(suspects, key=lambda key: -suspects[key].lately.captured)[:MOST_ASKED]
    rows: dict[FormKey, list[Newest]] = defaultdict(list)
    for row in newest({key: suspects[key].days for key in asked}):
        rows[FormKey(row.account, row.form)].append(row)
    return {key for key, recent in suspects.items() if not recent.is_mended(_share(rows[key]))}


def _form(rows: Sequence[Captures], *, recent: drop.Recent | None, lost_pixel: bool) -> FormFigures:
    total = _share(rows)
    return FormFigures(
        form=rows[0].form,
        account=rows[0].account,
        captured=total.captured,
        linked=total.value,
        without_consent=sum(row.leads for row in rows if not row.has_consent) / total.captured,
        linked_lately=recent.lately.value if recent else None,
        linked_before=recent.before.value if recent and recent.before.captured else None,
        lately_days=recent.days if recent else None,
        lost_pixel=lost_pixel,
        never_linked=total.linked == 0 and total.captured >= drop.ENOUGH,
    )


def _share(rows: Sequence[Captures | Newest]) -> drop.Share:
    return drop.Share(sum(row.leads for row in rows if row.has_session), sum(row.leads for row in rows))
