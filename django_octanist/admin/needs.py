"""What needs a look, in a sentence each, for the top of the overview: where to go on from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..figures import AccountFigures, FormFigures
from ..figures.shapes import SPANS
from ..health import Health, Kind
from ..models import Lead
from .amounts import number_shown, share_shown
from .cells import Cell, Links
from .panels import Panel

UNWELL = (Lead.Status.INVALID.value, Lead.Status.FAILED.value)
MOST = 12
"""Sentences: more than that nobody reads; the rest is further down."""


def needs(panels: Sequence[Panel], *, health: Health, links: Links, interrupted: Sequence[Cell] = ()) -> list[Cell]:
    """Return what needs a look, the most pressing first, and where to look.

    ``interrupted``: acts on many leads that are half done, and wait for a person to continue them.
    """
    waiting, unwell = _waiting(panels, health=health), _unwell(panels, health=health, links=links)
    return [*waiting, *interrupted, *_settings(health), *unwell, *_forms(health)][:MOST]


def _settings(health: Health) -> Iterator[Cell]:
    """Settings whose values are wrong, though leads are delivered. They are mended elsewhere than here."""
    for problem in health.problems:
        if problem.kind is Kind.SETTING:
            yield Cell(_("A setting is wrong: %(problem)s") % {"problem": problem.said})


def _waiting(panels: Sequence[Panel], *, health: Health) -> Iterator[Cell]:
    texts = {
        Kind.PAUSED: _("Deliveries of the account %(account)s are paused. Pending leads: %(pending)s."),
        Kind.NO_KEY: _("The account %(account)s has no API key. Pending leads: %(pending)s."),
        Kind.OVERDUE: _("The oldest pending lead of the account %(account)s has waited for %(age)s."),
    }
    shown = {panel.account: panel for panel in panels}
    for problem in health.problems:
        if problem.kind in texts and (panel := shown.get(problem.account)):
            values = {"account": panel.account, "pending": panel.pending.text, "age": panel.oldest.text}
            yield Cell(texts[problem.kind] % values, f"#{panel.id}")


def _unwell(panels: Sequence[Panel], *, health: Health, links: Links) -> Iterator[Cell]:
    """Leads that wait for a person, by status, since each has a list of its own."""
    by_name = {figures.account: figures for figures in health.figures.accounts}
    for panel in panels:
        figures = by_name[panel.account]
        span = _span(figures)
        since = health.figures.taken_at - SPANS[span]
        for status in UNWELL:
            if number := figures.spans[span].unwell(status):
                text = _unwell_said(status, number, account=panel.account, days=SPANS[span].days)
                yield Cell(text, links.to(account=panel.account, status=status, since=since))


def _span(figures: AccountFigures) -> str:
    """Of a week: whoever has not mended it by then does not mean to. Unless an older one failed only now."""
    late = figures.failed_lately and not any(map(figures.spans["7d"].unwell, UNWELL))
    return "30d" if late else "7d"


def _unwell_said(status: str, number: int, *, account: str, days: int) -> str:
    if status == Lead.Status.INVALID:
        text = ngettext(
            "Octanist refused the data of %(number)s lead of the account %(account)s in %(days)d days:"
            " open it to see why.",
            "Octanist refused the data of %(number)s leads of the account %(account)s in %(days)d days:"
            " open one to see why.",
            number,
        )
    else:
        text = ngettext(
            "%(number)s lead of the account %(account)s failed in %(days)d days: open it to see why, then send it"
            " again.",
            "%(number)s leads of the account %(account)s failed in %(days)d days: open one to see why, then send them"
            " again.",
            number,
        )
    return text % {"number": number_shown(number), "account": account, "days": days}


def _forms(health: Health) -> Iterator[Cell]:
    for problem in health.problems:
        if problem.kind is Kind.LOST_PIXEL and problem.form:
            yield Cell(_lost_pixel(problem.form), "#forms")


def _lost_pixel(form: FormFigures) -> str:
    return ngettext(
        "The form %(form)s has lost its pixel: %(lately)s of its leads are linked in the last 24 hours,"
        " %(before)s before.",
        "The form %(form)s has lost its pixel: %(lately)s of its leads are linked in the last %(days)d days,"
        " %(before)s before.",
        form.lately_days or 0,
    ) % {
        "form": form.form or _("(without a name)"),
        "days": form.lately_days or 0,
        "lately": share_shown(form.linked_lately),
        "before": share_shown(form.linked_before),
    }
