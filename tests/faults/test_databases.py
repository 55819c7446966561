"""Databases that restart, refuse to write, run out of disk, or let two wait for each other.

Each test names the database it needs, whatever ``DATABASE_URL`` says, and brings it along where it breaks it.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.db import connection

from django_octanist.models import Lead

from . import FakeOctanist, Site, Worker, Workers, let_it_finish, make_leads, wait_until
from .databases import SmallDisk, a_mariadb, a_site_in, a_small_disk, all_once, in_place_of_the_usual, sent, site_at
from .postgres import Cluster, a_cluster, cluster

__all__ = ["cluster"]

pytestmark = pytest.mark.faults

LEADS = 300
SENDERS, BATCH = 4, 20
CLAIMED = SENDERS + 2 * BATCH
"""Leads that a worker may have claimed, or be claiming, at one moment."""
LIMITS = {"OCTANIST_CONCURRENCY": SENDERS, "OCTANIST_BATCH_SIZE": BATCH}


def delivered() -> int:
    return Lead.objects.filter(status=Lead.Status.DELIVERED).count()


# PostgreSQL


@pytest.fixture
def site(cluster: Cluster, octanist: FakeOctanist, transactional_db: None) -> Iterator[Site]:
    """A site with a PostgreSQL that may be broken."""
    with a_site_in(cluster, octanist, **LIMITS) as site:
        yield site


def test_a_server_that_restarts(
    site: Site, cluster: Cluster, octanist: FakeOctanist, workers: Workers, seed: int
) -> None:
    make_leads(LEADS)
    octanist.control(latency=[0.01, 0.05])
    both = workers.start(2)
    chance = random.Random(seed)
    for part in range(3):
        until = part * 60 + chance.randrange(20, 60)
        wait_until(lambda: octanist.counters()["created"] >= until, what=f"{until} leads created")  # noqa: B023
        cluster.restart()
    connection.close()
    # A claim whose commit was not answered is nobody's until its lease ends: not all need be delivered now.
    wait_until(lambda: delivered() >= LEADS - 2 * CLAIMED, what="the workers go on")
    assert workers.running == both
    workers.stop()
    assert [worker.wait() for worker in both] == [0, 0]
    workers.start()
    let_it_finish(workers)
    all_once(octanist, leads=LEADS)


def test_a_server_that_is_away_for_a_while(
    site: Site, cluster: Cluster, octanist: FakeOctanist, workers: Workers
) -> None:
    """Answers that came meanwhile are kept: nothing is in doubt, so nobody is asked."""
    make_leads(SENDERS)
    octanist.control(hold="after")
    (worker,) = workers.start()
    wait_until(lambda: octanist.counters()["created"] == SENDERS, what="all are sent")
    connection.close()
    cluster.stop()
    try:
        octanist.control(hold="")
        wait_until(lambda: octanist.counters()["in_flight"] == 0, what="all are answered")
        wait_until(lambda: worker.output.count("deliveries wait") >= 3, what="the worker tries to write them")
    finally:
        cluster.start()
    wait_until(lambda: delivered() == SENDERS, what="all are delivered")
    assert worker.is_running()
    all_once(octanist, leads=SENDERS)
    assert octanist.counters()["searches"] == 0


@contextmanager
def read_only(cluster: Cluster) -> Iterator[Callable[[], int]]:
    """Let no transaction write that begins from now on; yield what counts those that tried."""
    before = cluster.logged("read-only transaction")
    cluster.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        yield lambda: cluster.logged("read-only transaction") - before
    finally:
        cluster.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


def test_a_server_that_turns_read_only(site: Site, cluster: Cluster, octanist: FakeOctanist, workers: Workers) -> None:
    make_leads(LEADS)
    octanist.control(latency=[0.01, 0.05])
    (worker,) = workers.start()
    wait_until(lambda: octanist.counters()["created"] >= 60, what="60 leads created")
    with read_only(cluster) as refused:
        wait_until(refused, what="a write is refused")
        before, _ = sent(octanist)
        wait_until(lambda: refused() >= 3, what="the worker tries again")
        wait_until(lambda: octanist.counters()["in_flight"] == 0, what="what was under way has ended")
        # What was claimed may have gone out, and nothing else.
        stopped, _ = sent(octanist)
        assert stopped - before <= CLAIMED
        tried = refused()
        wait_until(lambda: refused() >= tried + 5, what="the worker keeps trying")
        assert sent(octanist) == (stopped, 1)
    let_it_finish(workers)
    assert worker.is_running()
    all_once(octanist, leads=LEADS)


def test_a_worker_that_starts_while_the_server_is_read_only(
    site: Site, cluster: Cluster, octanist: FakeOctanist, workers: Workers
) -> None:
    make_leads(50)
    with read_only(cluster) as refused:
        (worker,) = workers.start()
        wait_until(lambda: refused() >= 5, what="the worker tries to claim")
        assert octanist.counters()["requests"] == 0
    let_it_finish(workers)
    assert worker.is_running()
    all_once(octanist, leads=50)


class Locker:
    """A session that holds one lead's row."""

    def __init__(self, url: str, lead: int) -> None:
        import psycopg

        self.lead = lead
        # It is not this one that ends a deadlock.
        self.session = psycopg.connect(url, options="-c deadlock_timeout=60s -c statement_timeout=30s")
        self.lock(lead)

    def lock(self, *leads: int, how: str = "") -> set[int]:
        """Lock the rows of ``leads`` and return their keys."""
        sql = f"SELECT id FROM octanist_lead WHERE id = ANY(%s) FOR UPDATE {how}"
        return {key for (key,) in self.session.execute(sql, [list(leads)])}  # type: ignore[arg-type]

    def is_in_the_way(self) -> bool:
        """Whether somebody waits for it."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        return self.session.execute(sql).fetchone() != (0,)

    def release(self) -> None:
        self.session.close()


def deadlocked(cluster: Cluster, octanist: FakeOctanist, *, leads: set[int]) -> bool:
    """Let what records ``leads``, whose answers are held, and a session of ours wait for each other.

    Return whether it came to that: not where the recorder began with the row that was ours.
    """
    url = f"{cluster.url}/site"
    lockers = [Locker(url, lead) for lead in leads]
    try:
        octanist.control(hold="")
        wait_until(lambda: any(locker.is_in_the_way() for locker in lockers), what="a result is being written")
        wait_until(lambda: octanist.counters()["in_flight"] == 0, what="the others are answered")
        first = next(locker for locker in lockers if locker.is_in_the_way())
        # The last row, which is hardly the one that the recorder begins with.
        ours = max((locker for locker in lockers if locker is not first), key=lambda locker: locker.lead)
        for locker in lockers:
            if locker is not ours:
                locker.release()
        wait_until(ours.is_in_the_way, what="our row's result is being written")
        theirs = leads - {ours.lead} - ours.lock(*leads, how="SKIP LOCKED")
        # Whoever waits longer than its deadlock_timeout gives up: the recorder.
        return bool(theirs) and ours.lock(*theirs) == theirs
    finally:
        for locker in lockers:
            with suppress(Exception):
                locker.release()


@pytest.mark.parametrize("arguments", [(), ("--once",)], ids=["worker", "once"])
def test_a_deadlock(
    site: Site, cluster: Cluster, octanist: FakeOctanist, workers: Workers, arguments: Sequence[str]
) -> None:
    """The transaction is written again; the leads are not sent again, and nobody is asked."""
    cluster.execute("ALTER DATABASE site SET deadlock_timeout = '1500ms'")
    before = cluster.logged("deadlock detected")
    for number in range(8, 80, 8):
        octanist.control(hold="after")
        leads = {lead.pk for lead in make_leads(8)}
        (worker,) = workers.start(arguments=arguments, OCTANIST_CONCURRENCY=8)
        wait_until(lambda: octanist.counters()["created"] == number, what="all are sent")  # noqa: B023
        happened = deadlocked(cluster, octanist, leads=leads)
        wait_until(lambda: delivered() == number, what="all are delivered")  # noqa: B023
        if arguments:
            assert worker.wait() == 0
        else:
            assert worker.is_running()
            workers.stop()
        if happened:
            break
    assert cluster.logged("deadlock detected") > before
    all_once(octanist, leads=number)
    assert octanist.counters()["searches"] == 0


# Isolation


def _share(octanist: FakeOctanist, workers: Workers) -> None:
    octanist.control(latency=[0.0, 0.03])
    make_leads(LEADS)
    workers.start(3)
    let_it_finish(workers)
    assert len(workers.running) == 3
    all_once(octanist, leads=LEADS)
    assert octanist.counters()["searches"] == 0


@pytest.mark.parametrize("level", ["repeatable read", "read committed"])
def test_workers_share_a_mariadb(octanist: FakeOctanist, tmp_path: Path, transactional_db: None, level: str) -> None:
    with a_mariadb() as url, in_place_of_the_usual(url):
        url += f"?isolation_level={level.replace(' ', '%20')}"
        site = site_at(url, OCTANIST_API_URL=octanist.api_url, **LIMITS)
        with Workers(site, tmp_path, octanist=octanist) as workers:
            _share(octanist, workers)
            done = workers.run(
                "from django.db import connection\n"
                "with connection.cursor() as cursor:\n"
                "    cursor.execute('SELECT @@SESSION.tx_isolation' if connection.mysql_is_mariadb"
                " else 'SELECT @@SESSION.transaction_isolation')\n"
                "    print(cursor.fetchone()[0])"
            )
            done.wait()
            assert done.output.strip() == level.upper().replace(" ", "-")


@pytest.mark.parametrize(("level", "number"), [("repeatable read", 3), ("serializable", 4)])
def test_workers_share_a_strict_postgresql(
    cluster: Cluster, octanist: FakeOctanist, tmp_path: Path, transactional_db: None, level: str, number: int
) -> None:
    with (
        a_site_in(cluster, octanist, options=f"?isolation_level={number}", **LIMITS) as site,
        Workers(site, tmp_path, octanist=octanist) as workers,
    ):
        _share(octanist, workers)


# SQLite

REFUSALS = """
# Says where the database refuses.
from django.db.backends.sqlite3 import base
usual = base.SQLiteCursorWrapper.execute
def execute(self, *arguments, **named):
    try:
        return usual(self, *arguments, **named)
    except base.Database.OperationalError as error:
        os.write(1, f"refused: {error}\\n".encode())
        raise
base.SQLiteCursorWrapper.execute = execute
"""


@contextmanager
def a_file(folder: Path, octanist: FakeOctanist, *, options: str, patience: int = 1) -> Iterator[Workers]:
    """Yield workers of a site with a database in ``folder`` that wait ``patience`` seconds for others."""
    file = f"sqlite:///{folder}/site.sqlite3"
    with in_place_of_the_usual(f"{file}?timeout=30"):
        site = site_at(f"{file}?timeout={patience}{options}", OCTANIST_API_URL=octanist.api_url, **LIMITS)
        with (
            tempfile.TemporaryDirectory() as logs,
            Workers(site, Path(logs), octanist=octanist, prelude=REFUSALS) as workers,
        ):
            try:
                yield workers
            finally:
                print(workers.output()[-3000:])


@contextmanager
def another_writer(folder: Path, *, how: str) -> Iterator[None]:
    writer = sqlite3.connect(f"{folder}/site.sqlite3", isolation_level=None, timeout=30)
    try:
        writer.execute(f"BEGIN {how}")
        yield
        writer.execute("ROLLBACK")
    finally:
        writer.close()


def refused(worker: Worker) -> int:
    return worker.output.count("refused: ")


MODES = pytest.mark.parametrize("options", ["", "&transaction_mode=IMMEDIATE"], ids=["deferred", "immediate"])


@MODES
@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_file_that_another_writer_holds(
    tmp_path: Path, octanist: FakeOctanist, transactional_db: None, options: str, how: str
) -> None:
    with a_file(tmp_path, octanist, options=options, patience=0) as workers:
        make_leads(SENDERS)
        octanist.control(hold="after")
        with another_writer(tmp_path, how=how):
            (worker,) = workers.start()
            wait_until(lambda: refused(worker) >= 3, what="the worker tries to claim")
            assert octanist.counters()["requests"] == 0
        wait_until(lambda: octanist.counters()["created"] == SENDERS, what="all are sent")
        with another_writer(tmp_path, how=how):
            before = refused(worker)
            octanist.control(hold="")
            wait_until(lambda: refused(worker) >= before + 3, what="the worker tries to record")
        wait_until(lambda: delivered() == SENDERS, what="all are delivered")
        assert worker.is_running()
        all_once(octanist, leads=SENDERS)
        assert octanist.counters()["searches"] == 0


@MODES
def test_workers_share_a_file(tmp_path: Path, octanist: FakeOctanist, transactional_db: None, options: str) -> None:
    with a_file(tmp_path, octanist, options=options) as workers:
        _share(octanist, workers)


# No space left


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with a_small_disk(folder, megabytes=120) as disk:
        yield disk


@MODES
def test_no_space_for_sqlite(disk: SmallDisk, octanist: FakeOctanist, transactional_db: None, options: str) -> None:
    with a_file(disk.folder, octanist, options=options) as workers:
        make_leads(SENDERS)
        octanist.control(hold="after")
        (worker,) = workers.start()
        wait_until(lambda: octanist.counters()["created"] == SENDERS, what="all are sent")
        disk.fill()
        octanist.control(hold="")
        wait_until(lambda: worker.output.count("is full") >= 3, what="the worker tries to record")
        assert delivered() == 0
        disk.free()
        wait_until(lambda: delivered() == SENDERS, what="all are delivered")
        assert worker.is_running()
        all_once(octanist, leads=SENDERS)
        assert octanist.counters()["searches"] == 0


def test_no_space_for_postgresql(octanist: FakeOctanist, tmp_path: Path, transactional_db: None) -> None:
    # Not in the test's folder, which the server's user may not enter.
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        folder = Path(above) / "disk"
        folder.mkdir()
        with (
            a_small_disk(folder, megabytes=120) as disk,
            a_cluster(folder) as cluster,
            a_site_in(cluster, octanist, **LIMITS) as site,
        ):
            _run_out_of_space(site, cluster, disk, octanist, tmp_path)


def _run_out_of_space(site: Site, cluster: Cluster, disk: SmallDisk, octanist: FakeOctanist, folder: Path) -> None:
    make_leads(3 * LEADS)
    octanist.control(latency=[0.01, 0.02])
    with Workers(site, folder, octanist=octanist) as workers:
        (worker,) = workers.start()
        wait_until(lambda: octanist.counters()["created"] >= 60, what="60 leads created")
        disk.fill()
        wait_until(lambda: cluster.logged("No space left on device") >= 3, what="writes are refused")
        wait_until(lambda: octanist.counters()["in_flight"] == 0, what="what was under way has ended")
        disk.free()
        if not cluster.runs:
            cluster.start()
        connection.close()
        let_it_finish(workers)
        assert worker.is_running()
    all_once(octanist, leads=3 * LEADS)
