"""Other leads of the person whose lead is to be erased."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from django_octanist.admin import others as others_module
from django_octanist.admin.others import others

from . import LIST, make, staff

pytestmark = pytest.mark.django_db


def confirmation(client: Client, key: int, act: str = "erase") -> str:
    return client.get(f"{LIST}{key}/{act}/").content.decode()


def test_they_are_said_and_listed(admin_client: Client) -> None:
    lead, *_more = (make(email=email) for email in ("jo+a@example.com", "Jo+A@example.com", "jo@example.com"))
    text = confirmation(admin_client, lead.pk)
    found = re.search(r'<a href="([^"]+)">1 other lead has this e-mail address\.</a>', text)
    assert found
    assert "2 leads" in admin_client.get(found[1]).content.decode()


def test_many(monkeypatch: pytest.MonkeyPatch) -> None:
    lead, *_more = (make() for _number in range(4))
    assert others(lead, site=admin.site).text == "3 other leads have this e-mail address."  # type: ignore[union-attr]
    monkeypatch.setattr(others_module, "MOST", 2)
    assert others(lead, site=admin.site).text == "2+ other leads have this e-mail address."  # type: ignore[union-attr]


def test_none() -> None:
    make(email="other@example.com")
    assert others(make(), site=admin.site) is None


def test_without_an_address() -> None:
    make(email="", name="Jo")
    assert others(make(email="", name="Jo"), site=admin.site) is None


def test_two_queries(django_assert_num_queries: Any) -> None:
    lead, _other = make(), make()
    with django_assert_num_queries(2):
        others(lead, site=admin.site)


def test_only_where_a_person_is_erased(admin_client: Client) -> None:
    lead, _other = make(), make()
    assert "e-mail address" not in confirmation(admin_client, lead.pk, "cancel")


@pytest.mark.parametrize("personal", [True, False])
def test_only_who_may_see_personal_data(client: Client, personal: bool) -> None:
    lead, _other = make(), make()
    staff(client, "view_lead", "erase_lead", *(["view_lead_personal_data"] if personal else []))
    text = confirmation(client, lead.pk)
    assert ("other lead has this" in text) is personal
    assert ("q=jo" in text) is personal
