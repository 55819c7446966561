"""Processes that are killed, frozen, told to end, or many at once."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from django_octanist.models import DeliveryAttempt, Lead
from tests.faults import (
    FakeOctanist,
    Worker,
    Workers,
    beside_workers,
    invariant,
    let_it_finish,
    let_time_pass,
    make_leads,
    run_out,
    wait_until,
)

DIE = "os.kill(os.getpid(), 9)"
STOP = "os.kill(os.getpid(), 19)"


def delivered() -> int:
    return Lead.objects.filter(status=Lead.Status.DELIVERED).count()


def held() -> int:
    return Lead.objects.exclude(lease=None).count()


# kill -9 at a given moment


BEFORE_COMMIT = f"""
from django.db import transaction
with transaction.atomic():
    assert capture_lead({{"email": "jo@example.com"}}, form="contact")
    {DIE}
"""
BEFORE_NUDGE = f"""
from django.db import transaction
with transaction.atomic():
    # Called after the commit, before what capture_lead asks for.
    transaction.on_commit(lambda: {DIE})
    assert capture_lead({{"email": "jo@example.com"}}, form="contact")
"""


@pytest.mark.parametrize("dispatch", ["thread", "inline", "manual"])
def test_killed_before_the_commit(workers: Workers, octanist: FakeOctanist, dispatch: str) -> None:
    assert workers.run(BEFORE_COMMIT, OCTANIST_DISPATCH=dispatch).wait() == -signal.SIGKILL
    workers.start(arguments=["--once"])[0].wait()
    assert octanist.counters()["requests"] == 0
    invariant(octanist, committed=0)


@pytest.mark.parametrize("dispatch", ["thread", "inline", "manual"])
def test_killed_between_the_commit_and_the_nudge(workers: Workers, octanist: FakeOctanist, dispatch: str) -> None:
    assert workers.run(BEFORE_NUDGE, OCTANIST_DISPATCH=dispatch).wait() == -signal.SIGKILL
    assert octanist.counters()["requests"] == 0
    invariant(octanist, committed=1, delivered=0)
    workers.start(arguments=["--once"])[0].wait()
    invariant(octanist, committed=1, delivered=1)


MOMENTS = {
    "after the claim": """
        from django_octanist.delivery import engine
        usual = engine.claim_for
        def claim_for(*arguments, **named):
            taken = usual(*arguments, **named)
            return die() if taken else taken
        engine.claim_for = claim_for
    """,
    "before the request": """
        from django_octanist import client
        client.create_lead = lambda *arguments, **named: die()
    """,
    "after the answer, before the record": """
        from django_octanist.delivery import engine
        engine.record = lambda finished: die()
    """,
    "after a few answers, before the record": """
        from django_octanist import client
        from django_octanist.delivery import engine
        usual, answers = client.create_lead, []
        def create_lead(*arguments, **named):
            answer = usual(*arguments, **named)
            answers.append(1)
            return answer if len(answers) < 10 else die()
        client.create_lead = create_lead
    """,
    "while recording, within the transaction": """
        from django.db import connection
        from django_octanist.models import DeliveryAttempt
        def insert(objects, *arguments, **named):
            # What has become of the leads is written already, and not committed.
            assert connection.in_atomic_block and list(objects)
            die()
        from django.db.models import QuerySet
        QuerySet.bulk_create = lambda self, objects, **named: insert(objects)
    """,
    "after the record": """
        from django_octanist.signals import lead_delivered
        def told(**named): die()
        lead_delivered.connect(told)
    """,
}
DYING = f"def die(): {DIE}\n"


def code(text: str) -> str:
    return "\n".join(line[8:] for line in text.splitlines()) + "\n"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed(workers: Workers, octanist: FakeOctanist, moment: str) -> None:
    make_leads(30)
    (victim,) = workers.start(prelude=DYING + code(MOMENTS[moment]))
    assert victim.wait() == -signal.SIGKILL, victim.output
    invariant(octanist, committed=30)
    # In its hands until their lease runs out, whatever became of them; or written.
    assert held() or delivered()
    workers.start()
    let_it_finish(workers)
    invariant(octanist, committed=30, delivered=30)


@pytest.mark.parametrize("hold", ["before", "after"])
def test_a_worker_killed_while_sending(workers: Workers, octanist: FakeOctanist, hold: str) -> None:
    """Octanist creates the leads before it happens, or only afterwards."""
    make_leads(30)
    octanist.control(hold=hold)
    (victim,) = workers.start(arguments=["--concurrency=4"], OCTANIST_TIMEOUT=20.0)
    wait_until(lambda: octanist.counters()["posts"] == 4, what="4 leads under way")
    victim.kill()
    octanist.control(hold="")
    wait_until(lambda: octanist.counters()["created"] == 4, what="4 leads created")
    invariant(octanist, committed=30, delivered=0)
    workers.start()
    let_it_finish(workers)
    invariant(octanist, committed=30, delivered=30)
    # Those that Octanist had already were found there, not sent again.
    assert set(octanist.counters()["by_submission"].values()) == {1}
    assert DeliveryAttempt.objects.filter(outcome=DeliveryAttempt.Outcome.FOUND).count() == 4


KILLS = 25
MANY = 2_000


def test_25_random_kills_over_2000_leads(workers: Workers, octanist: FakeOctanist, seed: int) -> None:
    chance = random.Random(seed)
    make_leads(MANY)
    octanist.control(latency=[0.0, 0.04], slow=[0.01, 0.5])
    workers.start(3)
    released = 0
    for number in range(KILLS):

        def far_enough(number: int = number) -> bool:
            nonlocal released
            released += workers.release_dead()
            return delivered() >= MANY * (number + 1) // (KILLS + 2)

        wait_until(far_enough, what=f"as many leads delivered as there should be before kill {number + 1}")
        time.sleep(chance.uniform(0.0, 0.05))
        chance.choice(at_work(workers)).kill()
        workers.start()
    let_it_finish(workers)
    invariant(octanist, committed=MANY, delivered=MANY)
    assert released, "no worker was killed that had leads in its hands"
    assert sum(worker.process.returncode == -signal.SIGKILL for worker in workers.all) == KILLS


def at_work(workers: Workers) -> list[Worker]:
    """Workers that do more than start; wait for one."""
    wait_until(lambda: any("Delivering" in worker.output for worker in workers.running), what="a worker has started")
    return [worker for worker in workers.running if "Delivering" in worker.output]


# Frozen past its lease


FREEZE = {
    "while sending": "",
    # One sender alone, once the outcome of its first lead is written and the engine waits for the next: no transaction
    # is open, whose locks would hold up everybody else.
    "after the check of the lease, before the first byte": f"""
        import threading
        from django_octanist.delivery import Engine, engine
        usual_payload, usual_record, usual_wait = Lead.payload, engine.record, Engine._await_result
        begun, recorded, waits = [], threading.Event(), threading.Event()
        def payload(self, **named):
            begun.append(self)
            if len(begun) == 2:
                waits.wait(20)
                {STOP}
            return usual_payload(self, **named)
        def await_result(self):
            if recorded.is_set():
                waits.set()
            usual_wait(self)
        def record(finished):
            paused = usual_record(finished)
            if finished:
                recorded.set()
            return paused
        Lead.payload, engine.record, Engine._await_result = payload, record, await_result
    """,
    # Both senders have their answer, and stand before the check of their next lead's lease.
    "after the answer, before the record": f"""
        import threading
        from django_octanist.delivery import engine
        usual_record, usual_send = engine.record, engine.guarded_send
        begun, both_answered, thawed = [], threading.Barrier(2), threading.Event()
        def guarded_send(item, **named):
            begun.append(item)
            if len(begun) > 2:
                thawed.wait(60)
                return usual_send(item, **named)
            result = usual_send(item, **named)
            both_answered.wait(20)
            return result
        def record(finished):
            if finished and not thawed.is_set():
                {STOP}
                thawed.set()
            return usual_record(finished)
        engine.record, engine.guarded_send = record, guarded_send
    """,
}
LEASE = 3.0
SHORT_LEASE = f"claims.lease_seconds = lambda *, batch, senders: {LEASE}\n"


@pytest.mark.parametrize("moment", FREEZE)
def test_a_worker_frozen_past_its_lease_writes_nothing(workers: Workers, octanist: FakeOctanist, moment: str) -> None:
    make_leads(8)
    octanist.control(hold="after" if moment == "while sending" else "")
    (frozen,) = workers.start(
        prelude=SHORT_LEASE + code(FREEZE[moment]),
        arguments=["--concurrency=1" if "first byte" in moment else "--concurrency=2"],
        OCTANIST_TIMEOUT=1.5,
    )
    # Of two senders both: one that is frozen just before its first byte sends it when it is thawed.
    held = 2 if moment == "while sending" else 1
    wait_until(lambda: octanist.counters()["created"] >= held, what="leads created")
    if moment == "while sending":
        frozen.freeze()
    wait_until(lambda: state(frozen) == "T", what="the worker is frozen")
    octanist.control(hold="")
    # Its own clock has to say so, too: it would go on with what it claimed. The database's is moved.
    wait_for(LEASE)
    run_out()
    workers.start()
    let_it_finish(workers)
    invariant(octanist, committed=8, delivered=8)

    before = everything()
    requests = octanist.counters()["posts"]
    frozen.thaw()
    frozen.signal(signal.SIGTERM)
    assert frozen.wait() == 0, frozen.output
    assert everything() == before
    assert octanist.counters()["posts"] == requests
    invariant(octanist, committed=8, delivered=8)


def everything() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    return list(Lead.objects.order_by("pk").values()), list(DeliveryAttempt.objects.order_by("pk").values())


def state(worker: Worker) -> str:
    """The process's state in /proc: ``T`` is frozen."""
    text = Path(f"/proc/{worker.pid}/stat").read_text()
    return text.rpartition(")")[2].split()[0]


def wait_for(seconds: float) -> None:
    """Let time pass, where that is what the test is about."""
    end = time.monotonic() + seconds + 0.1
    while time.monotonic() < end:
        time.sleep(end - time.monotonic())


# Told to end


def handles(worker: Worker, number: int) -> bool:
    """Whether the process handles the signal itself: the first one to end it ends that."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    mask = int(next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1], 16)
    return bool(mask >> (number - 1) & 1)


def under_way(workers: Workers, octanist: FakeOctanist, *, hold: str) -> Worker:
    """Return a worker that has 4 of 60 leads under way, and more in its hands."""
    make_leads(60)
    octanist.control(hold=hold)
    (worker,) = workers.start(arguments=["--concurrency=4"], OCTANIST_TIMEOUT=60.0)
    wait_until(lambda: octanist.counters()["posts"] == 4, what="4 leads under way")
    return worker


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_drains_a_worker(workers: Workers, octanist: FakeOctanist, number: signal.Signals) -> None:
    worker = under_way(workers, octanist, hold="after")
    worker.signal(number)
    wait_until(lambda: not handles(worker, signal.SIGTERM), what="the signal has arrived", seconds=20)
    assert worker.is_running()
    octanist.control(hold="")
    assert worker.wait(seconds=20) == 0, worker.output
    assert octanist.counters()["posts"] == 4
    invariant(octanist, committed=60, delivered=4)
    rest = Lead.objects.filter(status=Lead.Status.PENDING)
    assert set(rest.values_list("lease", "attempts", "uncertain")) == {(None, 0, False)}
    # It is nobody's, and due.
    workers.start(arguments=["--once"])[0].wait()
    invariant(octanist, committed=60, delivered=60)
    assert octanist.counters()["searches"] == 0


def test_a_signal_ends_a_worker_within_the_requests_deadline(workers: Workers, octanist: FakeOctanist) -> None:
    """Octanist never answers."""
    make_leads(60)
    octanist.control(hold="before")
    (worker,) = workers.start(arguments=["--concurrency=4"], OCTANIST_TIMEOUT=2.0)
    wait_until(lambda: octanist.counters()["posts"] == 4, what="4 leads under way")
    worker.signal(signal.SIGTERM)
    assert worker.wait(seconds=20) == 0, worker.output
    assert octanist.counters()["posts"] == 4
    assert held() == 0
    assert Lead.objects.filter(uncertain=True).count() == 4
    octanist.control(hold="")
    wait_until(lambda: octanist.counters()["created"] == 4, what="4 leads created")
    workers.start()
    let_it_finish(workers)
    invariant(octanist, committed=60, delivered=60)


def test_a_second_signal_ends_a_worker_at_once(workers: Workers, octanist: FakeOctanist) -> None:
    worker = under_way(workers, octanist, hold="before")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: not handles(worker, signal.SIGTERM), what="the signal has arrived", seconds=20)
    worker.signal(signal.SIGTERM)
    # Long before a request's 60 s have passed.
    assert worker.wait(seconds=10) == -signal.SIGTERM
    octanist.control(hold="")
    wait_until(lambda: octanist.counters()["created"] == 4, what="4 leads created")
    invariant(octanist, committed=60, delivered=0)
    workers.start()
    let_it_finish(workers)
    invariant(octanist, committed=60, delivered=60)


# Many at once


def test_8_workers_cron_and_send_again_at_once(workers: Workers, octanist: FakeOctanist, seed: int) -> None:
    chance, number = random.Random(seed), 400
    make_leads(number)
    octanist.control(latency=[0.0, 0.05], error_before=0.1, error_after=0.05, lose_answer=0.05)
    workers.start(8, arguments=["--concurrency=2"], OCTANIST_MAX_ATTEMPTS=2)
    deadline = time.monotonic() + 90
    while delivered() < number * 0.9:
        assert time.monotonic() < deadline, workers.output()[-4000:]
        if sum(worker.is_running() for worker in workers.all[8:]) < 2:
            workers.start(arguments=["--once"], OCTANIST_MAX_ATTEMPTS=2)
        beside_workers(Lead.objects.filter(pk__in=chance.sample(list(keys()), 50)).replay)
        beside_workers(Lead.objects.replay)
        # Five errors in a row come about, too, and pause the account.
        let_time_pass(workers)
    octanist.control(error_before=0, error_after=0, lose_answer=0)
    wait_until(lambda: settled_again(workers), what="every lead delivered")
    invariant(octanist, committed=number, delivered=number)


def keys() -> list[int]:
    return list(Lead.objects.values_list("pk", flat=True))


def settled_again(workers: Workers) -> bool:
    """Send everything again that may be; whether nothing is left."""
    beside_workers(Lead.objects.replay)
    let_time_pass(workers)
    return delivered() == Lead.objects.count()


def test_8_workers_share_without_looking_up(workers: Workers, octanist: FakeOctanist) -> None:
    """Without a fault, each lead is one request."""
    make_leads(400)
    octanist.control(latency=[0.0, 0.02])
    workers.start(8, arguments=["--concurrency=4"])
    let_it_finish(workers)
    invariant(octanist, committed=400, delivered=400)
    assert Counter(octanist.counters()["by_submission"].values()) == {1: 400}
    assert octanist.counters()["searches"] == 0
    assert DeliveryAttempt.objects.count() == 400
