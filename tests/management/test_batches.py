"""What the commands that act on many leads share."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.db import OperationalError

from django_octanist import figures
from django_octanist.bulk import batches, replay
from django_octanist.management import progress
from django_octanist.management.batches import act_on, counted
from django_octanist.models import Lead, LeadQuerySet
from tests.delivery import make_leads

pytestmark = pytest.mark.django_db

Status = Lead.Status


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)


def done(act: Any = replay, *, output: StringIO | None = None) -> Counter[str]:
    return act_on(Lead.objects.all(), act, output=OutputWrapper(output or StringIO()))


def failing(error: BaseException, *, at_batch: int = 2) -> Any:
    """The act, until ``error`` comes at some batch; nothing is tried again for longer than a test may take."""
    calls: list[int] = []

    def act(batch: LeadQuerySet) -> int:
        calls.append(1)
        if len(calls) >= at_batch:
            raise error
        return batch.replay()

    return act


def test_a_bar_on_a_terminal_fills_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.Bar, "seconds", 0.0)
    make_leads(5, status=Status.FAILED)
    output = Terminal()
    done(output=output)
    shown = [line.rsplit(" ", 2)[-2] for line in output.getvalue().split("\r")[1:]]
    assert shown == ["2/5", "4/5", "5/5", "5/5"]
    assert output.getvalue().endswith("\n")


def test_no_bar_elsewhere() -> None:
    make_leads(3, status=Status.FAILED)
    output = StringIO()
    assert done(output=output) == {"touched": 3, "left": 0}
    assert output.getvalue() == ""


def test_ctrl_c_says_what_was_done_before() -> None:
    make_leads(5, status=Status.FAILED)
    with pytest.raises(CommandError, match=r"^Interrupted\. Done before that: 2\. Run it again\.$"):
        done(failing(KeyboardInterrupt()))
    assert Lead.objects.waiting().count() == 2


def test_ctrl_c_as_the_signal_that_it_is() -> None:
    make_leads(5, status=Status.FAILED)

    def act(batch: LeadQuerySet) -> int:
        touched = batch.replay()
        signal.raise_signal(signal.SIGINT)
        return touched

    with pytest.raises(CommandError, match="Interrupted"):
        done(act)
    assert Lead.objects.waiting().count() == 2


def test_ctrl_c_leaves_the_line_of_the_bar() -> None:
    make_leads(3, status=Status.FAILED)
    output = Terminal()
    with pytest.raises(CommandError):
        done(failing(KeyboardInterrupt()), output=output)
    assert output.getvalue().endswith("2/3 \n")


def test_a_database_error_says_what_was_done_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_octanist.transactions.PAUSES", ())
    make_leads(5, status=Status.FAILED)
    with pytest.raises(CommandError, match=r"OperationalError: gone .*\. Done before that: 2\. Run it again\.$"):
        done(failing(OperationalError("gone")))
    assert Lead.objects.waiting().count() == 2


def test_what_a_database_says_of_data_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    make_leads(1, status=Status.FAILED)
    with pytest.raises(CommandError) as raised:
        done(failing(OperationalError(1366, "jo@example.com"), at_batch=1))
    assert "jo@" not in str(raised.value)


def test_a_database_that_cannot_even_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: LeadQuerySet) -> int:
        raise OperationalError("gone")

    monkeypatch.setattr(LeadQuerySet, "count", gone)
    with pytest.raises(CommandError, match="OperationalError: gone"):
        counted(Lead.objects.all())


@pytest.mark.parametrize("ends", [replay, failing(KeyboardInterrupt(), at_batch=1)])
def test_figures_are_counted_anew(monkeypatch: pytest.MonkeyPatch, ends: Any) -> None:
    forgotten: list[int] = []
    monkeypatch.setattr(figures, "forget", lambda: forgotten.append(1))
    make_leads(1, status=Status.FAILED)
    with suppress(CommandError):
        done(ends)
    assert forgotten == [1]


@pytest.mark.parametrize("command", ["octanist_replay", "octanist_erase jo0@example.com", "octanist_prune --days=1"])
def test_every_command_has_the_bar(command: str) -> None:
    make_leads(1, status=Status.FAILED, created_at="2020-01-01T00:00:00Z")
    output = Terminal()
    call_command(*command.split(), stdout=output)
    assert "1/1" in output.getvalue()
