"""``octanist_replay``: send leads again, once what stopped them is mended."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime, time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from ... import dispatch
from ...bulk import replayer
from ...models import Lead, LeadQuerySet
from ..amounts import are, leads
from ..batches import act_on, counted

REPLAYABLE = [status.value for status in Lead.Status if status != Lead.Status.DELIVERED]


class Command(BaseCommand):
    """Leads that are delivered or being sent right now are left alone."""

    help = "Sends leads again: those that failed, or those of another status, of one form or account, or since a time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--status",
            action="append",
            choices=REPLAYABLE,
            help="failed where nothing is said; more than once: any of them",
        )
        parser.add_argument("--form", help="captured by this form")
        parser.add_argument("--account", help="of this account")
        parser.add_argument("--since", type=_moment, help="captured at or after: 2026-01-31, or 2026-01-31T13:00")
        parser.add_argument("--dry-run", action="store_true", help="say how many, send nothing")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        chosen = _chosen(options)
        if options["dry_run"]:
            self.stdout.write(f"{leads(counted(chosen))} would be sent again.")
            return
        accounts: set[str] = set()
        try:
            touched = act_on(chosen, replayer(accounts), output=self.stdout)["touched"]
        finally:
            # Also of what was sent again before an interruption.
            for account in sorted(accounts):
                dispatch.nudge(account)
        self.stdout.write(f"{leads(touched)} {are(touched)} sent again.")


def _chosen(options: dict[str, Any]) -> LeadQuerySet:
    chosen = Lead.objects.replayable().filter(status__in=options["status"] or [Lead.Status.FAILED])
    for name in ("form", "account"):
        if options[name] is not None:
            chosen = chosen.filter(**{name: options[name]})
    return chosen.filter(created_at__gte=options["since"]) if options["since"] else chosen


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)):
            moment = datetime.combine(day, time())
    except ValueError:
        moment = None
    if moment is None:
        raise ArgumentTypeError(f"must be a date or a time as ISO 8601 has it (2026-01-31T13:00), not {text!r}")
    if timezone.is_aware(moment):
        return moment if settings.USE_TZ else timezone.make_naive(moment)
    return timezone.make_aware(moment) if settings.USE_TZ else moment
