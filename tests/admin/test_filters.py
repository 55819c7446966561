"""The list's filters."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils.html import strip_tags

from django_octanist.admin import filters
from django_octanist.models import Lead

from . import LIST, S, make

pytestmark = pytest.mark.django_db


def spec(client: Client, title: str, **query: str) -> Any:
    """The filter ``title``, or ``None`` where it is not shown."""
    response = client.get(LIST, query)
    assert response.status_code == 200
    changes = response.context["cl"]
    return next((list(spec.choices(changes)) for spec in changes.filter_specs if spec.title == title), None)


def offered(client: Client, title: str, **query: str) -> list[str]:
    return [str(choice["display"]) for choice in spec(client, title, **query)]


def chosen(client: Client, title: str, **query: str) -> list[str]:
    return [str(choice["display"]) for choice in spec(client, title, **query) if choice["selected"]]


def found(client: Client, **query: str) -> set[str]:
    return {lead.form for lead in client.get(LIST, query).context["cl"].result_list}


class TestForms:
    def test_those_that_there_are(self, admin_client: Client) -> None:
        for form in ("quote", "contact", "", "quote"):
            make(form=form)
        assert offered(admin_client, "form") == ["All", "(none)", "contact", "quote"]
        assert chosen(admin_client, "form") == ["All"]
        assert found(admin_client, form="") == {""}
        assert chosen(admin_client, "form", form="") == ["(none)"]

    def test_a_chosen_one_that_is_not_listed_stays(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django_octanist.admin.values.MOST", 1)
        make(form="a")
        make(form="b")
        assert offered(admin_client, "form", form="b") == ["All", "a", "b"]
        assert chosen(admin_client, "form", form="b") == ["b"]
        assert found(admin_client, form="b") == {"b"}

    def test_one_that_is_not_there(self, admin_client: Client) -> None:
        make()
        assert found(admin_client, form="nonsense") == set()
        assert chosen(admin_client, "form", form="nonsense") == ["nonsense"]

    def test_without_a_choice_there_is_no_filter(self, admin_client: Client) -> None:
        make()
        assert spec(admin_client, "form") is None
        assert spec(admin_client, "account") is None


def test_accounts(admin_client: Client) -> None:
    make(form="a")
    make(form="b", account="shop")
    assert offered(admin_client, "account") == ["All", "default", "shop"]
    assert found(admin_client, account="shop") == {"b"}


class TestStatus:
    def test_all_of_them(self, admin_client: Client) -> None:
        assert offered(admin_client, "status") == ["All", *S.labels]

    @pytest.mark.parametrize("name", ["status", "status__exact"])
    def test_by_either_name(self, admin_client: Client, name: str) -> None:
        make(form="a", status=S.FAILED)
        make(form="b")
        assert found(admin_client, **{name: "failed"}) == {"a"}
        assert chosen(admin_client, "status", **{name: "failed"}) == ["failed"]

    def test_another_choice_takes_the_place_of_the_first(self, admin_client: Client) -> None:
        make(form="a", status=S.FAILED)
        make(form="b")
        choices = spec(admin_client, "status", status__exact="failed", form="b")
        pending = next(choice["query_string"] for choice in choices if choice["display"] == "pending")
        response = admin_client.get(f"{LIST}{pending}")
        assert {lead.form for lead in response.context["cl"].result_list} == {"b"}
        assert "failed" not in choices[0]["query_string"]


@pytest.mark.parametrize(("value", "forms"), [("yes", {"a"}), ("no", {"b"}), ("refused", {"c"})])
def test_linked(admin_client: Client, value: str, forms: set[str]) -> None:
    """By the column, which stays when the session id is erased."""
    for form, linked in (("a", "yes"), ("b", "no"), ("c", "refused")):
        make(form=form, linked=linked, session_id="")
    assert found(admin_client, linked=value) == forms
    assert offered(admin_client, "pixel session") == ["All", *Lead.Linked.labels]


class TestSources:
    def test_the_frequent_ones_of_the_newest_leads(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(filters, "NEWEST", 4)
        monkeypatch.setattr(filters, "MOST_SOURCES", 2)
        for source in ("old", "old", "old", "google / cpc", "direct", "google / cpc", "gclid"):
            make(source=source)
        assert offered(admin_client, "source")[:2] == ["All", "google / cpc"]
        assert len(offered(admin_client, "source")) == 3
        assert chosen(admin_client, "source", source="old") == ["old"]

    def test_found(self, admin_client: Client) -> None:
        make(form="a", source="google / cpc")
        make(form="b", source="direct")
        assert found(admin_client, source="google / cpc") == {"a"}


class TestCaptured:
    def test_spans(self, admin_client: Client) -> None:
        make(form="old", created_at="2020-01-01T00:00Z")
        make(form="new")
        today = next(choice for choice in spec(admin_client, "captured") if choice["display"] == "Today")
        response = admin_client.get(f"{LIST}{today['query_string']}")
        assert {lead.form for lead in response.context["cl"].result_list} == {"new"}

    def test_a_span_of_ones_own_is_shown(self, admin_client: Client) -> None:
        span = {"created_at__gte": "2026-03-10 12:00:00+00:00", "created_at__lt": "2026-03-11T12:00Z"}
        (shown,) = chosen(admin_client, "captured", **span)
        assert "March 10, 2026" in shown
        assert "March 11, 2026" in shown
        (shown,) = chosen(admin_client, "captured", created_at__gte="2026-03-10T12:00Z")
        assert shown.startswith("March 10, 2026")
        assert chosen(admin_client, "captured") == ["Any date"]


def test_hostile_values_are_shown_harmlessly(admin_client: Client) -> None:
    evil = "<script>alert(1)</script>"
    make(form=evil, account=evil, source=evil)
    make()
    text = admin_client.get(LIST, {"form": evil, "source": evil}).content.decode()
    assert evil not in text
    assert strip_tags(text).count("alert(1)") >= 3


def test_nothing_is_counted_beside_the_choices(admin_client: Client, django_assert_max_num_queries: Any) -> None:
    make()
    with django_assert_max_num_queries(12):
        text = admin_client.get(LIST, {"_facets": "True"}).content.decode()
    assert "Show counts" not in text
    assert "Hide counts" not in text
