"""Distinct values, each found by one look at an index."""

from __future__ import annotations

from typing import Any

import pytest

from django_octanist.admin import values

from . import S, make

pytestmark = pytest.mark.django_db


def test_each_once_in_order() -> None:
    for form in ("quote", "", "contact", "quote", "it's; 100%", "Ünïcode", "contact"):
        make(form=form)
    found = values.distinct("form")
    assert set(found) == {"", "contact", "quote", "it's; 100%", "Ünïcode"}
    assert len(found) == 5


def test_without_leads() -> None:
    assert values.distinct("form") == []
    assert values.accounts() == {}


def test_no_more_than_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MOST", 3)
    for number in range(5):
        make(form=f"form {number}")
    assert values.distinct("form") == ["form 0", "form 1", "form 2"]


def test_accounts_and_whether_their_leads_wait(django_assert_num_queries: Any) -> None:
    make(account="done", status=S.DELIVERED)
    make(account="waits", status=S.DELIVERED)
    make(account="waits")
    with django_assert_num_queries(1):
        assert values.accounts() == {"done": False, "waits": True}
