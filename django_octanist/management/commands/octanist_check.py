"""``octanist_check``: are the settings right, and does Octanist accept the keys?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from ... import client
from ...checks import TAG
from ...conf import conf
from ...delivery import pauses
from ...exceptions import OctanistError, describe
from ...models import Lead


class Command(BaseCommand):
    """Accounts that were paused, and whose key is accepted now, go on."""

    # It runs them itself, and only its own.
    requires_system_checks = ()

    help = "Checks the settings and asks Octanist whether the API keys are valid; resumes accounts that were paused."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        self.check(tags=[TAG], display_num_errors=True)
        try:
            failed = [account for account in conf.accounts if not self._check(account)]
        except DatabaseError as error:
            raise CommandError(describe(error)) from error
        if failed:
            raise CommandError(f"Not ready: {', '.join(failed)}. Captured leads wait; nothing is lost.")

    def _check(self, account: str) -> bool:
        waiting = Lead.objects.waiting().filter(account=account).count()
        problem = _problem(account)
        state = problem or f"the key is valid at {conf.api_url}"
        self.stdout.write(f"{account}: {state}; leads waiting: {waiting}")
        if not problem and pauses.resume(account):
            self.stdout.write(f"{account}: was paused, goes on")
        return not problem


def _problem(account: str) -> str:
    if not conf.api_key(account):
        return "no API key is set"
    try:
        return "" if client.check_key(account=account) else f"Octanist at {conf.api_url} refuses the key"
    except OctanistError as error:
        return f"the key could not be checked at {conf.api_url}: {error}"
