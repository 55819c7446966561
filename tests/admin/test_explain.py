"""No page looks at all leads: what PostgreSQL says that it does, for each query of each page, with 50,000 of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_octanist.models import Lead
from tests.benchmarks.realistic import ATTEMPTS, columns

from . import LIST, S, make, page, staff
from .test_export import EXPORT

LEADS = 50_000
TABLES = ("octanist_lead", "octanist_deliveryattempt")
NOW = timezone.now()
DAY = timedelta(days=1)


@pytest.fixture(scope="module", autouse=True)
def _filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Leads as of two years, and what PostgreSQL knows of them when it has tidied up."""
    if connection.vendor != "postgresql":
        pytest.skip("DATABASE_URL names no PostgreSQL: nothing to ask for its plans")
    with django_db_blocker.unblock():
        try:
            fill()
            yield
        finally:
            run(f"TRUNCATE {', '.join(TABLES)} CASCADE")


def fill() -> None:
    """Make one lead, and copies of it that differ as those of a busy site do."""
    make(note="A house of 1934 with a roof that leaks. " * 8, custom={"roof": "flat", "area": "140"})
    own = {"id", "email_lower"}
    names = [field.column for field in Lead._meta.concrete_fields if field.column not in own]
    values = {"submission_id": "gen_random_uuid()", **columns(LEADS)}
    selected = ", ".join(values.get(name, f"sample.{name}") for name in names)
    copied = f"SELECT {selected} FROM octanist_lead sample, generate_series(1, {LEADS}) number"
    run(f"INSERT INTO octanist_lead ({', '.join(names)}) {copied}", ATTEMPTS)
    run(*(f"VACUUM ANALYZE {table}" for table in TABLES))


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def scanned(queries: CaptureQueriesContext) -> list[str]:
    """The plans that look at a whole table of leads or attempts."""
    selected = [asked["sql"] for asked in queries if any(table in asked["sql"] for table in TABLES)]
    assert selected
    plans = [(sql, plan(sql)) for sql in selected if sql.startswith(("SELECT", "(SELECT", "\nWITH", "WITH"))]
    assert len(plans) == len(selected)
    return [f"{sql}\n{told}" for sql, told in plans if any(f"Seq Scan on {table}" in told for table in TABLES)]


def plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    return staff(client, "view_lead", "view_deliveryattempt", "view_lead_personal_data", "replay_lead")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"p": "150"},
        {"o": "1"},
        *({"status": status} for status in (*S.values, "nonsense")),
        *({"form": form} for form in ("contact", "careers", "nonsense", "")),
        *({"account": account} for account in ("default", "solar", "nonsense")),
        *({"linked": linked} for linked in (*Lead.Linked.values, "nonsense")),
        *({"source": source} for source in ("google / cpc", "partner / referral", "nonsense", "")),
        {"created_at__gte": NOW - 7 * DAY},
        {"created_at__gte": NOW - 400 * DAY, "created_at__lt": NOW - 370 * DAY},
        {"created_at__lt": NOW - 3_000 * DAY},
        {"created_at__gte": NOW - 30 * DAY, "o": "1"},
        {"status": "failed", "form": "careers", "linked": "no"},
        {"status": "failed", "created_at__gte": NOW - 7 * DAY},
    ],
    ids=str,
)
def test_list(operator: Client, query: dict[str, Any]) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert operator.get(LIST, query).status_code == 200
    assert scanned(queries) == []
    assert len(queries) <= 12


@pytest.mark.parametrize(
    "term",
    [
        *("visitor123@example.com", "nobody@example.com", "visitor12", "visitor", "vis", "info"),
        *("lotte", "Lotte Visser", "nobody", "zq", "z", "@example.com", "@nowhere"),
        *("06 12 34 56 78", "+31612", "12345678", "12"),
        *("lead_123", "req_123", "95f7d6a4-9f2c-4f43-9f1b-4a4ab5b6f1f0", "95f7d6a49f2c4f439f1b4a4ab5b6f1f0"),
        "lotte visitor123@example.com",
    ],
)
@pytest.mark.parametrize("query", [{}, {"status": "failed"}], ids=["all", "failed"])
def test_search(operator: Client, term: str, query: dict[str, str]) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert operator.get(LIST, {"q": term, **query}).status_code == 200
    assert scanned(queries) == []
    assert len(queries) <= 12


def test_search_without_permission(client: Client, db: None) -> None:
    staff(client, "view_lead")
    with CaptureQueriesContext(connection) as queries:
        client.get(LIST, {"q": "lotte lead_123"})
    assert scanned(queries) == []


@pytest.mark.parametrize("which", ["first", "last"])
def test_lead(operator: Client, which: str) -> None:
    lead = getattr(Lead.objects.order_by("pk"), which)()
    with CaptureQueriesContext(connection) as queries:
        assert operator.get(page(lead)).status_code == 200
    assert scanned(queries) == []


@pytest.mark.parametrize("query", [{}, {"status": "failed"}, {"q": "visitor12"}], ids=str)
def test_export(operator: Client, query: dict[str, str]) -> None:
    with CaptureQueriesContext(connection) as queries:
        pieces: Any = operator.get(EXPORT, query).streaming_content  # type: ignore[attr-defined]
        for _piece in (next(pieces), next(pieces)):
            pass
    assert scanned(queries) == []


def test_a_scan_would_be_seen(db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        Lead.objects.filter(note__contains="x").count()
    assert len(scanned(queries)) == 1
