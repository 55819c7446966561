"""Values as the pages show them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


def moment_shown(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def json_shown(value: Any) -> SafeString:
    return format_html('<pre class="octanist-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def table_shown(row: str, rows: list[Any]) -> SafeString:
    if not rows:
        return SafeString("-")
    return format_html('<table class="octanist-table">{}</table>', format_html_join("", row, rows))
