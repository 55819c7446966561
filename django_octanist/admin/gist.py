"""What the overview's pictures say, in a sentence or two: for those who read, and those who cannot see them."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..figures import Day, Span
from .amounts import day_shown, duration_shown, number_shown


def leads_gist(days: Sequence[Day], *, cut: Sequence[Day] = ()) -> str:
    """``412 leads in 30 days, most on 3 November (40). 12 failed or were invalid, all since 20 November.``"""
    total = sum(day.captured for day in days)
    if not total:
        return _("No leads in %(days)d days.") % {"days": len(days)}
    best = max(days, key=lambda day: day.captured)
    text = ngettext(
        "%(leads)s lead in %(days)d days, on %(day)s (%(most)s).",
        "%(leads)s leads in %(days)d days, most on %(day)s (%(most)s).",
        total,
    )
    values = {"leads": number_shown(total), "most": number_shown(best.captured), "day": day_shown(best.date)}
    return " ".join(filter(None, [text % {**values, "days": len(days)}, _unwell(days), _cut(cut)]))


def _cut(days: Sequence[Day]) -> str:
    if not days:
        return ""
    return _("Taller than drawn: %(days)s.") % {"days": ", ".join(day_shown(day.date) for day in days)}


def _unwell(days: Sequence[Day]) -> str:
    bad = [day for day in days if _bad(day)]
    if not bad:
        return _("None failed or was invalid.")
    number = sum(_bad(day) for day in bad)
    values = {"number": number_shown(number), "day": day_shown(bad[0].date)}
    if len(bad) == 1:
        text = ngettext(
            "%(number)s failed or was invalid, on %(day)s.",
            "%(number)s failed or were invalid, all on %(day)s.",
            number,
        )
        return text % values
    return _("%(number)s failed or were invalid, all since %(day)s.") % values


def _bad(day: Day) -> int:
    return day.counts["failed"] + day.counts["invalid"]


def latency_gist(span: Span, days: Sequence[Day]) -> str:
    """``Half of the leads were delivered within 0.8 s, 95 of 100 within 3 min. Slowest on 20 November: …``"""
    if span.median is None:
        return _("No lead was delivered in %(days)d days.") % {"days": len(days)}
    text = _("Half of the leads were delivered within %(median)s, 95 of 100 within %(p95)s.")
    text %= {"median": duration_shown(span.median), "p95": duration_shown(span.p95)}
    slow = [(day.p95, day) for day in days if day.p95 is not None]
    if len(slow) < 2:
        return text
    seconds, day = max(slow, key=lambda item: item[0])
    slowest = _("Slowest on %(day)s: 95 of 100 within %(p95)s.")
    return f"{text} {slowest % {'day': day_shown(day.date), 'p95': duration_shown(seconds)}}"
