"""Values as the pages show them."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, get_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

_WITH = {"P": "g:i:s a", "f": "g:i:s", "i": "i:s"}
"""What a format writes a time with, and the same with seconds."""
# A letter behind a backslash stands for itself.
_WITHOUT, _HAS_SECONDS = re.compile(r"(?<!\\)[Pfi]"), re.compile(r"(?<!\\)s")


def local(moment: datetime) -> datetime:
    """Return ``moment`` in the time zone that the admin shows (with ``USE_TZ = False`` it is in it already)."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def moment_shown(moment: datetime) -> str:
    return date_format(local(moment), "DATETIME_FORMAT")


def time_shown(moment: datetime) -> SafeString:
    """In short; to the second for whoever points at it."""
    shown = date_format(local(moment), "SHORT_DATETIME_FORMAT")
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), second_shown(moment), shown)


def second_shown(moment: datetime, name: str = "DATETIME_FORMAT") -> str:
    """Return the moment to the second, else as the format ``name`` has it (``TIME_FORMAT``: without the day)."""
    wanted = get_format(name)
    if not _HAS_SECONDS.search(wanted):
        wanted = _WITHOUT.sub(lambda found: _WITH[found[0]], wanted)
    return date_format(local(moment), wanted)


def until_shown(moment: datetime | None, *, now: datetime) -> str:
    """Return ``in 4 minutes``, or ``now`` where the moment is there or past."""
    if moment is None or moment <= now:
        return _("now")
    if moment - now < timedelta(minutes=1):
        return _("in less than a minute")
    return _("in %(span)s") % {"span": timeuntil(moment, now=now, depth=1)}


def duration_shown(seconds: float) -> str:
    """Return ``12 ms``, ``0.8 s``, ``42 s``, ``3 min``, ``2 h`` or ``5 days``."""
    if seconds < 0.0995:
        return _("%(number)s ms") % {"number": round(seconds * 1000)}
    if seconds < 59.5:
        return _("%(number)s s") % {"number": _rounded(seconds, below=9.95)}
    if seconds < 3570:
        return _("%(number)s min") % {"number": round(seconds / 60)}
    if seconds < 172_800:
        return _("%(number)s h") % {"number": _rounded(seconds / 3600, below=9.95)}
    days = round(seconds / 86_400)
    return ngettext("%(number)s day", "%(number)s days", days) % {"number": number_format(days)}


def _rounded(number: float, *, below: float) -> str:
    """Return ``number`` with one decimal ``below`` that, with none above."""
    places = 1 if number < below else 0
    # Rounded first: Django cuts off what it does not show.
    return number_format(round(number, places), decimal_pos=places)


def json_text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
