"""``octanist_erase EMAIL``: a person asks to be forgotten."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...bulk import erase
from ...models import Lead
from ..amounts import are, leads
from ..batches import act_on, counted


class Command(BaseCommand):
    """The rows stay, and with them the counts. The address is never repeated: output ends in logs."""

    help = (
        "Removes what the leads of one person say of them: contact, texts, session and attribution. Their rows,"
        " statuses and times stay; pending ones are cancelled. Octanist's own copy is removed at Octanist."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the address, in any letter case")
        parser.add_argument("--dry-run", action="store_true", help="say how many, erase nothing")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        if not options["email"].strip():
            # Leads without an address are of many people.
            raise CommandError("EMAIL is empty: say whose leads to erase.")
        of_person = Lead.objects.of_person(options["email"])
        if options["dry_run"]:
            self.stdout.write(f"{leads(counted(of_person))} of this person would be erased.")
            return
        counts = act_on(of_person, erase, output=self.stdout)
        touched, left = counts["touched"], counts["left"]
        self.stdout.write(f"{leads(touched)} of this person {are(touched)} erased.")
        if left:
            raise CommandError(f"{left:,} {are(left)} being sent right now: run this again in some minutes.")
