from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from django_octanist.models import Lead
from tests.delivery import make_lead

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def leads() -> None:
    for days in (1, 29, 31, 400):
        moment = timezone.now() - timedelta(days=days)
        make_lead(status=Lead.Status.DELIVERED, next_attempt_at=None, created_at=moment, form=str(days))
        make_lead(created_at=moment, form=f"{days} pending")


def pruned(**options: Any) -> str:
    output = StringIO()
    call_command("octanist_prune", stdout=output, **options)
    return output.getvalue()


def forms() -> list[str]:
    return list(Lead.objects.exclude(form__endswith="pending").order_by("pk").values_list("form", flat=True))


@override_settings(OCTANIST_RETENTION_DAYS=30)
def test_by_the_setting() -> None:
    assert pruned().startswith("2 finished leads, captured more than 30 days ago (before ")
    assert forms() == ["1", "29"]
    assert Lead.objects.waiting().count() == 4


@override_settings(OCTANIST_RETENTION_DAYS=30)
def test_by_the_option() -> None:
    said = pruned(days=300)
    assert said.startswith("1 finished lead, captured more than 300 days ago (before ")
    assert said.endswith("), is deleted.\n")
    assert forms() == ["1", "29", "31"]


def test_a_dry_run_deletes_nothing() -> None:
    assert pruned(days=30, dry_run=True).endswith("would be deleted.\n")
    assert pruned(days=1, dry_run=True).startswith("4 finished leads, captured more than 1 day ago")
    assert forms() == ["1", "29", "31", "400"]


def test_without_a_retention_nothing_is_deleted() -> None:
    with pytest.raises(CommandError, match="set OCTANIST_RETENTION_DAYS, or say --days"):
        pruned()
    assert len(forms()) == 4


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_days_that_are_none(days: int) -> None:
    with pytest.raises(CommandError, match=f"from 1 to 36,500, or None, not {days}"):
        pruned(days=days)
    with override_settings(OCTANIST_RETENTION_DAYS=days), pytest.raises(CommandError, match="OCTANIST_RETENTION_DAYS"):
        pruned()
    assert len(forms()) == 4
