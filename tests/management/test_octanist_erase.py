from __future__ import annotations

import uuid
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_octanist.models import Lead
from tests.delivery import make_lead

pytestmark = pytest.mark.django_db


def erased(email: str = "jo@example.com", **options: Any) -> str:
    output = StringIO()
    call_command("octanist_erase", email, stdout=output, **options)
    return output.getvalue()


def test_all_leads_of_a_person_in_any_letter_case() -> None:
    for email in ("jo@example.com", "Jo@Example.COM", "joan@example.com", "o@example.com", ""):
        make_lead(email=email)
    assert erased(" JO@example.com ") == "2 leads of this person are erased.\n"
    assert set(Lead.objects.filter(erased_at=None).values_list("email", flat=True)) == {
        "joan@example.com",
        "o@example.com",
        "",
    }
    assert Lead.objects.count() == 5


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("josé@example.com", "josé@example.com"),
        ("JOSÉ@example.com", "josé@example.com"),
        ("josé@example.com", "JOSÉ@EXAMPLE.COM"),
        ("info@MÜLLER.de", "info@müller.de"),
        ("İnci@example.com", "İnci@example.com"),
    ],
)
def test_letters_beyond_ascii(stored: str, asked: str) -> None:
    """Whatever the database takes for the same letter."""
    make_lead(email=stored)
    for other in ("jose@example.com", "info@muller.de", "inci@example.com"):
        make_lead(email=other)
    assert erased(asked) == "1 lead of this person is erased.\n"
    assert Lead.objects.get(email="").erased_at is not None


@pytest.mark.parametrize("email", ["%", "_o@example.com", "jo%", "jo@example_com"])
def test_no_character_stands_for_others(email: str) -> None:
    make_lead()
    assert erased(email) == "0 leads of this person are erased.\n"
    assert Lead.objects.get().email == "jo@example.com"


@pytest.mark.parametrize("email", ["", "  "])
def test_nobodys_leads_are_not_erased(email: str) -> None:
    make_lead(email="")
    with pytest.raises(CommandError, match="EMAIL is empty"):
        erased(email)
    assert Lead.objects.get().erased_at is None


def test_a_dry_run_erases_nothing() -> None:
    make_lead()
    assert erased(dry_run=True) == "1 lead of this person would be erased.\n"
    assert Lead.objects.get().email == "jo@example.com"


def test_what_is_being_sent_is_said() -> None:
    make_lead()
    make_lead(lease=uuid.uuid4(), next_attempt_at=timezone.now() + timedelta(minutes=1))
    with pytest.raises(CommandError, match="1 is being sent right now: run this again") as raised:
        erased()
    assert "jo@" not in str(raised.value)
    assert sorted(Lead.objects.values_list("email", flat=True)) == ["", "jo@example.com"]


def test_who_was_erased_before_is_not_counted_again() -> None:
    make_lead()
    erased()
    assert erased() == "0 leads of this person are erased.\n"
