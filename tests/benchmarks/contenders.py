"""Who is measured, each in a process of its own: ``python -m tests.benchmarks.contenders NAME``.

It gets ready, prints ``ready``, waits for a line, does its work and prints what it measured as JSON: starting an
interpreter and filling a queue is no part of any figure.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

LIMIT_SECONDS = 120.0
SENDERS = 32
CLAIMS = 30
CLAIM_SIZE = 100
POLLS = 200
ALIASES = ("default", "full")
Figures = dict[str, float]
Prepared = Callable[[], Figures]


class Contender(AbstractContextManager["Contender"]):
    """A contender's process, which ends with the context, after ``limit`` seconds at the latest."""

    def __init__(self, name: str, *, environment: Mapping[str, str], limit: float = LIMIT_SECONDS, **options: int):
        words = [f"--{option}={value}" for option, value in options.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, name, *words],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._timer = threading.Timer(limit, self._kill)
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()
        self._kill()
        # Reaps it, and closes the pipes.
        self._process.__exit__(None, None, None)

    def await_ready(self) -> None:
        line = self._line()
        if line != "ready":
            raise RuntimeError(f"{self._process.args!r} said {line!r}, not 'ready'")

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def figures(self) -> Figures:
        """Wait for what it measured."""
        found: Figures = json.loads(self._line())
        return found

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended early, or took too long")
        return line

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killg(self._process.pid, signal.SIGKILL) if False else os.killpg(self._process.pid, signal.SIGKILL)


def run(name: str, **options: Any) -> Figures:
    """Run one contender from beginning to end, with the options of :func:`together`; return what it measured."""
    return together(1, name, **options)[0]


def together(
    processes: int,
    name: str,
    *,
    database: str = "",
    full_database: str = "",
    url: str = "",
    limit: float = LIMIT_SECONDS,
    **options: int,
) -> list[Figures]:
    """Run ``processes`` of one contender at once, each for at most ``limit`` seconds."""
    environment = {"DATABASE_URL": database or "sqlite://:memory:"}
    if full_database:
        environment["FULL_DATABASE_URL"] = full_database
    if url:
        environment["OCTANIST_API_URL"] = url
    with ExitStack() as stack:
        contenders = [Contender(name, environment=environment, limit=limit, **options) for _process in range(processes)]
        for contender in contenders:
            stack.enter_context(contender)
        for contender in contenders:
            contender.await_ready()
        for contender in contenders:
            contender.go()
        return [contender.figures() for contender in contenders]


# Inside the process


def template(**_options: int) -> Prepared:
    """Make the tables, and one lead, whose body is some 900 bytes."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    sample().save()
    return dict


def sample() -> Any:
    from django_octanist.models import Lead

    return Lead(
        form="quote",
        name="Johanna van den Berg-Visser",
        email="johanna.vandenberg@example.com",
        phone="+31 6 12345678",
        note="We have a detached house from 1934 with a leaking tiled roof, about 140 m2, and would like a quote for"
        " renewing it with insulation before the winter. Mornings suit us best, and you may call at any time."
        " Kind regards, Johanna",
        custom={
            "roof_type": "tiled",
            "area": "140",
            "insulation": True,
            "when": "before winter",
            "postcode": "3511 AB",
        },
        attribution={
            "website": "https://example.com",
            "path": "/roofs/renewal/quote",
            "gclid": "CjwKCAjw7pKFBhAuEiwAqIhV1u2Xm5n0Zx3yQ9s8r7p6CjwKCAjw7pKFBhAuEiwAqIhV1u2Xm5n0",
            "utm_source": "google",
            "utm_medium": "cpc",
            "utm_campaign": "roofs-renewal-autumn",
        },
        consent={"ad_storage": True, "ad_user_data": True, "ad_personalization": False, "analytics_storage": True},
    )


def payloads(leads: int) -> list[dict[str, Any]]:
    return [sample().payload() for _lead in range(leads)]


def engine(*, senders: int, **_options: int) -> Prepared:
    """Drain what is due, as ``octanist_worker --once`` does."""
    from django.db import connection

    from django_octanist.delivery import Engine

    connection.ensure_connection()

    def work() -> Figures:
        with Engine(senders=senders) as running:
            start = perf_counter()
            settled = running.drain()
            return {"seconds": perf_counter() - start, "leads": settled}

    return work


def bare(*, senders: int, leads: int, **_options: int) -> Prepared:
    """Send the same bodies without a database."""
    from .bare import send_all

    waiting, url = payloads(leads), os.environ["OCTANIST_API_URL"]

    def work() -> Figures:
        start = perf_counter()
        send_all(url, waiting, senders=senders)
        return {"seconds": perf_counter() - start, "leads": leads}

    return work


def tasks(*, leads: int, **_options: int) -> Prepared:
    """Run one worker of django-tasks-db on a task per lead."""
    from django.core.management import call_command
    from django_tasks_db.models import DBTaskResult

    from .task_per_lead import send_lead

    DBTaskResult.objects.all().delete()

    for payload in payloads(leads):
        send_lead.enqueue(payload)

    def work() -> Figures:
        call_command("db_worker", batch=True, interval=0.0, startup_delay=False, reload=False, verbosity=0)
        return as_seen(leads)

    return work


def celery(*, senders: int, leads: int, **_options: int) -> Prepared:
    """Run one Celery worker of ``senders`` processes on a task per lead."""
    from .celery_per_lead import send_lead

    for payload in payloads(leads):
        send_lead.delay(payload)
    command = [sys.executable, "-m", "celery", "--quiet", "--app", "tests.benchmarks.celery_per_lead", "worker"]
    command += ["--pool=prefork", f"--concurrency={senders}", "--loglevel=ERROR"]
    # Without what it does beside its work.
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]

    def work() -> Figures:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            try:
                return as_seen(leads, is_running=lambda: worker.poll() is None)
            finally:
                worker.terminate()

    return work


def as_seen(leads: int, *, is_running: Callable[[], bool] = lambda: False) -> Figures:
    """Return the time that the leads took, by the server's clock: from the first one's arrival to the last answer.

    Waits for them as long as the worker runs.
    """
    from .fake_octanist import stats

    url = os.environ["OCTANIST_API_URL"]
    while stats(url).created < leads and is_running():
        sleep(0.5)
    # The last one's answer.
    sleep(0.5)
    seen = stats(url)
    return {"seconds": seen.seconds, "leads": seen.created}


def claims(**_options: int) -> Prepared:
    """Claim batches, by turns in a database with few delivered leads and a full one; then poll it with nothing due."""
    from django.db import connections

    from django_octanist.delivery import Engine

    from .routing import Router

    for alias in ALIASES:
        connections[alias].ensure_connection()

    def claim_in(alias: str) -> float:
        Router.alias = alias
        size, seconds = timed(claim_batch)
        if size != CLAIM_SIZE:
            raise RuntimeError(f"{size} leads were claimed, not {CLAIM_SIZE}")
        return seconds

    def work() -> Figures:
        pairs = [[claim_in(alias) for alias in ALIASES] for _claim in range(CLAIMS)]
        few, full = (median(seconds) for seconds in zip(*pairs, strict=True))
        with Engine(senders=SENDERS) as running:
            polls = [timed(running.drain) for _poll in range(POLLS)]
        if any(settled for settled, _seconds in polls):
            raise RuntimeError("something was due")
        return {"few": few, "full": full, "idle": median(seconds for _settled, seconds in polls)}

    return work


def claim_batch() -> int:
    from django_octanist.delivery.claims import claim

    return len(claim("default", limit=CLAIM_SIZE, senders=SENDERS))


def timed(action: Callable[[], int]) -> tuple[int, float]:
    start = perf_counter()
    number = action()
    return number, perf_counter() - start


def memory(*, senders: int, leads: int, **_options: int) -> Prepared:
    """Drain ``leads``; look at the process's memory after a tenth of them and at the end."""
    from django_octanist.delivery import Engine

    def work() -> Figures:
        with Engine(senders=senders) as running:
            start = perf_counter()
            settled = running.drain(at_most=leads // 10)
            early = resident()
            settled += running.drain()
            return {"early": early, "late": resident(), "seconds": perf_counter() - start, "leads": settled}

    return work


def admin(*, leads: int, **_options: int) -> Prepared:
    """Ask for the admin's pages, ``leads`` times each, by turns in a database with few leads and a full one."""
    from .admin_pages import measure

    return lambda: measure(times=leads)


def resident() -> float:
    """Return this process's resident memory in MiB (``VmRSS``; proc(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status names no VmRSS")


CONTENDERS: dict[str, Callable[..., Prepared]] = {
    "template": template,
    "engine": engine,
    "bare": bare,
    "tasks": tasks,
    "celery": celery,
    "claims": claims,
    "memory": memory,
    "admin": admin,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("--senders", type=int, default=1)
    parser.add_argument("--leads", type=int, default=0)
    options = parser.parse_args()
    import django

    django.setup()
    work = CONTENDERS[options.name](senders=options.senders, leads=options.leads)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(work()), flush=True)


if __name__ == "__main__":
    main()
