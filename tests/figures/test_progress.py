"""Which accounts catch up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_octanist.figures.progress import catching_up
from django_octanist.models import DeliveryAttempt, Lead

from . import S, attempted, stored

pytestmark = pytest.mark.django_db

O = DeliveryAttempt.Outcome  # noqa: E741 - as short as the table is wide


def backlog(**values: Any) -> Lead:
    """Store leads of "shop" that have waited for three hours; return the last."""
    now = timezone.now()
    return [stored(now, ago=timedelta(hours=3), account="shop", **values) for _index in range(3)][-1]


def found(*accounts: str) -> set[str]:
    return set(catching_up(accounts, now=timezone.now()))


@pytest.mark.parametrize(
    ("outcomes", "seconds", "expected"),
    [
        ([O.DELIVERED], 1, True),
        ([O.FOUND], 1, True),
        # Octanist took a decision.
        ([O.INVALID], 1, True),
        ([O.REJECTED], 1, True),
        # One that failed among others that are delivered.
        ([O.DELIVERED, O.LATER, O.UNCERTAIN], 1, True),
        ([O.DELIVERED], 110, True),
        ([O.DELIVERED], 130, False),
        ([O.LATER, O.UNREACHABLE, O.UNCERTAIN], 1, False),
        ([O.UNAUTHORIZED], 1, False),
        ([], 1, False),
    ],
)
def test_by_its_latest_answer(outcomes: list[DeliveryAttempt.Outcome], seconds: int, expected: bool) -> None:
    lead = backlog()
    for outcome in outcomes:
        attempted(lead, timezone.now() - timedelta(seconds=seconds), outcome=outcome)
    assert found("shop", "default") == ({"shop"} if expected else set())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"attempts": 5}, False),
        ({"attempts": 4}, True),
        ({"attempts": 9, "status": S.FAILED}, True),
        ({"attempts": 9, "account": "default"}, True),
    ],
)
def test_not_where_one_lead_is_tried_in_vain(values: dict[str, Any], expected: bool) -> None:
    """However many others are delivered meanwhile: in the end it is the first of those that wait."""
    backlog_of_its_own = {"account": "shop", **values}
    stored(timezone.now(), ago=timedelta(hours=4), **backlog_of_its_own)
    attempted(backlog(), timezone.now(), outcome=O.DELIVERED)
    assert bool(found("shop")) is expected


def test_each_account_by_itself(django_assert_num_queries: Any) -> None:
    names = [f"shop-{number}" for number in range(40)]
    for name in names[:20]:
        attempted(stored(timezone.now(), ago=timedelta(hours=2), account=name), timezone.now(), outcome=O.DELIVERED)
    with django_assert_num_queries(1):
        assert found(*names) == {*names[:20]}


def test_nobody_to_ask_for(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert found() == set()
