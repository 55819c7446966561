"""What Octanist answers, or fails to, to many workers at once: nothing is lost, twice, or hammered."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import pytest

from django_octanist.models import DeliveryAttempt, DeliveryPause, Lead
from tests.faults import (
    API_KEY,
    FakeOctanist,
    Workers,
    invariant,
    let_it_finish,
    make_due,
    make_leads,
    make_probes_due,
    wait_until,
)

WORKERS, SENDERS = 3, 4
IN_FLIGHT = WORKERS * SENDERS
CONCURRENCY = [f"--concurrency={SENDERS}"]


def delivered() -> int:
    return Lead.objects.filter(status=Lead.Status.DELIVERED).count()


def is_paused(reason: DeliveryPause.Reason) -> bool:
    """Whether the account is paused, and nobody has anything of it in hand any more."""
    at_rest = not Lead.objects.exclude(lease=None).exists()
    return at_rest and DeliveryPause.objects.filter(reason=reason).exists()


def requests_of(octanist: FakeOctanist) -> int:
    number: int = octanist.counters()["requests"]
    return number


@pytest.mark.parametrize("fault", ["lose_answer", "error_after"])
def test_one_answer_in_ten_is_lost_after_the_lead_was_created(
    workers: Workers, octanist: FakeOctanist, fault: str
) -> None:
    make_leads(300)
    octanist.control(latency=[0.0, 0.03], **{fault: 0.1})
    workers.start(WORKERS, arguments=CONCURRENCY)
    let_it_finish(workers)
    invariant(octanist, committed=300, delivered=300)
    found = DeliveryAttempt.objects.filter(outcome=DeliveryAttempt.Outcome.FOUND).count()
    assert 5 <= found <= 80
    # What Octanist had was looked up, never sent again.
    assert Counter(octanist.counters()["by_submission"].values()) == {1: 300}


def test_errors_before_and_after_the_creation_at_once(workers: Workers, octanist: FakeOctanist) -> None:
    make_leads(300)
    octanist.control(latency=[0.0, 0.03], error_before=0.1, error_after=0.05, lose_answer=0.05)
    workers.start(WORKERS, arguments=CONCURRENCY)
    let_it_finish(workers)
    invariant(octanist, committed=300, delivered=300)


def test_a_list_that_shows_leads_late(workers: Workers, octanist: FakeOctanist) -> None:
    """An uncertain lead is looked up no sooner than 30 s after its attempt; until then, others are sent."""
    make_leads(40)
    octanist.control(lose_answer=1.0, hidden=20.0)
    workers.start(arguments=CONCURRENCY)
    wait_until(lambda: is_paused(DeliveryPause.Reason.OUTAGE), what="the account is paused")
    uncertain = Lead.objects.filter(uncertain=True)
    lost = len(octanist.ledger())
    assert uncertain.count() == lost
    for lead in uncertain:
        assert lead.next_attempt_at is not None
        assert lead.next_attempt_at >= lead.delivery_attempts.get().started_at + timedelta(seconds=30)
    octanist.control(lose_answer=0.0)
    make_probes_due()
    wait_until(lambda: delivered() == 40 - lost, what="the rest is delivered")
    assert octanist.counters()["searches"] == 0
    # As if the 20 s had passed.
    octanist.control(hidden=0.0)
    let_it_finish(workers)
    invariant(octanist, committed=40, delivered=40)
    assert octanist.counters()["searches"] == lost


def test_a_storm_of_500_and_recovery_without_a_stampede(workers: Workers, octanist: FakeOctanist) -> None:
    make_leads(200)
    octanist.control(status=500, latency=0.02)
    workers.start(WORKERS, arguments=CONCURRENCY)
    wait_until(lambda: is_paused(DeliveryPause.Reason.OUTAGE), what="the account is paused")
    # A worker that saw no pause may still be about to claim.
    workers.look_again()
    # Five in a row, and what was in flight or begun before each worker heard of it.
    assert requests_of(octanist) <= 5 + 3 * IN_FLIGHT
    invariant(octanist, committed=200, delivered=0)

    for _probe in range(4):
        octanist.control(reset=True)
        make_due()
        make_probes_due()
        # The probe that failed has put off the next one.
        wait_until(is_put_off, what="a probe was sent, and failed")
        workers.look_again()
        # A look-up or a POST.
        assert requests_of(octanist) == 1

    octanist.control(reset=True, status=None, latency=0.02)
    let_it_finish(workers)
    invariant(octanist, committed=200, delivered=200)
    assert octanist.counters()["max_in_flight"] <= IN_FLIGHT
    # Everything was sent once more at the most, and what was uncertain was asked for once.
    assert octanist.counters()["posts"] == 200
    assert octanist.counters()["searches"] <= 5 + 3 * IN_FLIGHT + 4


def is_put_off() -> bool:
    row = DeliveryPause.objects.get()
    return row.probe_at.timestamp() > time.time() and not Lead.objects.exclude(lease=None).exists()


def test_an_outage_of_any_length_fails_no_lead(workers: Workers, octanist: FakeOctanist) -> None:
    """Each round is a pause that ran out, with every lead due: together far more than the attempts that they have."""
    make_leads(6)
    octanist.control(status=503)
    workers.start(2, arguments=CONCURRENCY, OCTANIST_MAX_ATTEMPTS=3)
    wait_until(lambda: is_paused(DeliveryPause.Reason.OUTAGE), what="the account is paused")
    for _probe in range(20):
        make_due()
        make_probes_due()
        wait_until(is_put_off, what="a probe was sent, and failed")
    assert set(Lead.objects.values_list("status", flat=True)) == {Lead.Status.PENDING}
    octanist.control(status=None)
    let_it_finish(workers)
    invariant(octanist, committed=6, delivered=6)


def test_300_leads_behind_a_wrong_key(workers: Workers, octanist: FakeOctanist) -> None:
    make_leads(300)
    octanist.control(key="another", latency=0.02)
    workers.start(WORKERS, arguments=CONCURRENCY)
    wait_until(lambda: is_paused(DeliveryPause.Reason.UNAUTHORIZED), what="the account is paused")
    workers.look_again()
    # What was in flight when the first answer came; a worker that starts later sees the pause.
    handful = requests_of(octanist)
    assert handful <= 2 * IN_FLIGHT
    for _probe in range(3):
        octanist.control(reset=True)
        make_probes_due()
        wait_until(is_put_off, what="a probe was sent, and failed")
        workers.look_again()
        assert requests_of(octanist) == 1
    untouched = Lead.objects.filter(status=Lead.Status.PENDING, attempts=0, uncertain=False, lease=None)
    assert untouched.count() == 300
    assert octanist.ledger() == []

    octanist.control(reset=True, key=API_KEY)
    make_probes_due()
    wait_until(lambda: delivered() == 300, what="every lead delivered")
    invariant(octanist, committed=300, delivered=300)
    assert requests_of(octanist) == 300
    assert octanist.counters()["max_in_flight"] <= IN_FLIGHT
    assert set(Lead.objects.values_list("attempts", flat=True)) == {1}


def test_a_key_that_is_refused_amid_the_work(workers: Workers, octanist: FakeOctanist) -> None:
    make_leads(200)
    octanist.control(latency=0.02)
    workers.start(WORKERS, arguments=CONCURRENCY)
    wait_until(lambda: delivered() >= 50, what="50 leads delivered")
    octanist.control(key="another")
    wait_until(lambda: is_paused(DeliveryPause.Reason.UNAUTHORIZED), what="the account is paused")
    assert octanist.counters()["unauthorized"] <= 3 * IN_FLIGHT
    octanist.control(key=API_KEY)
    let_it_finish(workers)
    invariant(octanist, committed=200, delivered=200)
    assert set(Lead.objects.values_list("attempts", flat=True)) == {1}


def test_a_poison_lead_among_good_ones(workers: Workers, octanist: FakeOctanist) -> None:
    leads = make_leads(100)
    poison = leads[20].email
    octanist.control(poison=[poison])
    workers.start(WORKERS, arguments=CONCURRENCY)
    let_it_finish(workers)
    invariant(octanist, committed=100, delivered=99)
    bad = Lead.objects.get(email=poison)
    assert (bad.status, bad.error_code, bad.attempts) == (Lead.Status.INVALID, "VALIDATION_ERROR", 1)
    assert octanist.counters()["posts"] == 100
    assert not DeliveryPause.objects.exists()


def test_many_poison_leads_hold_up_nothing(workers: Workers, octanist: FakeOctanist) -> None:
    leads = make_leads(100)
    poison = [lead.email for lead in leads[:60]]
    octanist.control(poison=poison)
    workers.start(WORKERS, arguments=CONCURRENCY)
    let_it_finish(workers)
    invariant(octanist, committed=100, delivered=40)
    assert not DeliveryPause.objects.exists()
    # Octanist takes them after all: an operator sends them again.
    octanist.control(poison=[])
    assert Lead.objects.replay() == 60
    let_it_finish(workers)
    invariant(octanist, committed=100, delivered=100)


def test_leads_that_nothing_can_look_up_wait_for_a_person(workers: Workers, octanist: FakeOctanist) -> None:
    """No e-mail address, phone or name; their answers are lost."""
    make_leads(3, email="")
    octanist.control(replies=[{"create": True, "close": True}] * 3)
    workers.start(arguments=["--concurrency=1"])
    let_it_finish(workers)
    make_leads(20)
    let_it_finish(workers)
    invariant(octanist, committed=23, delivered=20)
    held = Lead.objects.filter(status=Lead.Status.FAILED, error_code="UNCERTAIN")
    assert held.count() == 3
    assert all(lead.error for lead in held)
    assert set(octanist.counters()["by_submission"].values()) == {1}
