"""The list as CSV."""

from __future__ import annotations

import csv
import gc
import io
import json
import re
import tracemalloc
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from django_octanist.admin import export
from django_octanist.admin.export import COLUMNS, harmless
from django_octanist.models import Lead
from django_octanist.vocabulary import FIELDS

from . import S, make, staff

EXPORT = "/admin/octanist/lead/export/"


def text_of(client: Client, **query: str) -> str:
    response = client.get(EXPORT, query)
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def exported(client: Client, **query: str) -> list[dict[str, str]]:
    return table(text_of(client, **query))


def ids(rows: Iterable[dict[str, str]]) -> list[int]:
    return [int(row["id"]) for row in rows]


def full() -> Lead:
    return make(
        name="Jolanda Doe",
        email="jolanda@example.com",
        phone="0612345678",
        note='Leaking, "badly"\nsince May',
        custom={"roof": "flät"},
        session_id="550e8400-e29b-41d4-a716-446655440000",
        linked="yes",
        source="google / cpc",
        attribution={"gclid": "AbC", "utm_source": "google"},
        consent={"ad_storage": True, "ad_user_data": False, "ad_personalization": None},
        status=S.INVALID,
        attempts=3,
        octanist_id="lead_1",
        request_id="req_1",
        error_code="VALIDATION_ERROR",
        error="typed wrong",
        created_at=datetime(2026, 3, 10, 12, tzinfo=timezone.utc),
        delivered_at=datetime(2026, 3, 10, 12, 0, 5, tzinfo=timezone.utc),
    )


@pytest.mark.django_db
class TestFile:
    def test_everything_of_a_lead(self, admin_client: Client, settings: Any) -> None:
        settings.TIME_ZONE = "Europe/Amsterdam"
        lead = full()
        (row,) = exported(admin_client)
        assert row == {
            **dict.fromkeys(COLUMNS, ""),
            "id": str(lead.pk),
            "submission_id": str(lead.submission_id),
            "captured": "2026-03-10T13:00:00+01:00",
            "status": "invalid",
            "form": "contact",
            "account": "default",
            "name": "Jolanda Doe",
            "email": "jolanda@example.com",
            "phone": "0612345678",
            "note": 'Leaking, "badly"\nsince May',
            "custom": '{"roof": "flät"}',
            "sessionId": "550e8400-e29b-41d4-a716-446655440000",
            "linked": "yes",
            "source": "google / cpc",
            "gclid": "AbC",
            "utm_source": "google",
            "ad_storage": "granted",
            "ad_user_data": "denied",
            "ad_personalization": "unknown",
            "analytics_storage": "unknown",
            "attempts": "3",
            "delivered_at": "2026-03-10T13:00:05+01:00",
            "octanist_id": "lead_1",
            "request_id": "req_1",
            "error_code": "VALIDATION_ERROR",
            "error": "typed wrong",
        }

    def test_heads(self, admin_client: Client) -> None:
        """Each field of the API by its name there. ``ID`` in capitals would be another file format for Excel."""
        text = text_of(admin_client)
        assert text.startswith("\ufeffid,submission_id,captured,")
        assert {field.name for field in FIELDS} <= set(COLUMNS)
        assert len(set(COLUMNS)) == len(COLUMNS)

    def test_headers(self, admin_client: Client) -> None:
        response = admin_client.get(EXPORT)
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert re.fullmatch(r'attachment; filename="leads-\d{4}-\d\d-\d\d\.csv"', response["Content-Disposition"])
        assert "private" in response["Cache-Control"]

    def test_without_time_zones(self, admin_client: Client, settings: Any) -> None:
        settings.USE_TZ = False
        make()
        response = admin_client.get(EXPORT)
        assert f"leads-{datetime.now():%Y-%m-%d}.csv" in response["Content-Disposition"]
        assert len(b"".join(response.streaming_content).splitlines()) == 2  # type: ignore[attr-defined]

    def test_what_was_erased_is_blank(self, admin_client: Client) -> None:
        full()
        Lead.objects.all().erase()
        (row,) = exported(admin_client)
        assert (row["name"], row["email"], row["custom"], row["sessionId"], row["error"]) == ("",) * 5
        assert (row["form"], row["ad_storage"]) == ("contact", "granted")

    def test_newest_first_and_each_once_over_many_batches(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(export, "BATCH", 3)
        made = [make().pk for _lead in range(7)]
        assert ids(exported(admin_client)) == made[::-1]
        with CaptureQueriesContext(connection) as queries:
            text_of(admin_client, created_at__gte="2020-01-01T00:00Z", o="1")
        assert not [asked["sql"] for asked in queries if "OFFSET" in asked["sql"]]

    def test_a_lead_that_comes_meanwhile_repeats_none(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(export, "BATCH", 2)
        made = [make().pk for _lead in range(4)]
        pieces: Any = admin_client.get(EXPORT).streaming_content  # type: ignore[attr-defined]
        seen = next(pieces) + next(pieces)
        make()
        assert ids(table((seen + b"".join(pieces)).decode())) == made[::-1]

    def test_the_links_query_is_the_lists(self, admin_client: Client) -> None:
        make()
        text = admin_client.get("/admin/octanist/lead/", {"status": "pending", "q": "jo@", "p": "1"}).content.decode()
        assert f'href="{EXPORT}?q=jo%40&amp;status=pending"' in text


@pytest.mark.django_db
class TestChosen:
    def test_filters_and_search(self, admin_client: Client) -> None:
        make(email="no@example.com", form="a")
        make(form="b")
        found = make(form="a", status=S.FAILED)
        assert ids(exported(admin_client, form="a", q="jo@")) == [found.pk]
        assert ids(exported(admin_client, status="failed")) == [found.pk]
        assert ids(exported(admin_client, created_at__gte="2999-01-01T00:00Z")) == []

    def test_what_the_list_refuses(self, admin_client: Client) -> None:
        assert admin_client.get(EXPORT, {"email__startswith": "j"}).status_code == 400
        assert admin_client.get(EXPORT, {"created_at__gte": "x"}).status_code == 302

    def test_only_by_get(self, admin_client: Client) -> None:
        assert admin_client.post(EXPORT).status_code == 405


@pytest.mark.django_db
class TestPermissions:
    SECRETS = ("Jolanda", "jolanda@", "0612345678", "Leaking", "flät", "550e8400", "typed wrong")

    def test_masked(self, client: Client) -> None:
        full()
        staff(client, "view_lead")
        text = text_of(client)
        assert not [secret for secret in self.SECRETS if secret in text]
        (row,) = table(text)
        assert [row[name] for name in ("name", "email", "phone", "note", "sessionId", "error")] == [
            *("J••• D•••", "j•••@e•••.com", "••• 78", "•••", "•••", "•••")
        ]
        assert json.loads(row["custom"]) == {"roof": "•••"}
        assert (row["gclid"], row["error_code"], row["octanist_id"]) == ("AbC", "VALIDATION_ERROR", "lead_1")

    def test_plain(self, client: Client) -> None:
        full()
        staff(client, "view_lead", "view_lead_personal_data")
        text = text_of(client)
        assert not [secret for secret in self.SECRETS if secret not in text]

    def test_found_out_by_nothing(self, client: Client) -> None:
        full()
        staff(client, "view_lead")
        assert exported(client, q="jolanda@") == []

    def test_without_permission(self, client: Client) -> None:
        assert client.get(EXPORT).status_code == 302
        staff(client)
        assert client.get(EXPORT).status_code == 403


class TestHarmless:
    @pytest.mark.parametrize(
        "text",
        [
            *("=1+1", "+31612345678", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"),
            *("  =1", '"=1', "'=1", ' " =1', "\xa0=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x"),
            "=cmd|' /C calc'!A0",
        ],
    )
    def test_what_may_be_a_formula(self, text: str) -> None:
        assert harmless(text) == f"'{text}"

    @pytest.mark.parametrize(
        ("text", "safe"),
        [
            ("x;=1", "x;'=1"),
            ("x; =1;-2", "x;' =1;'-2"),
            ('x;"=1', "x;'\"=1"),
            ("x\n=1", "x\n'=1"),
            ("x\r\n- a\n- b", "x\r\n'- a\n'- b"),
            ("x\t@1", "x\t'@1"),
            ("\t=1", "'\t'=1"),
        ],
    )
    def test_behind_what_may_end_a_cell(self, text: str, safe: str) -> None:
        """Where a comma is the decimal sign, a spreadsheet separates cells by semicolons."""
        assert harmless(text) == safe

    @pytest.mark.parametrize(
        "text", ["", "Jo", "a=b", "a - b", "jo@example.com", "1-2", "x; y", "a, -b", "O'Brien", '{"a": "=1"}']
    )
    def test_what_is_none_stays(self, text: str) -> None:
        assert harmless(text) == text

    def test_it_takes_no_long_time(self) -> None:
        assert harmless("\t" * 2_000).startswith("'")

    @pytest.mark.django_db
    @pytest.mark.parametrize("evil", ["=LINK(1)", "+1", "-1", "@x", '",=1', "x;=1", "\u202e=1", "a" * 5_000, "<b>"])
    def test_every_column_that_a_visitor_fills(self, admin_client: Client, evil: str) -> None:
        columns = dict.fromkeys(("form", "name", "email", "phone", "note", "session_id", "source", "error"), evil[:90])
        make(**columns, custom=evil, attribution={"gclid": evil, "utm_source": evil}, octanist_id=evil[:90])
        (row,) = exported(admin_client)
        shown = [value for value in row.values() if evil[:90] in value or evil[:90] in value.replace("'", "")]
        assert len(shown) >= 11
        assert not [value for value in row.values() if value.startswith(("=", "+", "-", "@", '"=', "\t", "\r"))]
        assert not [value for value in row.values() if ";=" in value]


def fill(leads: int) -> None:
    many = [Lead(email=f"{number}@example.com", note="n" * 1_000) for number in range(leads)]
    Lead.objects.bulk_create(many, batch_size=1_000)


def other(client: Client) -> AsyncClient:
    """The same user, under ASGI."""
    result = AsyncClient()
    result.cookies = client.cookies
    return result


@pytest.mark.django_db
class TestMemory:
    def test_a_batch_at_a_time(self, admin_client: Client) -> None:
        """All leads at once take some 100 MB, the file 25."""
        fill(20_000)
        response: Any = admin_client.get(EXPORT)
        # So that what the tests before this one left does not put off the collection of garbage.
        gc.collect()
        gc.freeze()
        gc.collect()
        tracemalloc.start()
        try:
            assert sum(piece.count(b"@example.com") for piece in response.streaming_content) == 20_000
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            gc.unfreeze()
        assert peak < 20_000_000

    def test_all_of_it_under_asgi(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export, "BATCH", 2)
        made = [make().pk for _lead in range(5)]

        async def read() -> str:
            response: Any = await other(admin_client).get(EXPORT)
            return b"".join([piece async for piece in response.streaming_content]).decode()

        assert ids(table(async_to_sync(read)())) == made[::-1]

    def test_under_asgi_nothing_is_read_ahead(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export, "BATCH", 1)
        written: list[str] = []
        monkeypatch.setattr(export, "_lines", lambda values: written.append(str(values)) or "line")
        for _lead in range(5):
            make()

        async def read() -> None:
            response: Any = await other(admin_client).get(EXPORT)
            pieces = aiter(response.streaming_content)
            for number in (1, 2, 3):
                await anext(pieces)
                assert len(written) == number

        async_to_sync(read)()


@pytest.mark.django_db(transaction=True)
def test_no_transaction_stays_open(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``ATOMIC_REQUESTS`` a view has one, which ends before the file is written."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    monkeypatch.setattr(export, "BATCH", 1)
    make()
    make()
    pieces: Any = admin_client.get(EXPORT).streaming_content  # type: ignore[attr-defined]
    for piece in pieces:
        assert piece
        assert not connection.in_atomic_block
