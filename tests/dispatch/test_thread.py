"""The delivering thread, in processes of their own: under a test runner it does not start."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from django_octanist import dispatch
from django_octanist.dispatch import thread
from django_octanist.models import Lead
from django_octanist.test import TestSandbox
from tests.delivery import CREATED, RawServer, Site, a_site, finished

pytestmark = pytest.mark.django_db(transaction=True)

CAPTURE = 'capture_lead({{"email": "{}@example.com"}}, form="contact")\n'


@pytest.fixture
def octanist() -> Iterator[TestSandbox]:
    with TestSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def site(tmp_path: Path, octanist: TestSandbox) -> Iterator[Site]:
    with a_site(tmp_path, OCTANIST_API_URL=octanist.api_url, OCTANIST_API_KEY=octanist.api_key) as site:
        yield site


def emails(sandbox: TestSandbox) -> list[str]:
    return sorted(lead.fields["email"] for lead in sandbox.leads)


def statuses() -> list[str]:
    return list(Lead.objects.values_list("status", flat=True))


WAIT = """
import time
def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
def threads():
    import threading
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("octanist")]
"""


# In this process


@override_settings(OCTANIST_DISPATCH="thread")
def test_not_under_a_test_runner() -> None:
    before = threading.active_count()
    assert thread.ensure_running() is None
    dispatch.nudge("default")
    dispatch.first_request()
    assert threading.active_count() == before
    assert thread._courier is None


# In others


def test_what_a_script_captured_is_delivered_before_it_ends(site: Site, octanist: TestSandbox) -> None:
    site.run(CAPTURE.format("jo"))
    assert emails(octanist) == ["jo@example.com"]
    lead = Lead.objects.get()
    assert (lead.status, lead.lease, lead.uncertain) == ("delivered", None, False)


def test_a_script_that_ends_by_an_error_delivers_too(site: Site, octanist: TestSandbox) -> None:
    process = site.start(CAPTURE.format("jo") + "sys.exit(3)")
    process.communicate(timeout=40)
    assert process.returncode == 3
    assert emails(octanist) == ["jo@example.com"]


def test_started_on_demand_and_once(site: Site, octanist: TestSandbox) -> None:
    code = (
        f"{WAIT}from django_octanist import dispatch\n"
        "print(threads())\n"
        "for _ in range(5): dispatch.nudge('default')\n"
        "for _ in range(5): dispatch.first_request()\n"
        "print(threads())\n" + CAPTURE.format("jo") + "wait_until(lambda: Lead.objects.get().status == 'delivered')\n"
        "print(sorted(threads()))\n"
    )
    assert site.run(code).splitlines() == [
        "[]",
        "['octanist-delivery']",
        "['octanist-delivery', 'octanist-sender-0']",
    ]


def test_a_process_picks_up_what_an_earlier_one_left(site: Site, octanist: TestSandbox) -> None:
    site.run(CAPTURE.format("jo"), OCTANIST_DISPATCH="manual")
    assert octanist.exchanges == ()
    site.run("from django_octanist import dispatch\ndispatch.first_request()")
    assert statuses() == ["delivered"]


def test_the_first_request_starts_nothing_where_another_strategy_delivers(site: Site) -> None:
    code = f"{WAIT}from django_octanist import dispatch\ndispatch.first_request()\nprint(threads())"
    assert site.run(code, OCTANIST_DISPATCH="manual").strip() == "[]"


COMMAND = "sys.argv = ['manage.py', 'import_leads']\n"


def test_a_command_that_captures_starts_no_thread_and_delivers_at_its_exit(site: Site, octanist: TestSandbox) -> None:
    code = f"{COMMAND}{WAIT}{CAPTURE.format('jo')}{CAPTURE.format('di')}print(threads(), Lead.objects.first().status)"
    assert site.run(code).strip() == "[] pending"
    assert emails(octanist) == ["di@example.com", "jo@example.com"]
    assert set(Lead.objects.values_list("status", "lease")) == {("delivered", None)}


def test_a_command_that_fails_delivers_at_its_exit_too(site: Site, octanist: TestSandbox) -> None:
    process = site.start(COMMAND + CAPTURE.format("jo") + "sys.exit(3)")
    process.communicate(timeout=40)
    assert (process.returncode, emails(octanist)) == (3, ["jo@example.com"])


def test_a_command_that_captured_nothing_sends_nothing(site: Site, octanist: TestSandbox) -> None:
    site.run(CAPTURE.format("jo"), OCTANIST_DISPATCH="manual")
    site.run(COMMAND)
    assert statuses() == ["pending"]


def test_a_command_ends_although_octanist_does_not_answer(site: Site) -> None:
    with RawServer(None) as server:
        code = f"{COMMAND}from django_octanist.dispatch import thread\nthread.FLUSH_SECONDS = 0.2\n"
        code += "".join(CAPTURE.format(f"jo{index}") for index in range(5))
        process = site.start(code, OCTANIST_API_URL=server.api_url, OCTANIST_TIMEOUT=0.5)
        process.communicate(timeout=40)
        assert (process.returncode, len(server.requests)) == (0, 1)
    assert statuses() == ["pending"] * 5
    assert Lead.objects.filter(uncertain=True).count() == 1


def test_a_command_that_serves_starts_the_thread_as_any_server(site: Site, octanist: TestSandbox) -> None:
    """As ``runserver`` does; the site need not have the middleware."""
    code = (
        "sys.argv = ['manage.py', 'runserver']\n" + WAIT + "from django.core.signals import request_started\n"
        "request_started.send(sender=None)\n" + CAPTURE.format("jo") + "print(threads()[0])\n"
        "wait_until(lambda: Lead.objects.get().status == 'delivered')\n"
    )
    assert site.run(code).strip() == "octanist-delivery"


def test_a_thread_that_died_is_replaced(site: Site, octanist: TestSandbox) -> None:
    code = (
        f"{WAIT}from django_octanist.dispatch import thread\n"
        "first = thread.ensure_running()\n"
        "first.engine.stop.set(); first.wake.set(); first.thread.join(20)\n"
        + CAPTURE.format("jo")
        + "assert thread.ensure_running() is not first\n"
    )
    site.run(code)
    assert emails(octanist) == ["jo@example.com"]


def test_a_process_ends_although_octanist_does_not_answer(site: Site, octanist: TestSandbox) -> None:
    with RawServer(None) as server:
        code = "from django_octanist.dispatch import thread\nthread.FLUSH_SECONDS = 0.2\n" + CAPTURE.format("jo")
        code += f"{WAIT}wait_until(lambda: Lead.objects.get().lease)\n"
        site.run(code, OCTANIST_API_URL=server.api_url)
    # In whose hands it was, nobody knows: Octanist will be asked.
    lead = Lead.objects.get()
    assert (lead.status, lead.lease is None) == ("pending", False)


def test_what_was_not_begun_in_time_is_given_back(site: Site, octanist: TestSandbox) -> None:
    class Slow(RawServer):
        def answer(self, request: bytes) -> bytes | None:
            # After the process has set its stop.
            return CREATED if stopped.wait(20) else None

    stopped = threading.Event()
    code = (
        "from django_octanist.dispatch import thread\n"
        "thread.FLUSH_SECONDS = 0.1\n"
        "thread.GIVE_BACK_SECONDS = 20\n"
        "courier = thread.ensure_running()\n"
        "set_stop = courier.engine.stop.set\n"
        "def told(): set_stop(); print('stopped', flush=True)\n"
        "courier.engine.stop.set = told\n"
        "from django.db import transaction\n"
        "with transaction.atomic():\n" + "".join("    " + CAPTURE.format(f"jo{index}") for index in range(3))
    )
    with Slow(CREATED) as server:
        process = site.start(code, OCTANIST_API_URL=server.api_url, OCTANIST_CONCURRENCY=1)
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        stopped.set()
        finished(process)
    assert sorted(statuses()) == ["delivered", "pending", "pending"]
    assert not Lead.objects.exclude(lease=None).exists()
    assert not Lead.objects.filter(uncertain=True).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_each_process_has_a_thread_of_its_own(site: Site, octanist: TestSandbox) -> None:
    code = (
        f"{WAIT}from django.db import connections\n"
        "from django_octanist.dispatch import thread\n"
        + CAPTURE.format("parent")
        + "wait_until(lambda: Lead.objects.get().status == 'delivered')\n"
        "mine = thread._courier\n"
        # A child inherits the locks that SQLite's library holds at the moment: none, while the thread is held here.
        "import threading\n"
        "idle, forked, wait = threading.Event(), threading.Event(), mine.wake.wait\n"
        "mine.wake.wait = lambda timeout: (idle.set(), forked.wait(40), wait(timeout))\n"
        "mine.wake.set()\n"
        "assert idle.wait(20)\n"
        "connections.close_all()\n"
        # Python 3.12 and later warn of a fork beside threads.
        "import warnings; warnings.simplefilter('ignore')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    assert thread._courier is None\n"
        "    assert threads() == []\n"
        "    " + CAPTURE.format("child") + "    assert thread._courier is not mine\n"
        "    assert thread._courier.pid == os.getpid()\n"
        "    sys.exit()\n"
        "forked.set()\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert thread.ensure_running() is mine\n" + CAPTURE.format("again")
    )
    site.run(code)
    assert emails(octanist) == ["again@example.com", "child@example.com", "parent@example.com"]
    assert statuses() == ["delivered"] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_the_thread_is_being_started_blocks_nobody(site: Site, octanist: TestSandbox) -> None:
    code = (
        "from django_octanist.dispatch import thread\n"
        "with thread._lock:\n"
        "    child = os.fork()\n"
        "if child == 0:\n"
        "    " + CAPTURE.format("child") + "    sys.exit()\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    site.run(code)
    assert emails(octanist) == ["child@example.com"]


def test_the_thread_waits_without_a_hot_loop_and_a_nudge_wakes_it(site: Site, octanist: TestSandbox) -> None:
    code = (
        f"{WAIT}from django_octanist.delivery import loop\n"
        "from django_octanist.dispatch import thread\n"
        "drains = []\n"
        "usual = loop._drain\n"
        "def counted(engine): drains.append(1); return usual(engine)\n"
        "loop._drain = counted\n"
        "thread.ensure_running()\n"
        "wait_until(lambda: drains)\n"
        + CAPTURE.format("jo")
        + "wait_until(lambda: Lead.objects.get().status == 'delivered')\n"
        "thread._end()\n"
        "print(len(drains))\n"
    )
    assert 2 <= int(site.run(code)) <= 4
