"""Faults: real workers, a real database and a fake Octanist, each a process of its own, and what goes wrong between.

Not part of an ordinary run: ``tox -e faults``, or ``pytest -m faults tests/faults`` with ``DATABASE_URL``. What is
drawn by chance follows ``FAULTS_SEED``, which a test that fails prints.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from django_octanist.models import DeliveryPause, Lead
from django_octanist.transactions import retried
from tests.delivery import _PRELUDE, ROOT, Site, a_site, make_leads
from tests.delivery import wait_until as wait_shortly_until

__all__ = [
    "API_KEY",
    "FakeOctanist",
    "Site",
    "Worker",
    "Workers",
    "a_site",
    "beside_workers",
    "environment",
    "invariant",
    "let_it_finish",
    "let_time_pass",
    "make_due",
    "make_leads",
    "make_probes_due",
    "run_out",
    "wait_until",
]

API_KEY = "test-key"
LONGEST = 300
"""Seconds after which a process of a test ends itself, whatever became of the test."""
GRACE = 1.0
"""Seconds for which an uncertain lead is left alone, so that Octanist has what was on its way; in real life 30."""

QUICK = """
# As a minute's wait between two looks at the database, but shorter.
from django_octanist.delivery import loop
assert loop.LONGEST_WAIT and loop.SHORTEST_WAIT and loop.WAIT_AFTER_ERROR
loop.LONGEST_WAIT, loop.SHORTEST_WAIT, loop.WAIT_AFTER_ERROR = 0.3, 0.1, 0.3
"""
COUNTS_ROUNDS = """
# A byte for each round that ended, so that a test can wait until every worker has looked at the database.
def counted(engine, *, drain=loop._drain):
    wait = drain(engine)
    with open(ROUNDS, "ab") as file:
        file.write(b".")
    return wait
loop._drain = counted
"""
BY_WORKER = """
# A lease says whose it is, so that a test can end those of the dead.
import uuid
from types import SimpleNamespace
from django_octanist.delivery import claims
assert claims.uuid is uuid
def token():
    return uuid.UUID(int=uuid.uuid4().int >> 32 << 32 | WORKER)
claims.uuid = SimpleNamespace(UUID=uuid.UUID, uuid4=token)
"""
BOUNDED = f"""
import signal
signal.alarm({LONGEST})
"""


class FakeOctanist:
    """The process of ``tests/faults/octanist.py``. Use it as a context manager, or ``start`` and ``stop`` it."""

    def __init__(self, folder: Path, *, seed: int = 0, **control: Any) -> None:
        self.ledger_file = folder / "ledger.jsonl"
        self._arguments = ["--ledger", str(self.ledger_file), f"--seed={seed}", f"--control={json.dumps(control)}"]
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> FakeOctanist:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, on the port that it had before, if any."""
        program = str(Path(__file__).with_name("octanist.py"))
        self._process = subprocess.Popen(
            [sys.executable, program, *self._arguments, f"--port={self.port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """Kill it: the ledger is on disk."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=20)
            self._process = None

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def control(self, **values: Any) -> None:
        """Change how it answers from now on; see ``Behaviour`` in ``octanist.py``. ``reset=True``: count from 0."""
        self._call(json.dumps(values).encode())

    def counters(self) -> dict[str, Any]:
        """Return ``requests``, ``posts``, ``searches``, ``checks``, ``unauthorized``, ``created``, ``in_flight``,
        ``max_in_flight``, ``creating``: the submission ids of the POSTs that are not answered yet, and
        ``by_submission``: the number of POSTs for each submission id."""
        return self._call(None)

    def ledger(self) -> list[dict[str, Any]]:
        """Return what was created, in order: ``id``, ``submission_id``, ``email``, ``time``, ``idempotency_key``."""
        lines = self.ledger_file.read_text().splitlines() if self.ledger_file.exists() else []
        return [json.loads(line) for line in lines]

    def _call(self, body: bytes | None) -> dict[str, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/control", data=body)
        # Never by way of a proxy of the environment's.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            values: dict[str, Any] = json.load(answer)
            return values


class Worker:
    """A process of the site; what it prints, errors too, goes to a file, so that it never waits for a reader."""

    def __init__(self, code: str, *, site: Site, log: Path, **octanist_settings: Any) -> None:
        self.log = log
        self.rounds_file = log.with_suffix(".rounds")
        code = f"ROUNDS = {str(self.rounds_file)!r}\n{code}"
        self._ended: float | None = None
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PRELUDE + BOUNDED + code],
                cwd=ROOT,
                env=environment(site, octanist_settings),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def rounds(self) -> int:
        """How often it has delivered what was due, and had nothing in hand afterwards."""
        return self.rounds_file.stat().st_size if self.rounds_file.exists() else 0

    def is_running(self) -> bool:
        return self.process.poll() is None

    def ended_before(self, *, seconds: float) -> bool:
        """Whether it ended, seen at least ``seconds`` ago."""
        if self._ended is None and not self.is_running():
            self._ended = time.monotonic()
        return self._ended is not None and time.monotonic() >= self._ended + seconds

    def signal(self, number: int) -> None:
        if self.is_running():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9, with whatever it forked, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(20)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def wait(self, *, seconds: float = 60.0) -> int:
        """Wait for its end and return its code (negative: the signal)."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not within {seconds:g} s: the process ends\n{self.output[-4000:]}") from None


class Workers:
    """Processes of ``site``, by default ``octanist_worker``. A context manager that kills what still runs.

    ``prelude`` is run in each before it works. Settings are Octanist's of the site, and ``octanist_settings``.
    """

    def __init__(
        self, site: Site, folder: Path, *, octanist: FakeOctanist, prelude: str = "", **octanist_settings: Any
    ) -> None:
        self.site = site
        self.octanist = octanist
        self.folder = folder
        self.prelude = prelude
        self.settings = octanist_settings
        self.all: list[Worker] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()

    def start(
        self, number: int = 1, *, arguments: Sequence[str] = (), prelude: str = "", **octanist_settings: Any
    ) -> list[Worker]:
        """Start ``number`` workers with ``arguments`` of the command line."""
        call = f"call_command('octanist_worker', {', '.join(map(repr, arguments))})"
        return [self.run(prelude + call, **octanist_settings) for _ in range(number)]

    def run(self, code: str, **octanist_settings: Any) -> Worker:
        """Start a process of the site that runs ``code``."""
        log = self.folder / f"worker-{len(self.all)}.log"
        code = f"WORKER = {len(self.all)}\n" + QUICK + COUNTS_ROUNDS + BY_WORKER + self.prelude + "\n" + code
        worker = Worker(code, site=self.site, log=log, **self.settings | octanist_settings)
        self.all.append(worker)
        return worker

    @property
    def running(self) -> list[Worker]:
        return [worker for worker in self.all if worker.is_running()]

    def look_again(self) -> None:
        """Wait until each has looked at the database from now on, and has nothing in hand of what it found there."""
        # The first round that ends may have begun before.
        goals = [(worker, worker.rounds + 2) for worker in self.all]
        wait_until(lambda: all(worker.rounds >= goal for worker, goal in goals), what="each worker has looked again")

    def stop(self, *, seconds: float = 60.0) -> None:
        """End all in order, by SIGTERM."""
        for worker in self.running:
            worker.thaw()
            worker.signal(signal.SIGTERM)
        for worker in self.all:
            worker.wait(seconds=seconds)

    def kill(self) -> None:
        """Kill all."""
        for worker in self.all:
            worker.kill()

    def release_dead(self) -> int:
        """End the leases of the workers that are gone, as if their time had run out. Return how many.

        Not of a lead that Octanist still works on, as it may where a disk is slow: no lease is that short.
        """
        dead = {number for number, worker in enumerate(self.all) if worker.ended_before(seconds=GRACE)}
        held = Lead.objects.waiting().exclude(lease=None).values_list("lease", "submission_id")
        of_dead = [(lease, str(submission)) for lease, submission in held if lease.int & 0xFFFFFFFF in dead]
        if not of_dead:
            return 0
        creating = set(self.octanist.counters()["creating"])
        busy = {lease for lease, submission in of_dead if submission in creating}
        return run_out({lease for lease, _submission in of_dead} - busy)

    def output(self) -> str:
        """Return what all of them printed."""
        return "".join(worker.output for worker in self.all)


def environment(site: Site, octanist_settings: dict[str, Any]) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": site.database_url,
        "SITE_SETTINGS": json.dumps(site.settings | octanist_settings),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDEVMODE": "",
    }


def run_out(leases: Iterable[uuid.UUID] | None = None) -> int:
    """Let ``leases`` (default: all) run out. Return of how many leads."""
    past = timezone.now() - timedelta(hours=1)
    rows = Lead.objects.waiting().exclude(lease=None).filter(next_attempt_at__gt=past)
    # By the lease: who has taken one of those leads meanwhile has it.
    named = rows if leases is None else rows.filter(lease__in=list(leases))
    return beside_workers(lambda: named.update(next_attempt_at=past))


def wait_until(condition: Callable[[], Any], *, what: str, seconds: float = 60.0) -> None:
    """Wait until ``condition`` holds, while processes start and end on a machine that may be busy."""
    wait_shortly_until(condition, what=what, seconds=seconds)


def make_due() -> int:
    """Make every waiting lead that is in nobody's hands due, as if the time had passed. Return how many were not."""
    now = timezone.now()
    later = Lead.objects.waiting().filter(lease=None, next_attempt_at__gt=now)
    return beside_workers(lambda: later.update(next_attempt_at=now - timedelta(hours=1)))


def make_probes_due() -> int:
    """Let paused accounts be probed now. Return how many are paused."""
    past = timezone.now() - timedelta(hours=1)
    return beside_workers(lambda: DeliveryPause.objects.update(probe_at=past))


def beside_workers(write: Callable[[], int]) -> int:
    """Do ``write`` again where MariaDB ends it for a deadlock with a worker, as the app does with its own."""
    return retried(write, using=DEFAULT_DB_ALIAS)


def let_it_finish(
    workers: Workers, *, seconds: float = 90.0, until: Callable[[], bool] = lambda: not Lead.objects.waiting().exists()
) -> None:
    """Let due times pass, leases of the dead among them, until no lead waits any more (or ``until``)."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {_standing()}\n{workers.output()[-4000:]}"
        let_time_pass(workers)
        time.sleep(0.1)


def let_time_pass(workers: Workers) -> None:
    """Make everything due that waits for a time: leads, leases of the dead, and a paused account's next probe."""
    make_due()
    workers.release_dead()
    # While a probe is under way, no other.
    if not Lead.objects.waiting().exclude(lease=None).exists():
        make_probes_due()


def _standing() -> dict[str, int]:
    return dict(Counter(Lead.objects.values_list("status", flat=True)))


def invariant(octanist: FakeOctanist, *, committed: int, delivered: int | None = None) -> None:
    """Nothing lost, nothing twice: assert it of the database and of what ``octanist`` created.

    ``committed`` leads are stored, each delivered, visibly waiting or visibly failed; each delivered lead is in the
    ledger once, by the id that it carries, and nothing else was created but of leads that wait or failed. With
    ``delivered`` just so many are.
    """
    ledger = octanist.ledger()
    twice = {name: number for name, number in Counter(row["submission_id"] for row in ledger).items() if number > 1}
    assert not twice, f"created more than once: {twice}"
    created = {row["submission_id"]: row["id"] for row in ledger}

    leads = list(Lead.objects.all())
    by_submission = {str(lead.submission_id): lead for lead in leads}
    assert set(created) <= set(by_submission), "created, but not a committed lead"
    done = [lead for lead in leads if lead.status == Lead.Status.DELIVERED]
    waiting = [lead for lead in leads if lead.status == Lead.Status.PENDING and lead.next_attempt_at is not None]
    failed = [lead for lead in leads if lead.status not in (Lead.Status.DELIVERED, Lead.Status.PENDING)]
    assert len(done) + len(waiting) + len(failed) == len(leads) == committed, _standing()
    wrong = [lead.pk for lead in done if created.get(str(lead.submission_id)) != lead.octanist_id]
    assert not wrong, f"delivered, but not what Octanist created: {wrong}"
    assert delivered in (None, len(done)), _standing()
