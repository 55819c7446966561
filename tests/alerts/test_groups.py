from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from django_octanist import transactions
from django_octanist.alerts import groups
from django_octanist.alerts.groups import OVERDUE
from django_octanist.models import AlertGroup

from . import HOUR, let_pass

pytestmark = pytest.mark.django_db


def rows() -> list[Any]:
    return list(AlertGroup.objects.order_by("pk").values_list("kind", "account", "waiting"))


def test_the_first_is_told_and_what_follows_is_counted() -> None:
    first = groups.count("invalid", "shop", 2)
    assert first is not None
    assert (first.number, first.before) == (2, None)
    assert [groups.count("invalid", "shop", number) for number in (1, 3)] == [None, None]
    assert rows() == [("invalid", "shop", 4)]
    let_pass(HOUR)
    second = groups.count("invalid", "shop", 1)
    assert second is not None
    assert second.number == 5
    assert second.before == first.at - HOUR
    assert rows() == [("invalid", "shop", 0)]


def test_each_kind_and_account_by_itself() -> None:
    assert groups.count("invalid", "shop", 1)
    assert groups.count("failed", "shop", 1)
    assert groups.count("invalid", "default", 1)
    assert groups.claim("resumed", "shop")
    assert groups.count("invalid", "shop", 1) is None


def test_claimed_once_an_hour() -> None:
    assert groups.claim("resumed", "shop")
    let_pass(HOUR - timedelta(minutes=1))
    assert groups.claim("resumed", "shop") is None
    let_pass(timedelta(minutes=1))
    assert groups.claim("resumed", "shop")
    assert groups.claim("resumed", "shop") is None


def test_another_interval() -> None:
    assert groups.claim(OVERDUE, "shop", interval=6 * HOUR)
    let_pass(5 * HOUR)
    assert groups.claim(OVERDUE, "shop", interval=6 * HOUR) is None
    let_pass(HOUR)
    assert groups.claim(OVERDUE, "shop", interval=6 * HOUR)


def test_who_comes_second_tells_nothing() -> None:
    """Two processes found the same row: what one of them read is not true any more."""
    AlertGroup.objects.create(kind="invalid", account="shop", waiting=3)
    mine, theirs = AlertGroup.objects.get(), AlertGroup.objects.get()
    now = timezone.now()
    assert groups.take(mine, now=now)
    assert groups.take(theirs, now=now) is None


@contextmanager
def somebody_in_between(change: Callable[[], object]) -> Iterator[None]:
    """Let another process make ``change`` right after this one has read."""

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith("SELECT") and "octanist_alertgroup" in sql and left:
            left.pop()()
        return result

    left = [change]
    with connection.execute_wrapper(wrapper):
        yield
    assert not left


def test_who_claims_second_tells_nothing() -> None:
    groups.claim("resumed", "shop")
    let_pass(HOUR)
    with somebody_in_between(lambda: AlertGroup.objects.update(told_at=timezone.now())):
        assert groups.claim("resumed", "shop") is None


def test_who_claims_first_of_all_second_tells_nothing() -> None:
    def claim() -> None:
        AlertGroup.objects.create(kind="resumed", account="shop", told_at=timezone.now())

    with somebody_in_between(claim):
        assert groups.claim("resumed", "shop") is None


def test_who_counts_first_of_all_second_is_counted() -> None:
    def count() -> None:
        AlertGroup.objects.create(kind="invalid", account="shop", told_at=timezone.now(), waiting=2)

    with somebody_in_between(count):
        assert groups.count("invalid", "shop", 3) is None
    assert rows() == [("invalid", "shop", 5)]


def test_what_comes_while_it_is_taken_is_not_lost() -> None:
    AlertGroup.objects.create(kind="invalid", account="shop", waiting=3)
    found = AlertGroup.objects.get()
    AlertGroup.objects.update(waiting=5)
    telling = groups.take(found, now=timezone.now())
    assert telling is not None
    assert telling.number == 3
    assert rows() == [("invalid", "shop", 2)]


@pytest.mark.parametrize("earlier", [0, 4])
def test_what_could_not_be_told_is_told_yet(earlier: int) -> None:
    before = None
    if earlier:
        before = timezone.now() - 2 * HOUR
        AlertGroup.objects.create(kind="invalid", account="shop", told_at=before, waiting=earlier)
    telling = groups.count("invalid", "shop", 2)
    assert telling is not None
    groups.count("invalid", "shop", 1)
    groups.give_back(telling)
    assert rows() == [("invalid", "shop", earlier + 3)]
    assert AlertGroup.objects.get().told_at == before
    again = groups.count("invalid", "shop", 1)
    assert again is not None
    assert (again.number, again.before) == (earlier + 4, before)


def test_what_somebody_else_has_told_since_is_not_given_back() -> None:
    telling = groups.count("invalid", "shop", 2)
    assert telling is not None
    AlertGroup.objects.update(told_at=telling.at + timedelta(minutes=1))
    groups.give_back(telling)
    assert rows() == [("invalid", "shop", 0)]


def test_unsettled() -> None:
    assert groups.unsettled() == []
    groups.count("invalid", "shop", 1)
    groups.claim("resumed", "shop")
    assert groups.unsettled() == []
    groups.count("invalid", "shop", 1)
    groups.claim(OVERDUE, "shop")
    assert {group.kind for group in groups.unsettled()} == {"invalid", OVERDUE}


def test_ended_no_sooner_than_after_an_hour() -> None:
    groups.claim(OVERDUE, "shop")
    groups.claim(OVERDUE, "default")
    let_pass(HOUR)
    (shop, default) = groups.unsettled()
    AlertGroup.objects.filter(pk=default.pk).update(told_at=timezone.now())
    groups.end([shop, default], now=timezone.now())
    assert rows() == [(OVERDUE, "default", 0)]


# Only outside of somebody else's transaction can anything be done again.
@pytest.mark.django_db(transaction=True)
def test_a_database_that_refuses_it_for_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and refusals:
            raise refusals.pop()
        return execute(sql, params, many, context)

    monkeypatch.setattr(transactions, "PAUSES", (0.0,))
    groups.count("invalid", "shop", 1)
    refusals = [OperationalError("could not serialize access due to concurrent update")]
    with connection.execute_wrapper(wrapper):
        groups.count("invalid", "shop", 1)
    assert rows() == [("invalid", "shop", 1)]


def test_what_fails_takes_no_transaction_along() -> None:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        # As where the migration has not been run.
        return execute(sql.replace("octanist_alertgroup", "octanist_nothing"), params, many, context)

    with transaction.atomic():
        with connection.execute_wrapper(wrapper), pytest.raises(Exception, match="octanist_nothing"):
            groups.count("invalid", "shop", 1)
        assert not AlertGroup.objects.exists()
