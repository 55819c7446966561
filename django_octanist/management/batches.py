"""What the commands that act on many leads share: the bar on a terminal, and Ctrl-C between two batches."""

from __future__ import annotations

from collections import Counter

from django.core.management.base import CommandError, OutputWrapper
from django.db import Error as DatabaseError

from .. import figures
from ..bulk import Act, in_batches
from ..exceptions import describe
from ..models import LeadQuerySet
from .progress import Bar


def counted(leads: LeadQuerySet) -> int:
    """Return how many ``leads`` there are. Raises ``CommandError`` where the database does not answer."""
    try:
        return leads.count()
    except DatabaseError as error:
        raise CommandError(describe(error)) from error


def act_on(leads: LeadQuerySet, act: Act, *, output: OutputWrapper) -> Counter[str]:
    """Do ``act`` to ``leads`` and return how many were ``touched`` and ``left``.

    Raises ``CommandError`` where the database does not answer, or after Ctrl-C; both say how many were touched.
    """
    counts: Counter[str] = Counter()
    bar = Bar(counts, output, total=counted(leads)) if output.isatty() else None
    try:
        in_batches(leads, act, counts=counts, beat=bar or (lambda: None))
    except DatabaseError as error:
        raise CommandError(f"{describe(error)}. Done before that: {counts['touched']:,}. Run it again.") from error
    except KeyboardInterrupt:
        raise CommandError(f"Interrupted. Done before that: {counts['touched']:,}. Run it again.") from None
    finally:
        if bar is not None:
            bar.finish()
        figures.forget()
    return counts
