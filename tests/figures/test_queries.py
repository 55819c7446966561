"""How PostgreSQL finds what it counts: beside many old leads only the recent ones are looked at."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_octanist.figures import queries, taken
from django_octanist.figures.progress import catching_up
from django_octanist.figures.queries import FormKey

from . import S, stored

pytestmark = pytest.mark.django_db

LEADS = """
INSERT INTO octanist_lead (submission_id, account, form, name, email, phone, note, custom, session_id, linked,
    attribution, source, consent, sources, status, attempts, uncertain, octanist_id, request_id, error_code, error,
    created_at, delivered_at)
SELECT gen_random_uuid(), 'default', 'contact', '', 'jo@example.com', '', repeat('note ', 20), '{}', '', 'no', '{}',
    'direct', '{"ad_storage": true}', '{}',
    CASE WHEN number % 100 = 0 THEN 'failed' WHEN number % 1000 = 1 THEN 'pending' ELSE 'delivered' END,
    1, false, '', '', '', '', now() - number * interval '2 years' / 50000,
    now() - number * interval '2 years' / 50000 + interval '5 seconds'
FROM generate_series(1, 50000) AS number
"""
ATTEMPTS = """
INSERT INTO octanist_deliveryattempt (lead_id, account, started_at, duration_ms, outcome, error_code, error,
    request_id, with_session)
SELECT id, account, created_at, 5, 'delivered', '', '', '', false FROM octanist_lead
"""


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads the plans of PostgreSQL")
def test_no_table_is_read_from_end_to_end() -> None:
    run(LEADS, ATTEMPTS, "ANALYZE octanist_lead", "ANALYZE octanist_deliveryattempt")
    with CaptureQueriesContext(connection) as made:
        figures = taken.take()
    assert figures.accounts[0].spans["30d"].captured == pytest.approx(50_000 * 30 / 730.5, rel=0.02)
    asked = [query["sql"] for query in made.captured_queries if "octanist_lead" in query["sql"]]
    assert len(asked) == 4
    for sql in asked:
        assert "Seq Scan" not in plan(sql), plan(sql)
        assert "Index" in plan(sql)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads the plans of PostgreSQL")
@pytest.mark.parametrize("pending", ["", "WHERE id % 2 = 0"], ids=["all wait", "half of them"])
def test_who_catches_up_is_found_by_indexes(pending: str) -> None:
    run(LEADS, ATTEMPTS, f"UPDATE octanist_lead SET status = 'pending', next_attempt_at = created_at {pending}")
    run("UPDATE octanist_deliveryattempt SET started_at = now()", "ANALYZE octanist_deliveryattempt")
    with CaptureQueriesContext(connection) as made:
        assert catching_up(["default", "shop"], now=timezone.now()) == {"default"}
    (query,) = made.captured_queries
    assert "Seq Scan" not in plan(query["sql"]), plan(query["sql"])


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads the plans of PostgreSQL")
@pytest.mark.parametrize("days", [1, 7])
@pytest.mark.parametrize("forms", [["contact"], ["quote"], ["contact", "quote"]], ids="-".join)
def test_the_newest_of_forms_are_found_by_an_index(forms: list[str], days: int) -> None:
    run(LEADS, "UPDATE octanist_lead SET form = 'quote' WHERE id % 1000 = 0", "ANALYZE octanist_lead")
    since = timezone.now() - timedelta(days=days)
    with CaptureQueriesContext(connection) as made:
        found = queries.newest({FormKey("default", form): since for form in forms}, number=10, using="default")
    # Of the rare one there are not so many.
    assert [(row.form, row.leads) for row in found] == [("contact", 10)] * ("contact" in forms)
    (query,) = made.captured_queries
    assert "Seq Scan" not in plan(query["sql"]), plan(query["sql"])


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())


def test_rows_are_few_whatever_the_leads() -> None:
    now = timezone.now()
    for index in range(30):
        stored(now, ago=timedelta(hours=index), took=7.0 + index / 100)
    edges = [now - timedelta(days=2), now - timedelta(hours=10, minutes=30)]
    rows = queries.outcomes(edges, using="default")
    assert sorted((row.status, row.stretch, row.leads) for row in rows) == [
        (S.DELIVERED, 1, 19),
        (S.DELIVERED, 2, 11),
    ]
    assert len({row.bucket for row in rows}) == 1


@pytest.mark.parametrize("number", [0, 1, 2, 3, 7, 8])
def test_a_lead_at_an_edge_belongs_to_what_begins_there(number: int) -> None:
    now = timezone.now()
    edges = [now - timedelta(days=9 - index) for index in range(9)]
    stored(now, ago=timedelta(days=9 - number))
    assert [row.stretch for row in queries.captures(edges, using="default")] == [number + 1]


@pytest.mark.parametrize(
    ("consent", "granted"),
    [
        ({}, False),
        ({"ad_storage": None, "analytics_storage": None}, False),
        ({"ad_storage": False}, False),
        ({"ad_storage": True}, True),
        ({"ad_storage": False, "analytics_storage": True}, True),
        ({"ad_user_data": True, "ad_personalization": True}, False),
    ],
)
def test_consent(consent: dict[str, bool | None], granted: bool) -> None:
    now = timezone.now()
    stored(now, ago=timedelta(hours=1), consent=consent)
    (row,) = queries.captures([now - timedelta(days=1)], using="default")
    assert bool(row.has_consent) is granted
