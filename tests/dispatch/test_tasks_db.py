"""The strategy ``tasks`` with real workers of django-tasks-db, on PostgreSQL."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import django
import pytest
from django.db import connection
from django.utils import timezone

from django_octanist.models import DeliveryAttempt, Lead
from django_octanist.test import TestSandbox
from tests import settings
from tests.delivery import RawServer, Site, a_site, finished, let_time_pass, make_leads, wait_until

pytestmark = [
    pytest.mark.skipif(find_spec("django_tasks_db") is None, reason="django-tasks-db is not installed"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL (DATABASE_URL)"),
    pytest.mark.django_db(transaction=True),
]

CAPTURE = 'capture_lead({{"email": "{}@example.com"}}, form="contact")\n'
NUDGE = "from django_octanist import dispatch\ndispatch.nudge('default')\n"
WORKER = "call_command('db_worker', '--interval', '0.05', '--no-startup-delay', verbosity=0)\n"
FEW_SECONDS = "from django_octanist.dispatch import turn\nturn.TURN_SECONDS = 0.2\n"


@pytest.fixture
def octanist() -> Iterator[TestSandbox]:
    with TestSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def site(tmp_path: Path, octanist: TestSandbox) -> Iterator[Site]:
    backport = [] if django.VERSION >= (6, 0) else ["django_tasks"]
    with a_site(
        tmp_path,
        OCTANIST_API_URL=octanist.api_url,
        OCTANIST_API_KEY=octanist.api_key,
        OCTANIST_DISPATCH="tasks",
        INSTALLED_APPS=[*settings.INSTALLED_APPS, "django_tasks_db", *backport],
        TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}},
    ) as site:
        site.run("call_command('migrate', 'django_tasks_database', verbosity=0)")
        try:
            yield site
        finally:
            site.end()
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLE django_tasks_database_dbtaskresult")
                cursor.execute("DELETE FROM django_migrations WHERE app = 'django_tasks_database'")


def tasks() -> list[tuple[str, datetime | None]]:
    """The status and time of each task, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status, CASE WHEN run_after < '9000-01-01' THEN run_after END"
            " FROM django_tasks_database_dbtaskresult ORDER BY enqueued_at"
        )
        return cursor.fetchall()


def waiting() -> list[datetime | None]:
    return [run_after for status, run_after in tasks() if status == "READY"]


def make_tasks_due() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_tasks_database_dbtaskresult SET run_after = now() WHERE run_after < '9000-01-01'")


def at_rest() -> bool:
    """Whether no task is running or due."""
    now = timezone.now()
    return not [
        status
        for status, run_after in tasks()
        if status == "RUNNING" or (status == "READY" and (run_after is None or run_after <= now))
    ]


def all_delivered() -> bool:
    return not Lead.objects.exclude(status=Lead.Status.DELIVERED).exists()


def test_the_checks_have_nothing_to_say(site: Site) -> None:
    assert "no issues" in site.run("call_command('check')")


def test_captured_by_one_process_and_delivered_by_a_worker(site: Site, octanist: TestSandbox) -> None:
    site.run(CAPTURE.format("jo"))
    assert octanist.exchanges == ()
    assert waiting() == [None]
    site.start(WORKER)
    wait_until(all_delivered, what="the worker delivers")
    assert [lead.fields["email"] for lead in octanist.leads] == ["jo@example.com"]


def test_a_worker_that_waits_is_nudged(site: Site, octanist: TestSandbox) -> None:
    site.start(WORKER)
    site.run("".join(CAPTURE.format(name) for name in ("jo", "an", "bo")))
    wait_until(lambda: len(octanist.leads) == 3, what="the worker delivers")


def test_what_was_put_off_is_sent_again_without_another_nudge(site: Site, octanist: TestSandbox) -> None:
    octanist.fail_next(status=429, headers={"Retry-After": "1"})
    site.run(CAPTURE.format("jo"))
    site.start(WORKER)
    wait_until(all_delivered, what="it is sent again")
    assert [exchange.status for exchange in octanist.exchanges] == [429, 201]


def test_many_leads_of_many_processes_are_few_tasks(site: Site, octanist: TestSandbox) -> None:
    for process in [site.start("".join(CAPTURE.format(f"{n}-{i}") for i in range(20))) for n in range(4)]:
        finished(process)
    assert len(tasks()) == 4
    site.start(WORKER)
    wait_until(all_delivered, what="the worker delivers")
    assert len(octanist.leads) == 80


def test_several_workers_share_a_backlog_and_leave_no_chains(site: Site, octanist: TestSandbox) -> None:
    make_leads(400)
    for _ in range(5):
        octanist.fail_next(status=408)
    for process in [site.start(NUDGE) for _ in range(6)]:
        finished(process)
    for _ in range(3):
        site.start(FEW_SECONDS + WORKER)

    for _ in range(10):
        wait_until(at_rest, what="the workers have done what is due", seconds=60)
        if not waiting():
            break
        let_time_pass()
        make_tasks_due()
    assert all_delivered()
    assert waiting() == []
    assert len(octanist.leads) == 400
    assert DeliveryAttempt.objects.filter(outcome="delivered").count() == 400
    assert {status for status, _ in tasks()} == {"SUCCESSFUL"}


def test_a_worker_that_is_killed_leaves_word(site: Site, octanist: TestSandbox) -> None:
    """Its task stays *running* for ever; another one, enqueued before anything was sent, finds its leads."""
    site.run(CAPTURE.format("jo"))
    with RawServer(None) as server:
        worker = site.start(WORKER, OCTANIST_API_URL=server.api_url)
        wait_until(lambda: server.requests, what="the lead is being sent")
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(20)
    lease_ends = Lead.objects.get().next_attempt_at
    assert lease_ends is not None
    assert [status for status, _ in tasks()] == ["RUNNING", "READY"]
    (look,) = waiting()
    assert look is not None
    assert lease_ends < look
    # Time passes, for the lease and the task alike.
    let_time_pass(seconds=(look - timezone.now()).total_seconds())
    make_tasks_due()
    site.start(WORKER)
    wait_until(all_delivered, what="another worker finds the lead")
    # It had left, so Octanist was asked first.
    assert [exchange.method for exchange in octanist.exchanges] == ["GET", "POST"]


def test_an_idle_task_leaves_nothing(site: Site, octanist: TestSandbox) -> None:
    site.run(NUDGE)
    site.run(WORKER.replace("'--interval'", "'--batch', '--interval'"))
    assert [status for status, _ in tasks()] == ["SUCCESSFUL"]
