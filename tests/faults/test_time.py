"""Clocks a day apart: what is due is due by the database's clock, whatever the processes think what time it is.

The clocks are set by libfaketime (Debian: ``faketime``), for the process alone and not for ``time.monotonic()``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest

from django_octanist.models import DeliveryPause, Lead

from . import FakeOctanist, Site, Worker, Workers, make_leads, wait_until
from .databases import a_mariadb, a_site_in, all_once, in_place_of_the_usual, site_at
from .postgres import a_cluster

pytestmark = pytest.mark.faults

AHEAD, RIGHT, BEHIND = "+1d", "+0", "-1d"
KINDS = pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
# Both clocks and both databases, but not each with each: processes take their time to start.
OFFSETS = pytest.mark.parametrize(
    ("kind", "offset"), [("postgresql", AHEAD), ("mariadb", BEHIND)], ids=["postgresql, ahead", "mariadb, behind"]
)
ALL = (AHEAD, RIGHT, BEHIND)


@pytest.fixture(scope="module")
def library() -> str:
    """The library that changes clocks: the one for programs with threads, where there are two."""
    for pattern in ("lib/*/faketime", "lib/faketime", "lib64/faketime", "local/lib/faketime"):
        for name in ("libfaketimeMT.so.1", "libfaketime.so.1"):
            for path in Path("/usr").glob(f"{pattern}/{name}"):
                return str(path)
    pytest.skip("no libfaketime (Debian: faketime)")


@contextmanager
def clock(library: str, offset: str) -> Iterator[None]:
    """Let the processes that are started meanwhile have a clock that is ``offset`` off."""
    values = {
        "LD_PRELOAD": library,
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # The same for libfaketime before 0.9.10.
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items() if offset != RIGHT else ():
            patch.setenv(name, value)
        yield


class Clocks:
    """Starts processes of a site by the clock that they have."""

    def __init__(self, workers: Workers, library: str) -> None:
        self.workers = workers
        self._library = library

    def worker(self, offset: str, *, arguments: Sequence[str] = (), **octanist_settings: object) -> Worker:
        with clock(self._library, offset):
            (worker,) = self.workers.start(arguments=arguments, **octanist_settings)
        return worker

    def once(self, *offsets: str) -> None:
        """Let a worker of each clock deliver what is due by its lights, with one request at a time."""
        for worker in [self.worker(offset, arguments=["--once", "--concurrency=1"]) for offset in offsets]:
            assert worker.wait() == 0, worker.output

    def run(self, offset: str, code: str) -> str:
        with clock(self._library, offset):
            process = self.workers.run(code)
        assert process.wait() == 0, process.output
        return process.output


@contextmanager
def _site(kind: str, octanist: FakeOctanist) -> Iterator[Site]:
    if kind == "mariadb":
        with a_mariadb() as url, in_place_of_the_usual(url):
            yield site_at(url, OCTANIST_API_URL=octanist.api_url)
        return
    with a_cluster() as cluster, a_site_in(cluster, octanist) as site:
        yield site


@pytest.fixture
def clocks(kind: str, octanist: FakeOctanist, tmp_path: Path, transactional_db: None, library: str) -> Iterator[Clocks]:
    """Clocks for processes that share a database server, whose clock is this test's."""
    with _site(kind, octanist) as site, Workers(site, tmp_path, octanist=octanist) as workers:
        yield Clocks(workers, library)


def from_now(moment: datetime | None) -> timedelta:
    assert moment is not None
    return moment - datetime.now(timezone.utc)


def between(low: float, moment: datetime | None, high: float) -> bool:
    """Whether ``moment`` is ``low`` to ``high`` seconds from now."""
    return timedelta(seconds=low) <= from_now(moment) <= timedelta(seconds=high)


@OFFSETS
def test_the_clock_is_off(clocks: Clocks, offset: str) -> None:
    """Or the tests below would show nothing."""
    code = "import time; print(time.time(), time.monotonic())"
    ((right, before), (other, after)) = [map(float, clocks.run(each, code).split()) for each in (RIGHT, offset)]
    assert round((other - right) / 3600) == (24 if offset == AHEAD else -24)
    assert 0 < after - before < 3600


@KINDS
def test_clocks_apart_share_the_work(clocks: Clocks, octanist: FakeOctanist) -> None:
    """All that is due is delivered without anybody's waiting; no lease is taken for one that has run out."""
    octanist.control(latency=[0.01, 0.1], slow=[0.05, 1.0])
    three = [clocks.worker(offset) for offset in ALL]
    wait_until(lambda: all("Delivering with" in worker.output for worker in three), what="all three run")
    make_leads(300)
    wait_until(lambda: Lead.objects.filter(status=Lead.Status.DELIVERED).count() == 300, what="all are delivered")
    clocks.workers.stop()
    all_once(octanist, leads=300)
    assert octanist.counters()["searches"] == 0
    parts = [int(number) for worker in three for number in re.findall(r"(\d+) delivered", worker.output)[-1:]]
    assert sum(parts) == 300
    assert all(parts), parts


@OFFSETS
def test_a_worker_alone_delivers_what_is_due(clocks: Clocks, octanist: FakeOctanist, offset: str) -> None:
    make_leads(20)
    clocks.worker(offset)
    wait_until(lambda: Lead.objects.filter(status=Lead.Status.DELIVERED).count() == 20, what="all are delivered")
    all_once(octanist, leads=20)


@OFFSETS
def test_a_lease_holds_against_a_worker_whose_clock_is_off(clocks: Clocks, octanist: FakeOctanist, offset: str) -> None:
    make_leads(4)
    octanist.control(hold="after")
    clocks.worker(offset, OCTANIST_CONCURRENCY=4)
    wait_until(lambda: octanist.counters()["created"] == 4, what="all are under way")
    clocks.once(*ALL)
    assert octanist.counters()["requests"] == 4
    octanist.control(hold="")
    wait_until(lambda: Lead.objects.filter(status=Lead.Status.DELIVERED).count() == 4, what="all are delivered")
    all_once(octanist, leads=4)


@OFFSETS
def test_a_failure_waits_for_its_time_and_no_longer(clocks: Clocks, octanist: FakeOctanist, offset: str) -> None:
    (lead,) = make_leads(1)
    octanist.control(status=500)
    clocks.once(offset)
    lead.refresh_from_db()
    # 30 s at least, 36 s at most, less what the process took to end.
    assert between(10, lead.next_attempt_at, 37)
    clocks.once(*ALL)
    assert octanist.counters()["requests"] == 1


@OFFSETS
@pytest.mark.parametrize("told", ["seconds", "date", "nothing"])
def test_a_pause_lasts_as_long_as_it_should(clocks: Clocks, octanist: FakeOctanist, offset: str, told: str) -> None:
    make_leads(5)
    now = datetime.now(timezone.utc)
    date = format_datetime(now + timedelta(seconds=600), usegmt=True)
    headers = {"seconds": {"Retry-After": "600"}, "date": {"Retry-After": date}, "nothing": {}}[told]
    octanist.control(status=429 if headers else 401, headers=headers)
    clocks.once(offset)
    seconds = 600 if headers else 30
    assert between(seconds - 25, DeliveryPause.objects.get().probe_at, seconds + 1)
    clocks.once(*ALL)
    assert octanist.counters()["requests"] == 1


@OFFSETS
def test_what_a_web_process_captures_is_due_at_once(clocks: Clocks, octanist: FakeOctanist, offset: str) -> None:
    clocks.run(offset, "assert capture_lead({'email': 'jo@example.com'}, form='contact')")
    assert between(-60, Lead.objects.get().next_attempt_at, 0)
    clocks.once(RIGHT)
    all_once(octanist, leads=1)


@OFFSETS
def test_twins_are_known_whatever_the_time(clocks: Clocks, octanist: FakeOctanist, offset: str) -> None:
    """The second of two identical submissions reaches another web process."""
    for each in (offset, RIGHT, offset):
        clocks.run(each, "capture_lead({'email': 'jo@example.com'}, form='contact')")
    assert Lead.objects.count() == 1
    clocks.once(*ALL)
    all_once(octanist, leads=1)
