"""A dotted path to a strategy of the site's own, with a real worker of Celery, on Redis."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from django_octanist.models import Lead
from django_octanist.test import TestSandbox
from tests.delivery import Site, a_site, wait_until

pytestmark = [
    pytest.mark.skipif(
        find_spec("celery") is None or find_spec("redis") is None, reason="celery[redis] is not installed"
    ),
    pytest.mark.django_db(transaction=True),
]

CAPTURE = 'capture_lead({{"email": "{}@example.com"}}, form="contact")\n'
WORKER = """
from tests.dispatch.shop import app
app.worker_main(["worker", "--pool", "solo", "--without-gossip", "--without-mingle", "--loglevel", "error"])
"""


@pytest.fixture
def octanist() -> Iterator[TestSandbox]:
    with TestSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def site(tmp_path: Path, octanist: TestSandbox, redis_url: str) -> Iterator[Site]:
    with a_site(
        tmp_path,
        OCTANIST_API_URL=octanist.api_url,
        OCTANIST_API_KEY=octanist.api_key,
        OCTANIST_DISPATCH="tests.dispatch.shop.nudge",
        CELERY_BROKER_URL=redis_url,
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


def test_what_was_put_off_is_sent_again_without_another_nudge(site: Site, octanist: TestSandbox) -> None:
    octanist.fail_next(status=429, headers={"Retry-After": "1"})
    site.run(CAPTURE.format("jo"))
    site.start(WORKER)
    wait_until(all_delivered, what="it is sent again", seconds=40)
    assert [exchange.status for exchange in octanist.exchanges] == [429, 201]
