"""The site's own side: its server, its transactions, its rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from django_octanist.capture import capture_lead
from django_octanist.models import DeliveryAttempt, Lead
from tests.faults import (
    FakeOctanist,
    Site,
    Workers,
    beside_workers,
    environment,
    invariant,
    let_it_finish,
    make_leads,
    run_out,
    wait_until,
)

FOLDER = Path(__file__).parent


def delivered() -> int:
    return Lead.objects.filter(status=Lead.Status.DELIVERED).count()


# gunicorn


class Gunicorn:
    """``gunicorn`` with the site of ``web.py`` and three processes."""

    def __init__(self, site: Site, folder: Path, *, preload: bool) -> None:
        self.log = folder / "gunicorn.log"
        command = [sys.executable, "-m", "gunicorn", "--workers=3", "--bind=127.0.0.1:0", "--graceful-timeout=10"]
        command += [f"--pythonpath={FOLDER}", *(["--preload"] if preload else []), "web:application"]
        settings = {"OCTANIST_DISPATCH": "thread", "OCTANIST_DEDUPE_SECONDS": 0}
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=FOLDER.parent.parent,
                env=environment(site, settings) | ({"PRELOADED": "1"} if preload else {}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        """Where it listens, as soon as it does."""
        wait_until(lambda: "Listening at: " in self.log.read_text(), what="gunicorn listens")
        return self.log.read_text().partition("Listening at: ")[2].split()[0]

    def post(self, email: str) -> int:
        """Post the form and return the id of the process that answered."""
        body = urllib.parse.urlencode({"email": email}).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url, data=body, timeout=30) as answer:
            pid, lead = answer.read().decode().split()
            assert lead != "-"
            return int(pid)

    def post_all(self, *emails: str) -> set[int]:
        with ThreadPoolExecutor(8) as pool:
            return set(pool.map(self.post, emails))

    def stop(self) -> None:
        """End it in order."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(40) == 0, self.log.read_text()[-4000:]

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


@pytest.fixture(params=[True, False], ids=["preload", "no preload"])
def gunicorn(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Iterator[Gunicorn]:
    pytest.importorskip("gunicorn")
    server = Gunicorn(site, tmp_path, preload=request.param)
    try:
        yield server
    finally:
        server.kill()


def test_gunicorn_delivers_by_threads_of_its_processes(
    gunicorn: Gunicorn, octanist: FakeOctanist, workers: Workers
) -> None:
    octanist.control(latency=[0.0, 0.05])
    pids = gunicorn.post_all(*[f"jo{number}@example.com" for number in range(120)])
    assert len(pids) > 1
    before = Lead.objects.filter(email="preload@example.com").count()
    # Sooner than the process that forked looks at the database by itself: once a minute.
    wait_until(lambda: delivered() == 120 + before, what="every lead delivered", seconds=40)
    # Nobody trampled on another's leads: each is one request.
    invariant(octanist, committed=120 + before, delivered=120 + before)
    assert set(octanist.counters()["by_submission"].values()) == {1}
    assert octanist.counters()["searches"] == 0

    # One of its processes is killed with leads in its hands; gunicorn starts another.
    octanist.control(hold="after")
    more = gunicorn.post_all(*[f"more{number}@example.com" for number in range(30)])
    victim = max(more)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: "was sent SIGKILL" in gunicorn.log.read_text(), what="gunicorn misses a process")
    octanist.control(hold="")
    gunicorn.post_all(*[f"after{number}@example.com" for number in range(30)])

    # What is left at its end is delivered in 5 s, or given back.
    gunicorn.stop()
    invariant(octanist, committed=180 + before)
    wait_until(lambda: octanist.counters()["in_flight"] == 0, what="nothing is on its way")
    run_out()
    workers.start()
    let_it_finish(workers)
    invariant(octanist, committed=180 + before, delivered=180 + before)


def test_gunicorn_ends_while_octanist_does_not_answer(
    gunicorn: Gunicorn, octanist: FakeOctanist, workers: Workers
) -> None:
    assert gunicorn.url
    committed = Lead.objects.count() + 60
    octanist.control(hold="before")
    gunicorn.post_all(*[f"jo{number}@example.com" for number in range(60)])
    gunicorn.stop()
    octanist.control(hold="")
    wait_until(lambda: octanist.counters()["in_flight"] == 0, what="nothing is on its way")
    invariant(octanist, committed=committed)
    run_out()
    workers.start()
    let_it_finish(workers)
    invariant(octanist, committed=committed, delivered=committed)


# The caller's transaction


ROLLED_BACK = """
from django.db import transaction
class Oops(Exception): pass
def capture(email):
    assert capture_lead({"email": email}, form="contact")
try:
    with transaction.atomic():
        capture("whole@example.com")
        raise Oops
except Oops:
    pass
with transaction.atomic():
    capture("kept@example.com")
    try:
        with transaction.atomic():
            capture("savepoint@example.com")
            raise Oops
    except Oops:
        pass
"""


@pytest.mark.parametrize("dispatch", ["thread", "inline", "manual"])
def test_a_rollback_takes_the_lead_with_it(workers: Workers, octanist: FakeOctanist, dispatch: str) -> None:
    process = workers.run(ROLLED_BACK, OCTANIST_DISPATCH=dispatch)
    assert process.wait() == 0, process.output
    workers.start(arguments=["--once"])[0].wait()
    invariant(octanist, committed=1, delivered=1)
    assert [row["email"] for row in octanist.ledger()] == ["kept@example.com"]


def test_nothing_is_sent_before_the_commit(workers: Workers, octanist: FakeOctanist) -> None:
    """Workers look at the database all the time, and the transaction takes its time."""
    if connection.vendor == "sqlite":
        pytest.skip("one writer at a time: a transaction that is open keeps the others waiting")
    workers.start(2)
    make_leads(5)
    with transaction.atomic():
        lead = capture_lead({"email": "jo@example.com"}, form="contact")
        assert lead is not None
        wait_until(lambda: octanist.counters()["created"] == 5, what="the committed leads are delivered")
    wait_until(lambda: delivered() == 6, what="the lead is delivered after the commit")
    invariant(octanist, committed=6, delivered=6)


# Rows that go, and rows that are sent again


def test_send_again_in_bulk_while_old_leads_are_removed(workers: Workers, octanist: FakeOctanist) -> None:
    past = timezone.now() - timedelta(days=400)
    old = make_leads(300, status=Lead.Status.DELIVERED, next_attempt_at=None, created_at=past)
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(lead=lead, started_at=past, duration_ms=1, outcome=DeliveryAttempt.Outcome.DELIVERED)
        for lead in old
    )
    make_leads(300, status=Lead.Status.FAILED, next_attempt_at=None, attempts=20, created_at=past)
    octanist.control(latency=[0.0, 0.03], lose_answer=0.05)
    workers.start(2)
    remover = workers.run(REMOVE)
    replayed = 0
    while remover.is_running():
        batch = Lead.objects.filter(status=Lead.Status.FAILED).values_list("pk", flat=True)[:20]
        replayed += beside_workers(Lead.objects.filter(pk__in=list(batch)).replay)
    assert remover.wait() == 0, remover.output
    beside_workers(Lead.objects.replay)
    let_it_finish(workers)
    # The old ones are gone, with their attempts; each that was sent again is there, and delivered.
    assert replayed
    assert not Lead.objects.filter(octanist_id="").exists()
    invariant(octanist, committed=300, delivered=300)


REMOVE = """
from datetime import timedelta
from django.utils import timezone
before = timezone.now() - timedelta(days=365)
# As long as there are any; what was delivered just now is not old by its delivery.
old = Lead.objects.filter(status=Lead.Status.DELIVERED, created_at__lt=before, delivered_at=None)
while True:
    batch = list(old.values_list("pk", flat=True)[:10])
    if not batch:
        break
    old.filter(pk__in=batch).delete()
"""


def test_leads_removed_while_they_are_sent_disturb_no_other(workers: Workers, octanist: FakeOctanist) -> None:
    leads = make_leads(60)
    octanist.control(hold="after")
    (worker,) = workers.start(arguments=["--concurrency=8"])
    wait_until(lambda: octanist.counters()["created"] == 8, what="8 leads under way")
    sent = {row["submission_id"] for row in octanist.ledger()}
    gone = [lead.pk for lead in leads if str(lead.submission_id) in sent][:4]
    Lead.objects.filter(pk__in=gone).delete()
    octanist.control(hold="")
    wait_until(lambda: delivered() == 56, what="the others are delivered")
    assert worker.is_running()
    assert not Lead.objects.waiting().exists()
    assert len(octanist.ledger()) == 60
    assert DeliveryAttempt.objects.count() == 56


def test_leads_cancelled_while_others_are_sent(workers: Workers, octanist: FakeOctanist) -> None:
    """An operator stops everything: what is being sent is finished, nothing else is begun."""
    make_leads(60)
    octanist.control(hold="after")
    workers.start(arguments=["--concurrency=4"])
    wait_until(lambda: octanist.counters()["created"] == 4, what="4 leads under way")
    cancelled = Lead.objects.cancel()
    assert cancelled
    octanist.control(hold="")
    let_it_finish(workers)
    invariant(octanist, committed=60, delivered=60 - cancelled)
    assert len(octanist.ledger()) == 60 - cancelled
