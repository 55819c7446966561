"""What the overview shows of an account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from ..figures import AccountFigures, Figures
from ..figures.shapes import SPANS
from ..models import Lead
from .amounts import NONE, age_shown, duration_shown, number_shown, share_shown
from .cells import Cell, Links, Row
from .pictures import OUTCOMES, Picture, latency_picture, leads_picture
from .standing import Standing, State


@dataclass(frozen=True, kw_only=True)
class Panel:
    """An account: how it stands, its figures as a table, and as pictures."""

    id: str
    """On the page."""
    account: str
    standing: Standing
    pending: Cell
    oldest: Cell
    rows: tuple[Row, ...]
    summary: tuple[Cell, ...]
    """Its cells in the table of all accounts."""
    pictures: tuple[Picture, ...]
    """None where no lead was captured in 30 days."""


def panels(figures: Figures, *, standings: Mapping[str, Standing], links: Links, now: datetime) -> list[Panel]:
    """Return a panel for each account, the worst first; without those that nobody uses, unless there are no others."""
    used = [each for each in figures.accounts if not _is_unused(each, standing=standings[each.account])]
    worst_first = sorted(
        used or figures.accounts, key=lambda each: (standings[each.account].severity, -each.pending, each.account)
    )
    return [
        _Maker(account, f"account-{number}", figures.taken_at, links).panel(standings[account.account], now=now)
        for number, account in enumerate(worst_first, start=1)
    ]


def _is_unused(account: AccountFigures, *, standing: Standing) -> bool:
    """The account ``default`` is there in every site's settings."""
    return standing.state == State.KEYLESS and not account.pending and not account.spans["30d"].captured


@dataclass(frozen=True)
class _Maker:
    account: AccountFigures
    id: str
    taken_at: datetime
    links: Links

    def panel(self, standing: Standing, *, now: datetime) -> Panel:
        pictures = (
            leads_picture(self.account, id=f"{self.id}-leads"),
            latency_picture(self.account, id=f"{self.id}-latency"),
        )
        return Panel(
            id=self.id,
            account=self.account.account,
            standing=standing,
            pending=self._waiting(number_shown(self.account.pending)),
            oldest=self._waiting(age_shown(self.account.oldest_pending or now, now=now)),
            rows=(*self._counts(), *self._measures()),
            summary=self._summary(),
            pictures=pictures if self.account.spans["30d"].captured else (),
        )

    def _waiting(self, text: str) -> Cell:
        if not self.account.pending:
            return Cell(NONE)
        return Cell(text, self.links.to(account=self.account.account, status=Lead.Status.PENDING.value))

    def _counts(self) -> Iterator[Row]:
        for status in OUTCOMES:
            yield Row(str(Lead.Status(status).label), tuple(self._count(status, span) for span in SPANS), name=status)

    def _count(self, status: str, span: str) -> Cell:
        number = self.account.spans[span].counts[status]
        url = self.links.to(account=self.account.account, status=status, since=self.taken_at - SPANS[span])
        return Cell(number_shown(number), url if number else "")

    def _measures(self) -> Iterator[Row]:
        spans = [self.account.spans[name] for name in SPANS]
        yield Row(_("Success rate"), tuple(Cell(share_shown(span.success_rate, decimals=1)) for span in spans))
        yield Row(_("Half within"), tuple(Cell(duration_shown(span.median)) for span in spans))
        yield Row(_("95 of 100 within"), tuple(Cell(duration_shown(span.p95)) for span in spans))

    def _summary(self) -> tuple[Cell, ...]:
        day, week = self.account.spans["24h"], self.account.spans["7d"]
        return (
            Cell(number_shown(day.counts["delivered"])),
            Cell(number_shown(week.counts["failed"] + week.counts["invalid"])),
            Cell(share_shown(week.success_rate, decimals=1)),
            Cell(duration_shown(week.median)),
        )
