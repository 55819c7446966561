"""``octanist_status``: do leads arrive, and if not, why and what to do?"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import Error as DatabaseError

from ... import figures, health
from ...checks import setting_errors
from ...exceptions import describe
from ...health import Health
from ..status import document, exposition, people
from ..status.sentences import text


class Command(BaseCommand):
    """Changes nothing. Standard output is whole, whatever is wrong; the worst of it goes to standard error, too."""

    # A wrong setting is one of the problems that it reports.
    requires_system_checks = ()

    help = "Says how deliveries are, for people, as JSON or for Prometheus. Exits with 1 where something is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument("--json", action="store_true", help="print JSON")
        kind.add_argument("--prometheus", action="store_true", help="print gauges for Prometheus' textfile collector")
        parser.add_argument("--account", action="append", help="only of this account; more than once: of these")

    @no_translations
    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            found = health.examine(figures.read(fresh=True), wrong=setting_errors())
        except DatabaseError as error:
            self._unanswered(describe(error), options)
            raise CommandError(f"The database does not answer: {describe(error)}") from error
        found = _chosen(found, options["account"])
        render = document.render if options["json"] else exposition.render if options["prometheus"] else people.render
        self.stdout.write(render(found))
        if not found.is_well:
            raise CommandError(f"Unhealthy: {_most_pressing(found)}")

    def _unanswered(self, error: str, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(document.unanswered(error))
        elif options["prometheus"]:
            self.stdout.write(exposition.unanswered())


def _most_pressing(found: Health) -> str:
    first, *others = [problem for problem in found.problems if problem.is_grave]
    said = text(first, now=found.figures.taken_at)
    return f"{said} And {len(others)} more." if others else said


def _chosen(found: Health, accounts: Sequence[str] | None) -> Health:
    if not accounts:
        return found
    known = [one.account for one in found.figures.accounts]
    unknown = [account for account in accounts if account not in known]
    if unknown:
        names = ", ".join(repr(account) for account in unknown)
        raise CommandError(f"There is no account {names}, must be one of: {', '.join(known)}.", returncode=2)
    return found.of(accounts)
