"""The list of leads."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_octanist.admin import changelist
from django_octanist.models import Lead

from . import LIST, S, make, page, staff

pytestmark = pytest.mark.django_db


def listed(client: Client, **query: str) -> list[Lead]:
    response = client.get(LIST, query)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def lead_queries(client: Client, **query: str) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get(LIST, query)
    return [asked["sql"] for asked in queries if "octanist_lead" in asked["sql"]]


class TestList:
    def test_what_a_lead_is_and_where_it_stands(self, admin_client: Client) -> None:
        lead = make(
            status=S.FAILED,
            source="google / cpc",
            linked=Lead.Linked.REFUSED,
            attempts=20,
            error_code="INTERNAL_ERROR",
            error="server error",
        )
        text = admin_client.get(LIST).content.decode()
        for shown in ("failed", "contact", "jo@example.com", "google / cpc", "refused", "20", "server error"):
            assert shown in text
        assert f'href="{page(lead)}' in text

    def test_the_account_is_shown_where_there_are_several(self, admin_client: Client) -> None:
        make()
        assert ">default<" not in admin_client.get(LIST).content.decode()
        make(account="shop")
        assert ">default<" in admin_client.get(LIST).content.decode()

    def test_newest_first_or_last(self, admin_client: Client) -> None:
        first, second = make(), make()
        assert [lead.pk for lead in listed(admin_client)] == [second.pk, first.pk]
        assert [lead.pk for lead in listed(admin_client, o="1")] == [first.pk, second.pk]

    @pytest.mark.parametrize("column", ["2", "-3", "4.5", "99", "x"])
    def test_nothing_else_sorts(self, admin_client: Client, column: str) -> None:
        first, second = make(form="a", email="z@example.com", status=S.FAILED), make(form="b")
        assert [lead.pk for lead in listed(admin_client, o=column)] == [second.pk, first.pk]

    def test_twelve_queries_at_most_however_many_leads(
        self, client: Client, django_assert_max_num_queries: Any
    ) -> None:
        """For somebody whose permissions have to be asked for, with all filters and a search that needs a query."""
        staff(client, "view_lead", "view_lead_personal_data", "replay_lead", "erase_lead")
        for number in range(60):
            make(email=f"{number}@example.com", account=f"account {number % 3}", error="no connection")
        with django_assert_max_num_queries(12):
            response = client.get(LIST, {"source": "", "created_at__gte": "2020-01-01 00:00Z", "q": "@example"})
        assert len(response.context["cl"].result_list) == 50

    def test_long_columns_are_not_read(self, admin_client: Client) -> None:
        make()
        assert not [sql for sql in lead_queries(admin_client) if '"note"' in sql or "`note`" in sql]


class TestCount:
    @pytest.fixture
    def most(self, monkeypatch: pytest.MonkeyPatch) -> int:
        """Pages of two of at most four leads."""
        monkeypatch.setattr(changelist, "MOST_COUNTED", 4)
        monkeypatch.setattr(changelist.LeadList, "list_per_page", 2)
        return 4

    def test_no_more_leads_are_counted_than_are_said(self, admin_client: Client, most: int) -> None:
        for _lead in range(most + 3):
            make()
        asked = lead_queries(admin_client)
        assert not [sql for sql in asked if "COUNT(" in sql]
        assert [sql for sql in asked if sql.endswith(f"LIMIT {most + 1}")]

    def test_more_than_are_counted(self, admin_client: Client, most: int) -> None:
        for _lead in range(most + 1):
            make()
        response = admin_client.get(LIST, {"p": "2"})
        text = response.content.decode()
        assert len(response.context["cl"].result_list) == 2
        for shown in ("4+ leads", "Select all 4+ leads", "All 4+ selected"):
            assert shown in text
        assert "4 leads" not in text
        assert "4 results" not in admin_client.get(LIST, {"q": "jo@"}).content.decode()

    def test_no_more_than_are_counted(self, admin_client: Client, most: int) -> None:
        for _lead in range(most):
            make()
        text = admin_client.get(LIST, {"q": "jo@"}).content.decode()
        for shown in ("4 leads", "Select all 4 leads", "All 4 selected", "4 results"):
            assert shown in text
        assert "4+ " not in text

    def test_a_page_that_is_not_there(self, admin_client: Client, most: int) -> None:
        for _lead in range(most + 2):
            make()
        assert admin_client.get(LIST, {"p": "3"}).status_code == 302

    def test_thousands(self, admin_client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.USE_THOUSAND_SEPARATOR = True
        monkeypatch.setattr(changelist.CappedPaginator, "_keys", [*range(10_001)])
        make()
        assert "10,000+ leads" in admin_client.get(LIST).content.decode()

    def test_there_is_no_way_to_have_all_on_one_page(self, admin_client: Client) -> None:
        for _lead in range(51):
            make()
        assert len(listed(admin_client, all="")) == 50
        assert "showall" not in admin_client.get(LIST).content.decode()


class TestAddress:
    """What may stand in the list's address."""

    @pytest.mark.parametrize(
        "query",
        [
            {"status": "failed"},
            {"status__exact": "failed"},
            {"form": "x"},
            {"form__exact": "x"},
            {"account": "second"},
            {"linked": "yes"},
            {"source": "direct"},
            {"created_at__gte": "2026-01-01 00:00:00+00:00", "created_at__lt": "2027-01-01T00:00Z"},
        ],
    )
    def test_what_the_filters_know(self, admin_client: Client, query: dict[str, str]) -> None:
        make(created_at="2025-01-01T00:00Z")
        found = make(
            status=S.FAILED,
            form="x",
            account="second",
            linked="yes",
            source="direct",
            created_at="2026-06-01T00:00Z",
        )
        assert [lead.pk for lead in listed(admin_client, **query)] == [found.pk]

    @pytest.mark.parametrize(
        "lookup",
        [
            *("email__startswith", "email", "email_lower__startswith", "name__contains", "phone", "note", "error"),
            *("custom__roof", "dedupe_key", "session_id", "form__startswith", "status__in", "status__regex", "id__in"),
            *("created_at", "created_at__year", "created_at__isnull", "attribution__gclid", "octanist_id", "nonsense"),
            *("delivery_attempts", "delivery_attempts__error__startswith", "delivery_attempts__outcome"),
        ],
    )
    def test_nothing_else_for_anybody(self, admin_client: Client, lookup: str) -> None:
        """It would say what is masked, by whether something is found; or would look at every lead."""
        make()
        assert admin_client.get(LIST, {lookup: "x"}).status_code == 400

    @pytest.mark.parametrize("query", [{"form": "a\0b"}, {"status": "\0"}])
    def test_what_no_database_takes(self, admin_client: Client, query: dict[str, str]) -> None:
        assert admin_client.get(LIST, query).status_code == 400

    def test_a_date_that_is_none(self, admin_client: Client) -> None:
        assert admin_client.get(LIST, {"created_at__gte": "yesterday"}).url == f"{LIST}?e=1"  # type: ignore[attr-defined]

    def test_a_span_of_time_is_walked_in_the_order_of_time(self, admin_client: Client) -> None:
        """By key, a database might walk from the newest lead to the first one of the span."""
        response = admin_client.get(LIST, {"created_at__lt": "2027-01-01 00:00Z"})
        assert response.context["cl"].queryset.query.order_by == ("-created_at", "-id")
        response = admin_client.get(LIST, {"created_at__lt": "2027-01-01 00:00Z", "o": "1"})
        assert response.context["cl"].queryset.query.order_by == ("created_at", "id")
        assert admin_client.get(LIST).context["cl"].queryset.query.order_by == ("-id",)
