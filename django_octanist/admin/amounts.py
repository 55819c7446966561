"""Amounts as people read them, in their language: durations, shares, ages, days."""

from __future__ import annotations

from datetime import date, datetime

from django.utils.formats import date_format, number_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
NONE = "-"
"""Where there is nothing to show."""


def number_shown(number: int) -> str:
    return number_format(number, force_grouping=True)


def duration_shown(seconds: float | None) -> str:
    """Return ``0.8 s``, ``3 min``, ``2.5 h`` or ``4 d``; ``-`` where there is none to show."""
    if seconds is None:
        return NONE
    if seconds < MINUTE:
        return _("%(number)s s") % {"number": _digits(seconds)}
    if seconds < HOUR:
        return _("%(number)s min") % {"number": _digits(seconds / MINUTE)}
    if seconds < 2 * DAY:
        return _("%(number)s h") % {"number": _digits(seconds / HOUR)}
    return _("%(number)s d") % {"number": _digits(seconds / DAY)}


def _digits(amount: float) -> str:
    """Two digits are enough to judge by; what is there is never shown as nothing."""
    if 0 < amount < 0.095:
        return number_format(max(round(amount, 2), 0.01), decimal_pos=2)
    decimals = 1 if amount < 9.95 and round(amount, 1) % 1 else 0
    return number_format(round(amount, decimals), decimal_pos=decimals)


def share_shown(share: float | None, *, decimals: int = 0) -> str:
    """Return ``93%``; all and nothing are said only where it is all or nothing."""
    if share is None:
        return NONE
    step = 10**-decimals
    percent = round(share * 100, decimals)
    if 0 < share < 1:
        percent = min(max(percent, step), 100 - step)
    whole = percent % 1 == 0
    return _("%(number)s%%") % {"number": number_format(percent, decimal_pos=0 if whole else decimals)}


def age_shown(moment: datetime, *, now: datetime) -> str:
    """Return how long before ``now`` a moment was: ``40 seconds``, ``2 hours``."""
    seconds = max(0, int((now - moment).total_seconds()))
    if seconds < MINUTE:
        return ngettext("%(number)d second", "%(number)d seconds", seconds) % {"number": seconds}
    return timesince(moment, now, depth=1)


def day_shown(day: date) -> str:
    return date_format(day, "MONTH_DAY_FORMAT")
