"""Columns that say their names themselves where a phone shows a row as a block of lines, without the table's head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_field
from django.db.models import Model
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

NOTHING = "-"

Column = Callable[[Any], SafeString]


def labelled(model: type[Model], name: str, *, value: Callable[[Any], Any] | None = None) -> Column:
    """Return the column of the field ``name``: its value as Django's list shows it, or what ``value`` makes of a row.

    The style sheet hides the label where the table has its head.
    """
    field: Any = model._meta.get_field(name)

    @admin.display(description=field.verbose_name, ordering=name)
    def shown(row: Model) -> SafeString:
        said = value(row) if value else display_for_field(getattr(row, name), field, NOTHING) or NOTHING
        return format_html('<span class="octanist-label">{}:</span> {}', capfirst(field.verbose_name), said)

    # Of which Django makes the cell's class.
    shown.__name__ = name
    return shown
