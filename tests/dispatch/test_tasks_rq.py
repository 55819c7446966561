"""The strategy ``tasks`` with a real worker of RQ, through django-tasks-rq, on Redis."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import django
import pytest
from django.db import connection

from django_octanist.models import Lead
from django_octanist.test import TestSandbox
from tests import settings
from tests.delivery import Site, a_site, wait_until

pytestmark = [
    pytest.mark.skipif(find_spec("django_tasks_rq") is None, reason="django-tasks-rq is not installed"),
    # The worker's children would take SQLite's locks across the fork.
    pytest.mark.skipif(connection.vendor == "sqlite", reason="needs a database server (DATABASE_URL)"),
    pytest.mark.django_db(transaction=True),
]

CAPTURE = 'capture_lead({{"email": "{}@example.com"}}, form="contact")\n'
WORKER = "call_command('rqworker', '--with-scheduler', '--job-class', 'django_tasks_rq.Job', verbosity=0)"
JOBS = """
import django_rq
queue = django_rq.get_queue()
print(len(queue), len(queue.scheduled_job_registry), len(queue.failed_job_registry))
"""


@pytest.fixture
def octanist() -> Iterator[TestSandbox]:
    with TestSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def site(tmp_path: Path, octanist: TestSandbox, redis_url: str) -> Iterator[Site]:
    backport = [] if django.VERSION >= (6, 0) else ["django_tasks"]
    with a_site(
        tmp_path,
        OCTANIST_API_URL=octanist.api_url,
        OCTANIST_API_KEY=octanist.api_key,
        OCTANIST_DISPATCH="tasks",
        INSTALLED_APPS=[*settings.INSTALLED_APPS, "django_rq", *backport],
        RQ_QUEUES={"default": {"URL": redis_url}},
        TASKS={"default": {"BACKEND": "django_tasks_rq.RQBackend"}},
    ) as site:
        yield site


def all_delivered() -> bool:
    return not Lead.objects.exclude(status=Lead.Status.DELIVERED).exists()


def test_the_checks_have_nothing_to_say(site: Site) -> None:
    assert "no issues" in site.run("call_command('check')")


def test_captured_by_one_process_and_delivered_by_a_worker(site: Site, octanist: TestSandbox) -> None:
    site.start(WORKER)
    site.run("".join(CAPTURE.format(name) for name in ("jo", "an", "bo")))
    wait_until(lambda: len(octanist.leads) == 3, what="the worker delivers")
    wait_until(all_delivered, what="the worker records it")
    assert site.run(JOBS).split()[2] == "0"


def test_many_nudges_are_one_job_while_it_waits(site: Site, octanist: TestSandbox) -> None:
    site.run("".join(CAPTURE.format(f"jo{number}") for number in range(20)) + JOBS)
    assert site.run(JOBS).split() == ["1", "0", "0"]
    site.start(WORKER)
    wait_until(all_delivered, what="the worker delivers")
    assert len(octanist.leads) == 20


def test_what_was_put_off_is_sent_again_without_another_nudge(site: Site, octanist: TestSandbox) -> None:
    octanist.fail_next(status=429, headers={"Retry-After": "1"})
    site.run(CAPTURE.format("jo"))
    site.start(WORKER)
    wait_until(all_delivered, what="it is sent again", seconds=40)
    assert [exchange.status for exchange in octanist.exchanges] == [429, 201]
