from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test import override_settings
from django.utils import timezone

from django_octanist.clock import elapsed
from django_octanist.delivery.claims import CALLS_PER_LEAD, Claim, claim, lease_seconds
from django_octanist.models import UNCERTAIN_SECONDS, Lead

from . import claimed, let_time_pass, make_lead, make_leads

pytestmark = pytest.mark.django_db


def taken(**named: Any) -> list[Claim]:
    return claim("default", **{"limit": 10, "senders": 8} | named)


def ids(claims: list[Claim]) -> list[int]:
    return [item.lead.pk for item in claims]


def test_a_claim_takes_the_lead_out_of_everybody_elses_hands() -> None:
    lead = make_lead()
    (item,) = taken()
    lead.refresh_from_db()
    assert lead.lease == item.lead.lease is not None
    assert (item.lead, item.probe) == (lead, False)
    assert lead.next_attempt_at is not None
    assert lead.next_attempt_at > timezone.now()
    assert lead.status == Lead.Status.PENDING
    assert lead.uncertain is False
    assert taken() == []


def test_each_claim_has_its_own_token() -> None:
    make_leads(2)
    (first,) = taken(limit=1)
    (second,) = taken(limit=1)
    assert first.lead.lease != second.lead.lease


@pytest.mark.parametrize("status", [status for status in Lead.Status if status != Lead.Status.PENDING])
def test_only_pending_leads_are_claimed(status: Lead.Status) -> None:
    make_lead(status=status)
    assert taken() == []


def test_only_what_is_due_is_claimed() -> None:
    make_lead(next_attempt_at=timezone.now() + timedelta(minutes=1))
    make_lead(next_attempt_at=None)
    assert taken() == []


def test_only_the_account_that_was_asked_for() -> None:
    make_lead(account="other")
    mine = make_lead()
    assert ids(taken()) == [mine.pk]


def test_the_oldest_due_first_and_no_more_than_the_limit() -> None:
    leads = make_leads(5)
    Lead.objects.filter(pk=leads[4].pk).update(next_attempt_at=timezone.now() - timedelta(days=1))
    assert ids(taken(limit=2)) == [leads[0].pk, leads[4].pk]


@pytest.mark.parametrize(
    ("oldest", "expected"), [(False, ["never tried", "tried twice"]), (True, ["tried twice", "never tried"])]
)
def test_probes_take_turns(oldest: bool, expected: list[str]) -> None:
    now = timezone.now()
    make_lead(form="tried twice", attempts=2, next_attempt_at=now - timedelta(hours=2))
    make_lead(form="never tried", next_attempt_at=now - timedelta(hours=1))
    items = [taken(limit=1, probe=True, oldest=oldest)[0] for _ in expected]
    assert [item.lead.form for item in items] == expected
    assert all(item.probe for item in items)


# The lease


def test_a_lease_that_ran_out_means_that_the_lead_may_have_been_sent() -> None:
    make_lead()
    (first,) = taken()
    let_time_pass(seconds=lease_seconds(batch=10, senders=8) + UNCERTAIN_SECONDS + 1)
    (second,) = taken()
    assert second.lead.uncertain is True
    assert second.lead.lease != first.lead.lease


def test_a_lead_that_was_given_back_is_not_uncertain() -> None:
    make_lead()
    assert len(taken()) == 1
    Lead.objects.update(lease=None, next_attempt_at=timezone.now())
    (item,) = taken()
    assert item.lead.uncertain is False


def test_doubt_stays_with_a_lead_that_is_claimed_again() -> None:
    make_lead(uncertain=True)
    (item,) = taken()
    assert item.lead.uncertain is True


def test_a_lost_lead_is_due_no_sooner_than_30_s_after_the_last_moment_to_send() -> None:
    make_lead()
    (item,) = taken()
    assert item.lead.next_attempt_at is not None
    ends = timezone.now() + timedelta(seconds=item.ends - elapsed())
    # Both clocks are read a moment apart.
    assert item.lead.next_attempt_at - ends > timedelta(seconds=UNCERTAIN_SECONDS - 1)


@pytest.mark.parametrize(
    ("batch", "senders", "rounds"), [(1, 1, 4), (1, 8, 3), (8, 8, 4), (9, 8, 5), (32, 8, 10), (4, 0, 10), (100, 1, 202)]
)
@override_settings(OCTANIST_TIMEOUT=7.0)
def test_a_lease_outlasts_the_worst_wait_of_its_batch(batch: int, senders: int, rounds: int) -> None:
    assert lease_seconds(batch=batch, senders=senders) == rounds * CALLS_PER_LEAD * 7.0 + 10


def test_whether_a_lease_lasts() -> None:
    item = claimed(Lead())
    assert item.lasts(seconds=50)
    assert not item.lasts(seconds=61)


# Several claimers


@pytest.fixture
def somebody_else() -> Any:
    """Run what somebody else does between a claimer's choice and its update."""

    def between(act: Callable[[], None]) -> Any:
        def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if sql.startswith("UPDATE") and not done:
                done.append(True)
                act()
            return execute(sql, params, many, context)

        done: list[bool] = []
        return connection.execute_wrapper(wrapper)

    return between


def test_what_somebody_else_took_meanwhile_stays_theirs(somebody_else: Any) -> None:
    theirs, mine = make_leads(2)
    token, later = uuid.uuid4(), timezone.now() + timedelta(minutes=5)
    act = Lead.objects.filter(pk=theirs.pk).update
    with somebody_else(lambda: act(lease=token, next_attempt_at=later)):
        assert ids(taken()) == [mine.pk]
    theirs.refresh_from_db()
    assert (theirs.lease, theirs.next_attempt_at) == (token, later)


def test_what_was_cancelled_meanwhile_is_not_sent(somebody_else: Any) -> None:
    make_lead()
    with somebody_else(Lead.objects.cancel):
        assert taken() == []


@pytest.mark.django_db(transaction=True)
def test_claimers_at_once_never_take_the_same_lead() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("threads share one connection to SQLite in memory")
    leads = make_leads(120)
    found: list[list[int]] = []
    start = threading.Barrier(4)

    def take_all() -> None:
        mine: list[int] = []
        try:
            start.wait(10)
            while items := taken(limit=7):
                mine += ids(items)
        finally:
            connections.close_all()
            found.append(mine)

    threads = [threading.Thread(target=take_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(pk for mine in found for pk in mine) == sorted(lead.pk for lead in leads)


@pytest.mark.django_db(transaction=True)
def test_a_claimer_does_not_wait_for_rows_that_another_has_locked() -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("the database cannot skip locked rows")
    locked, free = make_leads(2)
    holds, release = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                list(Lead.objects.select_for_update().filter(pk=locked.pk))
                holds.set()
                release.wait(20)
        finally:
            connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert holds.wait(10)
        assert ids(taken()) == [free.pk]
    finally:
        release.set()
        thread.join(20)


@pytest.mark.django_db(transaction=True)
def test_a_claim_whose_acknowledgement_is_lost_is_still_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its leads, which nobody sent, would be uncertain once the lease ran out."""
    leads = make_leads(3)
    lost: list[str] = []

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        # What follows the committed update is lost once.
        if lost == ["UPDATE"] and sql.startswith("SELECT"):
            lost.append("SELECT")
            raise OperationalError("server closed the connection unexpectedly")
        if sql.startswith("UPDATE"):
            lost.append("UPDATE")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        assert ids(taken()) == [lead.pk for lead in leads]
    assert lost == ["UPDATE", "SELECT"]
    assert not Lead.objects.filter(uncertain=True).exists()
