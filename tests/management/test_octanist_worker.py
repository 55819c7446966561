from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_octanist.management.progress import Bar
from django_octanist.models import AlertGroup, DeliveryAttempt, Lead
from django_octanist.test import TestSandbox, octanist
from tests.delivery import CREATED, RawServer, Site, a_site, finished, make_lead, make_leads, wait_until

__all__ = ["octanist"]

pytestmark = pytest.mark.django_db

WORKER = "call_command('octanist_worker')"
ONCE = "call_command('octanist_worker', '--once')"


@pytest.fixture
def site(tmp_path: Path, octanist: TestSandbox) -> Iterator[Site]:
    with a_site(
        tmp_path, OCTANIST_API_URL=octanist.api_url, OCTANIST_API_KEY=octanist.api_key, OCTANIST_DISPATCH="manual"
    ) as site:
        yield site


def worked(*arguments: str, **options: Any) -> str:
    output = StringIO()
    call_command("octanist_worker", *arguments, stdout=output, **options)
    return output.getvalue()


# --once


def test_once_delivers_what_is_due_and_ends(octanist: TestSandbox) -> None:
    make_leads(3)
    assert worked("--once") == "3 delivered, 0 not delivered\n"
    assert worked("--once") == "0 delivered, 0 not delivered\n"
    assert len(octanist.leads) == 3


def test_once_says_what_was_not_delivered(octanist: TestSandbox) -> None:
    make_leads(3)
    octanist.fail_next(status=403)
    octanist.fail_next(status=500)
    assert worked("--once", concurrency=1) == "1 delivered, 2 not delivered\n"


def test_once_says_what_is_paused(octanist: TestSandbox) -> None:
    make_leads(3)
    octanist.api_key = "another"
    worked("--once")
    assert "default is paused: API key refused; leads waiting: 3; next try " in worked("--once")


def test_once_tells_what_is_due_to_be_told(octanist: TestSandbox, told: Callable[[], list[str]]) -> None:
    AlertGroup.objects.create(kind=Lead.Status.INVALID, account="shop", waiting=17)
    assert worked("--once") == "0 delivered, 0 not delivered\n"
    assert told() == ["17 leads of the account shop were found invalid"]


def test_signal_handlers_are_put_back(octanist: TestSandbox) -> None:
    before = (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))
    worked("--once")
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize("number", [0, -1])
def test_a_worker_needs_a_sender(octanist: TestSandbox, number: int) -> None:
    make_lead()
    with pytest.raises(CommandError, match=f"--concurrency must be .* at least 1, not {number}"):
        worked("--once", f"--concurrency={number}")


def test_as_many_requests_at_once_as_it_is_told() -> None:
    class Together(RawServer):
        def answer(self, request: bytes) -> bytes | None:
            together.wait(10)
            return CREATED

    together = threading.Barrier(3)
    make_leads(6)
    with Together(CREATED) as server, override_settings(OCTANIST_API_URL=server.api_url):
        assert worked("--once", "--concurrency=3") == "6 delivered, 0 not delivered\n"


def test_a_wrong_setting_ends_it() -> None:
    with override_settings(OCTANIST_CONCURRENCY=0), pytest.raises(CommandError, match="OCTANIST_CONCURRENCY"):
        worked("--once")


# As processes


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_200_leads(site: Site, octanist: TestSandbox) -> None:
    leads = make_leads(200)
    workers = [site.start(ONCE) for _ in range(2)]
    counts = [int(finished(worker).split()[0]) for worker in workers]
    assert sum(counts) == 200
    sent = Counter(lead.fields["email"] for lead in octanist.leads)
    assert sent == Counter(lead.email for lead in leads)
    assert set(Lead.objects.values_list("status", "attempts", "lease")) == {(Lead.Status.DELIVERED, 1, None)}
    assert DeliveryAttempt.objects.count() == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_ends_an_idle_worker_in_order(site: Site, octanist: TestSandbox, number: signal.Signals) -> None:
    make_leads(3)
    worker = site.start(WORKER)
    wait_until(lambda: Lead.objects.filter(status=Lead.Status.DELIVERED).count() == 3, what="3 leads delivered")
    worker.send_signal(number)
    assert finished(worker).splitlines() == ["Delivering with 8 senders. Stop with Ctrl-C.", "Stopped. 3 delivered."]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals cannot be sent to a thread here")
def test_a_signal_that_does_not_interrupt_the_main_thread_ends_the_worker_too(site: Site) -> None:
    worker = site.start(
        "import signal, threading, time, traceback\n"
        "def names():\n"
        "    frame = sys._current_frames()[threading.main_thread().ident]\n"
        "    return [(line.name, os.path.basename(line.filename)) for line in traceback.extract_stack(frame)]\n"
        "def waits(): return ('run', 'loop.py') in names() and names()[-1][0] == 'wait'\n"
        "def send():\n"
        "    while not waits(): time.sleep(0.01)\n"
        # As where it arrives just before the main thread waits: the wait itself is not interrupted.
        "    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)\n"
        "threading.Thread(target=send).start()\n" + WORKER
    )
    assert finished(worker).splitlines()[-1] == "Stopped. 0 delivered."


@pytest.mark.django_db(transaction=True)
def test_a_signal_finishes_what_is_under_way_and_gives_the_rest_back(site: Site) -> None:
    class Waiting(RawServer):
        def answer(self, request: bytes) -> bytes | None:
            return CREATED if told.wait(20) else None

    told = threading.Event()
    make_leads(10)
    with Waiting(CREATED) as server:
        worker = site.start(
            # The worker says when the signal has arrived.
            "from django_octanist.management.stopping import Stopping\n"
            "usual = Stopping._stop\n"
            "def stop(self, *arguments): usual(self, *arguments); os.write(1, b'told\\n')\n"
            "Stopping._stop = stop\n" + WORKER,
            OCTANIST_API_URL=server.api_url,
            OCTANIST_CONCURRENCY=2,
        )
        wait_until(lambda: len(server.requests) == 2, what="2 leads under way")
        worker.send_signal(signal.SIGTERM)
        assert worker.stdout is not None
        lines = [worker.stdout.readline() for _ in range(2)]
        assert lines[-1] == "told\n"
        told.set()
        assert finished(worker).splitlines() == ["Stopped. 2 delivered."]
        assert len(server.requests) == 2
    assert Lead.objects.filter(status=Lead.Status.DELIVERED, lease=None).count() == 2
    assert Lead.objects.filter(status=Lead.Status.PENDING, lease=None, uncertain=False, attempts=0).count() == 8


@pytest.mark.django_db(transaction=True)
def test_a_second_signal_ends_it_at_once_and_loses_nothing(site: Site, octanist: TestSandbox) -> None:
    make_lead()
    with RawServer(None) as server:
        worker = site.start(WORKER, OCTANIST_API_URL=server.api_url)
        wait_until(lambda: server.requests, what="a lead under way")

        def ended() -> bool:
            worker.send_signal(signal.SIGTERM)
            return worker.poll() is not None

        wait_until(ended, what="the worker ends")
    assert worker.returncode == -signal.SIGTERM
    lead = Lead.objects.get()
    assert (lead.status, lead.lease is None) == (Lead.Status.PENDING, False)
    Lead.objects.update(next_attempt_at=lead.created_at)
    # Who sends it next asks Octanist first.
    octanist.deliver()
    assert [exchange.method for exchange in octanist.exchanges] == ["GET", "POST"]
    assert Lead.objects.get().status == Lead.Status.DELIVERED


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_loses_nothing_and_sends_nothing_twice(site: Site, octanist: TestSandbox) -> None:
    class Killing(RawServer):
        """Octanist has the lead; the worker never hears of it."""

        def answer(self, request: bytes) -> bytes | None:
            body = request.partition(b"\r\n\r\n")[2]
            headers = {"X-API-KEY": octanist.api_key, "Content-Type": "application/json"}
            requests.post(f"{octanist.api_url}/leads", data=body, headers=headers, timeout=10)
            worker.kill()
            return None

    make_leads(5)
    with Killing(None) as server:
        worker = site.start(WORKER, OCTANIST_API_URL=server.api_url, OCTANIST_CONCURRENCY=1)
        wait_until(lambda: worker.poll() is not None, what="the worker is killed")
    assert len(octanist.leads) == 1
    for lead in Lead.objects.all():
        Lead.objects.filter(pk=lead.pk).update(next_attempt_at=lead.created_at)
    octanist.deliver()
    assert set(Lead.objects.values_list("status", flat=True)) == {Lead.Status.DELIVERED}
    assert Counter(lead.fields["email"] for lead in octanist.leads) == {
        f"jo{index}@example.com": 1 for index in range(5)
    }


# What it shows


def test_a_heartbeat(octanist: TestSandbox, tmp_path: Path) -> None:
    worked("--once", f"--heartbeat={tmp_path}/alive")
    assert (tmp_path / "alive").exists()


def test_a_heartbeat_that_cannot_be_written(octanist: TestSandbox, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="FileNotFoundError"):
        worked("--once", f"--heartbeat={tmp_path}/nowhere/alive")


@pytest.mark.django_db(transaction=True)
def test_once_in_the_thread_of_a_scheduler(octanist: TestSandbox) -> None:
    """Signals cannot be handled there."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(worked("--once")))
    thread.start()
    thread.join(20)
    assert said == ["0 delivered, 0 not delivered\n"]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_and_none_elsewhere(octanist: TestSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bar, "seconds", 0.0)
    make_leads(3)
    output = Terminal()
    call_command("octanist_worker", "--once", stdout=output)
    assert "] 3/3 \n3 delivered" in output.getvalue()
    make_leads(1)
    assert worked("--once") == "1 delivered, 0 not delivered\n"
