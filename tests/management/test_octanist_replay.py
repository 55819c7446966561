from __future__ import annotations

import uuid
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from django_octanist.bulk import acts, batches, touch
from django_octanist.models import Lead, LeadQuerySet
from django_octanist.test import TestSandbox, octanist
from tests.admin import NUDGES
from tests.delivery import make_lead

__all__ = ["octanist"]

pytestmark = pytest.mark.django_db

Status = Lead.Status


def replayed(*arguments: str, **options: Any) -> str:
    output = StringIO()
    call_command("octanist_replay", *arguments, stdout=output, **options)
    return output.getvalue()


def finished(status: Status, **fields: Any) -> Lead:
    return make_lead(**{"status": status, "next_attempt_at": None} | fields)


def pending() -> list[str]:
    return sorted(Lead.objects.waiting().values_list("form", flat=True))


@pytest.mark.parametrize(
    ("arguments", "expected", "said"),
    [
        ([], ["failed"], "1 lead is"),
        (["--status=invalid"], ["invalid"], "1 lead is"),
        (["--status=invalid", "--status=cancelled"], ["cancelled", "invalid"], "2 leads are"),
    ],
)
def test_by_status(arguments: list[str], expected: list[str], said: str) -> None:
    for status in (Status.DELIVERED, Status.FAILED, Status.INVALID, Status.CANCELLED, Status.REJECTED):
        finished(status, form=status.value)
    assert replayed(*arguments) == f"{said} sent again.\n"
    assert pending() == expected


def test_what_is_delivered_is_not_sent_again() -> None:
    with pytest.raises(CommandError, match="invalid choice: 'delivered'"):
        replayed("--status=delivered")


def test_by_form_and_account() -> None:
    finished(Status.FAILED, form="a")
    finished(Status.FAILED, form="b", account="shop")
    finished(Status.FAILED, form="c", account="shop")
    assert replayed("--form=b", "--account=shop", "--dry-run") == "1 lead would be sent again.\n"
    assert pending() == []
    replayed("--form=b", "--account=shop")
    assert pending() == ["b"]


@pytest.mark.parametrize("use_tz", [True, False])
@pytest.mark.parametrize("since", ["2026-03-02", "2026-03-02T00:00", "2026-03-02T00:00:00+00:00"])
def test_since(since: str, use_tz: bool) -> None:
    with override_settings(USE_TZ=use_tz, TIME_ZONE="UTC"):
        moment = timezone.datetime(2026, 3, 2, tzinfo=timezone.get_current_timezone() if use_tz else None)
        for name, delta in (("before", -1), ("after", 0)):
            finished(Status.FAILED, form=name, created_at=moment + timedelta(seconds=delta))
        assert replayed("--since", since) == "1 lead is sent again.\n"
        assert pending() == ["after"]


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "2026-02-30T10:00"])
def test_a_time_that_is_none(since: str) -> None:
    with pytest.raises(CommandError, match="must be a date or a time as ISO 8601 has it"):
        replayed("--since", since)


@pytest.mark.django_db(transaction=True)
def test_they_arrive(octanist: TestSandbox) -> None:
    finished(Status.FAILED, error_code="INTERNAL_ERROR", attempts=20)
    with override_settings(OCTANIST_DISPATCH="inline"):
        replayed()
    assert Lead.objects.get().status == Status.DELIVERED
    assert len(octanist.leads) == 1


def test_each_account_touched_is_nudged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 1)
    for account in ("default", "shop", "shop", "idle"):
        finished(Status.FAILED, account=account, lease=uuid.uuid4() if account == "idle" else None)
    NUDGES.clear()
    with override_settings(OCTANIST_DISPATCH="tests.admin.note_nudge"):
        replayed()
    assert NUDGES == ["default", "shop"]


def test_what_was_sent_again_before_an_interruption_is_nudged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 1)
    finished(Status.FAILED, account="shop")
    finished(Status.FAILED)
    counts = iter(range(9))

    def interrupted(leads: LeadQuerySet, kind: str) -> list[Lead]:
        if next(counts):
            raise KeyboardInterrupt
        return touch(leads, kind)

    monkeypatch.setattr(acts, "touch", interrupted)
    NUDGES.clear()
    with (
        override_settings(OCTANIST_DISPATCH="tests.admin.note_nudge"),
        pytest.raises(CommandError, match="before that: 1"),
    ):
        replayed()
    assert NUDGES == ["shop"]
