"""``octanist_worker``: delivers leads until it is stopped, or with ``--once`` what is due now."""

from __future__ import annotations

import threading
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from ...conf import conf
from ...delivery import Engine
from ...delivery.due import count_due
from ...delivery.loop import run, run_once
from ...exceptions import OctanistConfigurationError, describe
from ...models import DeliveryPause, Lead
from ..progress import Bar, Heartbeat, Log
from ..stopping import Stopping, Wake


class Command(BaseCommand):
    """Any number of workers may run at once."""

    help = "Delivers captured leads to Octanist until stopped (SIGTERM, Ctrl-C). With --once: what is due, for cron."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="deliver what is due now and exit")
        parser.add_argument("--concurrency", type=int, help="requests in flight (default: OCTANIST_CONCURRENCY)")
        parser.add_argument(
            "--heartbeat",
            type=Path,
            metavar="FILE",
            help="touch FILE at least every 90 seconds while the worker lives, for a container's liveness probe",
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            senders = conf.concurrency if options["concurrency"] is None else options["concurrency"]
        except OctanistConfigurationError as error:
            raise CommandError(str(error)) from error
        if senders < 1:
            raise CommandError(f"--concurrency must be a whole number of requests, at least 1, not {senders}.")
        wake = Wake()
        engine = Engine(senders=senders)
        bar = None
        if options["once"] and self.stdout.isatty():
            bar = Bar(engine.counts, self.stdout, total=self._guarded(count_due))
        log = None if options["once"] else Log(engine.counts, self.stdout)
        heartbeat = options["heartbeat"] and self._guarded(lambda: Heartbeat(options["heartbeat"]))
        engine.beat = _all(bar, log, heartbeat)
        with engine, wake, Stopping(engine.stop, wake):
            if options["once"]:
                self._deliver_once(engine, bar)
            else:
                self.stdout.write(f"Delivering with {senders} senders. Stop with Ctrl-C.")
                run(engine, wake=wake, finish=threading.Event())
                self.stdout.write(f"Stopped. {engine.delivered} delivered.")

    def _deliver_once(self, engine: Engine, bar: Bar | None) -> None:
        self._guarded(lambda: run_once(engine))
        if bar is not None:
            bar.finish()
        settled = sum(engine.counts.values())
        self.stdout.write(f"{engine.delivered} delivered, {settled - engine.delivered} not delivered")
        self._guarded(self._say_what_is_paused)

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (DatabaseError, OSError) as error:
            raise CommandError(describe(error)) from error

    def _say_what_is_paused(self) -> None:
        for row in DeliveryPause.objects.order_by("account"):
            waiting = Lead.objects.waiting().filter(account=row.account).count()
            reason, moment = row.get_reason_display(), row.probe_at.isoformat(timespec="seconds")
            self.stdout.write(f"{row.account} is paused: {reason}; leads waiting: {waiting}; next try {moment}")


def _all(*parts: Callable[[], None] | None) -> Callable[[], None]:
    """Return what calls each of ``parts`` that is there."""
    there = [part for part in parts if part]

    def beat() -> None:
        for part in there:
            part()

    return beat
