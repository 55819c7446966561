from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_the_migrations_are_complete() -> None:
    said = StringIO()
    call_command("makemigrations", "octanist", dry_run=True, stdout=said)
    assert said.getvalue() == "No changes detected in app 'octanist'\n"
