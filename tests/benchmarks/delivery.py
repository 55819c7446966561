"""What delivery costs, beside its peers: the figures, and the goals that they must reach.

The runs of ours and of the peers take turns, so that all meet the machine's moods, and each figure is the median of
its runs. The server answers after a fixed time. Ours are timed from the first claim to the last record; peers that
work off a task per lead by the server's clock, from the first request to the last answer, and those keep no account of
what came back.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

from . import celery_per_lead
from .contenders import CLAIM_SIZE, CLAIMS, SENDERS, Figures, run, together
from .fake_octanist import fake_octanist, stats
from .throwaway import DELIVERED, Database, UnavailableError, database

FEW_SENDERS = 8
FEW_DELIVERED = 1_000
MOST_GROWTH = 1.05
"""What a process may have at the end, of what it had after a tenth of its leads, and still be called flat."""
MEMORY_SECONDS = 300.0
IDLE_POLL_MS = 2.0

Run = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured. ``share``: of the leads of each run."""

    runs: int = 5
    share: float = 1.0
    delivered: int = 1_000_000
    remembered: int = 100_000

    def leads(self, number: int) -> int:
        return int(number * self.share)


QUICK = Size(runs=1, share=0.5, delivered=100_000, remembered=10_000)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table: runs of ours and of the peer, and the bound of their ratio."""

    name: str
    ours: list[float]
    peer: list[float]
    goal: float
    at_most: bool = False
    unit: str = "leads/s"

    def __str__(self) -> str:
        ratio = median(self.ours) / median(self.peer)
        sign, reached = ("≤", ratio <= self.goal) if self.at_most else ("≥", ratio >= self.goal)
        figures = f"{spread(self.ours):>24}  {spread(self.peer):>24}  {ratio:6.2f}"
        return f"{f'{self.name} ({self.unit})':72} {figures}  {sign} {self.goal:<4g}  {verdict(reached)}"


def verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def spread(runs: list[float]) -> str:
    """Return the median, and the least and the most."""
    middle, least, most = (number(value) for value in (median(runs), min(runs), max(runs)))
    return f"{middle} ({least} to {most})" if len(runs) > 1 else middle


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main(*, quick: bool = False) -> None:
    """Measure and print the table."""
    size = QUICK if quick else Size()
    try:
        with database() as working, database() as full:
            print(f"\ndelivery: {machine(working)}")
            print(f"medians of {size.runs} (least to most); ours, peer, ours / peer, goal\n")
            for section in (at_100_ms, at_20_ms, with_few_senders, with_slow_answers):
                section(working, size)
            in_a_full_table(working, full, size)
            over_many_leads(working, size)
    except UnavailableError as reason:
        print(f"\ndelivery: skipped, {reason}")


def machine(working: Database) -> str:
    """Say on what this runs."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("requests", "psycopg", "celery", "django-tasks-db"))
    cpu = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal: *(\d+)", read("/proc/meminfo"))
    parts = [
        cpu[1] if cpu else platform.processor(),
        f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "",
        f"{platform.system()} {platform.release()}",
        f"PostgreSQL {working.version}",
        packages,
    ]
    return ", ".join(filter(None, parts))


def read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


# Figures


def at_100_ms(working: Database, size: Size) -> None:
    leads = size.leads(1_920)
    found = in_turns(
        size.runs,
        ours=partial(engine, working, leads=leads, latency=0.1),
        bare=partial(bare, leads=leads, latency=0.1),
        two=partial(engine, working, leads=2 * leads, latency=0.1, processes=2),
    )
    show("100 ms, 32 senders; a bare requests loop", found["ours"], found["bare"], goal=0.97)
    show("100 ms, two processes of 32 senders; one process", found["two"], found["ours"], goal=1.8)


def at_20_ms(working: Database, size: Size) -> None:
    leads = size.leads(3_200)
    found = in_turns(
        size.runs,
        ours=partial(engine, working, leads=leads, latency=0.02),
        bare=partial(bare, leads=leads, latency=0.02),
        tasks=partial(tasks, working, leads=size.leads(300), latency=0.02),
    )
    show("20 ms, 32 senders; a bare requests loop", found["ours"], found["bare"], goal=0.85)
    show("20 ms, 32 senders; django-tasks-db, a task per lead, one worker", found["ours"], found["tasks"], goal=20)


def with_few_senders(working: Database, size: Size) -> None:
    leads, redis = size.leads(1_280), celery_per_lead.is_available()
    found = in_turns(
        size.runs,
        ours=partial(engine, working, leads=leads, latency=0.02, senders=FEW_SENDERS),
        bare=partial(bare, leads=leads, latency=0.02, senders=FEW_SENDERS),
        **({"celery": partial(celery, leads=leads, latency=0.02, senders=FEW_SENDERS)} if redis else {}),
    )
    show("20 ms, 8 senders; a bare requests loop", found["ours"], found["bare"], goal=0.93)
    if redis:
        show("20 ms, 8 senders; Celery on Redis, 8 processes", found["ours"], found["celery"], goal=1)
    else:
        print("20 ms, 8 senders; Celery on Redis: skipped, no Redis answers (REDIS_URL)")


def with_slow_answers(working: Database, size: Size) -> None:
    leads = size.leads(6_000)
    found = in_turns(
        size.runs,
        ours=partial(engine, working, leads=leads, latency=0.02, slow=True),
        bare=partial(bare, leads=leads, latency=0.02, slow=True),
    )
    show("20 ms, 1 % of answers after 2 s, 32 senders; a bare requests loop", found["ours"], found["bare"], goal=0.9)


def in_a_full_table(few: Database, many: Database, size: Size) -> None:
    few.empty()
    few.add(FEW_DELIVERED, DELIVERED)
    many.add(size.delivered, DELIVERED)
    found: list[Figures] = []
    for _run in range(size.runs):
        few.replace_pending(CLAIMS * CLAIM_SIZE)
        many.replace_pending(CLAIMS * CLAIM_SIZE)
        found.append(run("claims", database=few.url, full_database=many.url))
    claims = {name: [figures[name] * 1e3 for figures in found] for name in ("few", "full")}
    idle = [figures["idle"] * 1e3 for figures in found]
    title = f"claim of 100 beside {size.delivered:,} delivered leads; beside {FEW_DELIVERED:,}"
    show(title, claims["full"], claims["few"], goal=1.3, at_most=True, unit="ms")
    title = f"poll with nothing due beside {size.delivered:,} delivered leads (ms)"
    print(f"{title:72} {spread(idle):>24} {'':33}  < {IDLE_POLL_MS:<4g}  {verdict(median(idle) < IDLE_POLL_MS)}")


def over_many_leads(working: Database, size: Size) -> None:
    """One run: it is a long one."""
    working.refill(size.remembered)
    with fake_octanist() as url:
        figures = run(
            "memory", database=working.url, url=url, limit=MEMORY_SECONDS, leads=size.remembered, senders=SENDERS
        )
        check(url, leads=size.remembered)
    title = f"memory after {size.remembered:,} leads; after a tenth of them"
    show(title, [figures["late"]], [figures["early"]], goal=MOST_GROWTH, at_most=True, unit="MiB")
    print(f"  without latency, 32 senders: {figures['leads'] / figures['seconds']:,.0f} leads/s")


def show(
    name: str, ours: list[float], peer: list[float], *, goal: float, at_most: bool = False, unit: str = "leads/s"
) -> None:
    print(Figure(name=name, ours=ours, peer=peer, goal=goal, at_most=at_most, unit=unit), flush=True)


# Runs: each returns leads per second


def in_turns(runs: int, **candidates: Run) -> dict[str, list[float]]:
    """Run each candidate ``runs`` times, one after the other."""
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for _run in range(runs):
        for name, candidate in candidates.items():
            found[name].append(candidate())
    return found


def engine(
    working: Database, *, leads: int, latency: float, senders: int = SENDERS, slow: bool = False, processes: int = 1
) -> float:
    working.refill(leads)
    with fake_octanist(latency=latency, slow_among=leads if slow else 0) as url:
        found = together(processes, "engine", database=working.url, url=url, senders=senders)
        check(url, leads=leads)
    return leads / max(figures["seconds"] for figures in found)


def bare(*, leads: int, latency: float, senders: int = SENDERS, slow: bool = False) -> float:
    return peer("bare", leads=leads, latency=latency, senders=senders, slow=slow)


def celery(*, leads: int, latency: float, senders: int) -> float:
    try:
        return peer("celery", leads=leads, latency=latency, senders=senders)
    finally:
        celery_per_lead.forget()


def tasks(working: Database, *, leads: int, latency: float) -> float:
    return peer("tasks", leads=leads, latency=latency, url_of_database=working.url)


def peer(
    name: str, *, leads: int, latency: float, senders: int = 1, slow: bool = False, url_of_database: str = ""
) -> float:
    with fake_octanist(latency=latency, slow_among=leads if slow else 0) as url:
        figures = run(name, database=url_of_database, url=url, leads=leads, senders=senders)
        check(url, leads=leads)
    return leads / figures["seconds"]


def check(url: str, *, leads: int) -> None:
    """A figure of leads that were not sent, or sent twice, would be none."""
    created = stats(url).created
    if created != leads:
        raise RuntimeError(f"{created} leads were created, not {leads}")
