"""The distinct values of an indexed column, each found in the index by one look (a *loose index scan*).

``SELECT DISTINCT`` reads a million rows to find six forms; this reads six. MySQL and MariaDB do so by themselves.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, router
from django.db.models import Min

from ..models import Lead

MOST = 50
"""Values that are looked for, at most."""

_SQL = """
WITH RECURSIVE seen (value, number) AS (
    SELECT MIN({column}), 1 FROM {table}
    UNION ALL
    SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > seen.value), seen.number + 1
    FROM seen WHERE seen.value IS NOT NULL AND seen.number < {most}
)
SELECT {selected} FROM seen WHERE seen.value IS NOT NULL"""


def distinct(column: str) -> list[str]:
    """Return the values of ``column`` among all leads, in the database's order. There must be an index on it."""
    if _is_loose_by_itself():
        return list(Lead.objects.order_by(column).values_list(column, flat=True).distinct()[:MOST])
    return [value for (value,) in _rows(column, selected="seen.value")]


def accounts() -> dict[str, bool]:
    """Return the accounts that leads are for: name → whether some of its leads are not finished."""
    # A finished lead has no next attempt.
    if _is_loose_by_itself():
        grouped = Lead.objects.order_by("account").values("account").annotate(next=Min("next_attempt_at"))
        rows = list(grouped.values_list("account", "next")[:MOST])
    else:
        # MIN and not EXISTS: PostgreSQL may answer the latter by a scan of all leads.
        rows = _rows("account", selected="seen.value, (SELECT MIN({next}) FROM {table} WHERE {column} = seen.value)")
    return {account: moment is not None for account, moment in rows}


def _is_loose_by_itself() -> bool:
    return connections[router.db_for_read(Lead)].vendor == "mysql"


def _rows(column: str, *, selected: str) -> list[Any]:
    connection = connections[router.db_for_read(Lead)]
    quote = connection.ops.quote_name
    names = {"table": quote(Lead._meta.db_table), "column": quote(column), "next": quote("next_attempt_at")}
    sql = _SQL.format(**names, most=MOST, selected=selected.format(**names))
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
