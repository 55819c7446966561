"""``octanist_prune``: finished leads do not stay for ever."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import router

from ... import clock
from ...bulk import pruner
from ...conf import conf, rules
from ...exceptions import OctanistConfigurationError
from ...models import Lead
from ..amounts import are, leads
from ..batches import act_on, counted


class Command(BaseCommand):
    """In batches, so that nobody waits for it. What is pending stays, however old."""

    help = "Deletes finished leads, with their attempts, that were captured more than OCTANIST_RETENTION_DAYS ago."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, help="instead of OCTANIST_RETENTION_DAYS")
        parser.add_argument("--dry-run", action="store_true", help="say how many, delete nothing")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        days = _days(options["days"])
        before = clock.now(using=router.db_for_write(Lead)) - timedelta(days=days)
        finished = Lead.objects.finished_before(before)
        age = "1 day" if days == 1 else f"{days} days"
        span = f"captured more than {age} ago (before {before.isoformat(timespec='seconds')})"
        if options["dry_run"]:
            self.stdout.write(f"{leads(counted(finished), kind='finished')}, {span}, would be deleted.")
            return
        touched = act_on(finished, pruner(before=before), output=self.stdout)["touched"]
        self.stdout.write(f"{leads(touched, kind='finished')}, {span}, {are(touched)} deleted.")


def _days(given: int | None) -> int:
    try:
        days = conf.retention_days if given is None else rules.days_or_none(given)
    except OctanistConfigurationError as error:
        raise CommandError(str(error)) from error
    except ValueError as error:
        raise CommandError(f"--days must be {error}, not {given}.") from error
    if days is None:
        raise CommandError("Nothing is deleted: set OCTANIST_RETENTION_DAYS, or say --days.")
    return days
