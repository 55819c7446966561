"""A bulk action: batch by batch, written down as it goes, stopped, lost, taken over."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from django_octanist import figures
from django_octanist.bulk import batches, running
from django_octanist.bulk.running import Run, begin, is_lost, stop, take_over
from django_octanist.models import BulkAction, Lead, LeadQuerySet
from tests.admin import NUDGES
from tests.delivery import a_site, finished, make_lead, make_leads

from .test_acts import SECONDS, at_once, being_sent, needs_a_server

# Each run closes its connections at its end.
pytestmark = pytest.mark.django_db(transaction=True)

Kind, State, Status = BulkAction.Kind, BulkAction.State, Lead.Status


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)
    settings.OCTANIST_DISPATCH = "tests.admin.note_nudge"
    NUDGES.clear()


def begun(kind: str = Kind.CANCEL, *, total: int = 0, **fields: Any) -> BulkAction:
    action = begin(kind, user_key="", query="status=pending&q=jo", total=total)
    BulkAction.objects.filter(pk=action.pk).update(**fields)
    action.refresh_from_db()
    return action


def run(action: BulkAction, leads: LeadQuerySet | None = None) -> BulkAction:
    """Run to the end, in this thread; return the row."""
    ENDED.clear()
    Run(action, Lead.objects.all() if leads is None else leads, ended=lambda row: ENDED.append(row.state))()
    return BulkAction.objects.get(pk=action.pk)


ENDED: list[str] = []


def lost(action: BulkAction, *, seconds: float = 61) -> None:
    BulkAction.objects.filter(pk=action.pk).update(beat_at=timezone.now() - timedelta(seconds=seconds))


def after_each_batch(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> None:
    """Do ``work`` after each batch's act, before it is written down."""
    touch = running.touch

    def touched(leads: LeadQuerySet, kind: str) -> list[Lead]:
        result = touch(leads, kind)
        work()
        return result

    monkeypatch.setattr(running, "touch", touched)


def before_batch(monkeypatch: pytest.MonkeyPatch, number: int, work: Callable[[], Any]) -> None:
    """Do ``work`` once the keys of batch ``number`` are read, and nothing is done to them yet."""
    read = running.batches

    def yielded(leads: LeadQuerySet, **named: Any) -> Iterator[list[int]]:
        for index, keys in enumerate(read(leads, **named), start=1):
            if index == number:
                work()
            yield keys

    monkeypatch.setattr(running, "batches", yielded)


def cancelled() -> int:
    return Lead.objects.filter(status=Status.CANCELLED).count()


def test_to_the_end() -> None:
    make_leads(4)
    being_sent()
    action = begun()
    row = run(action)
    assert (row.state, row.total, row.touched, row.left, row.after) == (State.FINISHED, 5, 4, 1, row.last)
    assert (row.query, row.error) == ("", "")
    assert row.finished_at is not None
    assert cancelled() == 4
    assert ENDED == [State.FINISHED]


def test_what_matches_at_the_start_is_counted_where_nobody_has() -> None:
    make_leads(3)
    make_lead(status=Status.DELIVERED)
    assert run(begun(), Lead.objects.waiting()).total == 3
    assert run(begun(total=7), Lead.objects.waiting()).total == 7


def test_later_leads_are_not_meant() -> None:
    make_leads(2)
    action = begun()
    make_leads(2)
    assert run(action).touched == 2
    assert cancelled() == 2


def test_leads_that_leave_the_filter_meanwhile_are_not_missed() -> None:
    """Sending again changes the very status that was filtered by."""
    make_leads(5, status=Status.FAILED)
    assert run(begun(Kind.REPLAY), Lead.objects.filter(status=Status.FAILED)).touched == 5


def test_a_page_of_the_list_and_its_order_are_no_matter() -> None:
    make_leads(5)
    leads = Lead.objects.order_by("-form").defer("note").distinct()
    assert run(begun(), leads).touched == 5


def test_accounts_are_nudged_where_something_was_sent_again() -> None:
    for account in ("a", "a", "b", "b"):
        make_lead(account=account, status=Status.FAILED)
    make_lead(account="c", status=Status.DELIVERED)
    run(begun(Kind.REPLAY))
    assert NUDGES == ["a", "b"]


@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.ERASE])
def test_nobody_is_nudged_for_what_is_not_sent(kind: str) -> None:
    make_lead()
    run(begun(kind))
    assert NUDGES == []


def test_progress_is_written_after_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    leads = make_leads(5)
    action = begun()
    began, seen = action.beat_at, []
    after_each_batch(monkeypatch, lambda: seen.append(BulkAction.objects.values_list("touched", "after").get()))
    row = run(action)
    assert seen == [(0, 0), (2, leads[1].pk), (4, leads[3].pk)]
    assert row.beat_at > began


def test_stopped_before_the_next_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    make_leads(4)
    action = begun(total=4)
    before_batch(monkeypatch, 2, lambda: stop(action.pk))
    row = run(action)
    assert (row.state, row.touched, row.query) == (State.STOPPED, 2, "")
    # What was not written down was not done.
    assert cancelled() == 2
    assert ENDED == []


def test_stop_says_whether_there_was_something_to_stop() -> None:
    action = begun()
    assert [stop(action.pk), stop(action.pk)] == [True, False]


def test_an_error_stands_in_the_row_and_the_log_without_personal_data(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_leads(3)

    def fail() -> None:
        raise OperationalError(1366, "Incorrect value: jo@example.com")

    after_each_batch(monkeypatch, fail)
    row = run(begun())
    assert (row.state, row.query) == (State.STOPPED, "")
    assert row.error.startswith("OperationalError (in fail")
    assert "stopped: OperationalError" in caplog.text
    assert "jo@" not in caplog.text + row.error
    assert cancelled() == 0
    assert ENDED == [State.STOPPED]


def test_a_batch_that_the_database_refused_for_the_moment_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    make_leads(2)
    calls: list[int] = []

    def fail_once() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("deadlock")

    after_each_batch(monkeypatch, fail_once)
    row = run(begun())
    assert (row.state, row.touched, row.left) == (State.FINISHED, 2, 0)


def test_where_not_even_the_error_can_be_written_the_log_has_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_arguments: Any, **_named: Any) -> None:
        raise RuntimeError

    action = begun()
    monkeypatch.setattr(running, "_at_end", gone)
    assert run(action).state == State.RUNNING
    assert "could not be written: RuntimeError" in caplog.text


def test_figures_are_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[int] = []
    monkeypatch.setattr(figures, "forget", lambda: forgotten.append(1))
    run(begun())
    assert forgotten == [1]


class TestTakenOver:
    def test_only_what_is_lost(self) -> None:
        action = begun()
        assert not is_lost(action)
        assert take_over(action.pk) is None
        lost(action)
        action.refresh_from_db()
        assert is_lost(action)
        taken = take_over(action.pk)
        assert taken is not None
        assert not is_lost(taken)
        assert take_over(action.pk) is None

    @pytest.mark.parametrize("state", [State.FINISHED, State.STOPPED])
    def test_not_what_has_ended(self, state: str) -> None:
        action = begun(state=state)
        lost(action)
        action.refresh_from_db()
        assert not is_lost(action)
        assert take_over(action.pk) is None

    def test_it_goes_on_where_it_was(self) -> None:
        leads = make_leads(5)
        action = begun(after=leads[1].pk, touched=2, total=5)
        lost(action)
        taken = take_over(action.pk)
        assert taken is not None
        row = run(taken)
        assert (row.state, row.touched) == (State.FINISHED, 5)
        assert cancelled() == 3

    def test_who_was_only_slow_does_not_go_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its batch is undone, since nobody would have counted it."""
        make_leads(4)
        action = begun(total=4)

        def another() -> None:
            lost(action)
            assert take_over(action.pk)

        before_batch(monkeypatch, 2, another)
        row = run(action)
        assert (row.state, row.touched, cancelled()) == (State.RUNNING, 2, 2)
        assert ENDED == []

    @needs_a_server
    def test_of_two_at_once_one(self) -> None:
        for _round in range(5):
            action = begun()
            lost(action)
            taken = at_once(*[lambda action=action: take_over(action.pk)] * 4)
            assert len([row for row in taken if row]) == 1


@needs_a_server
class TestThread:
    def start(self, action: BulkAction) -> threading.Thread:
        running.start(action, Lead.objects.all(), ended=lambda row: None)
        (thread,) = (thread for thread in threading.enumerate() if thread.name == "octanist-bulk")
        return thread

    def test_it_runs_beside_and_ends(self) -> None:
        make_leads(5)
        action = begun()
        thread = self.start(action)
        assert thread.daemon
        thread.join(SECONDS)
        assert not thread.is_alive()
        action.refresh_from_db()
        assert (action.state, action.touched) == (State.FINISHED, 5)

    def test_its_connection_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[Any] = []
        after_each_batch(monkeypatch, lambda: seen.append(connection.connection))
        make_leads(1)
        self.start(begun()).join(SECONDS)
        assert getattr(seen[0], "closed", True)

    def test_without_a_thread_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", full)
        action = begun()
        running.start(action, Lead.objects.all(), ended=lambda row: None)
        action.refresh_from_db()
        assert action.state == State.STOPPED
        assert action.error.startswith("RuntimeError")


@needs_a_server
def test_the_end_of_the_process_waits_for_the_batch_and_leaves_the_rest(tmp_path: Path) -> None:
    """A deploy: the interpreter ends amid the work, and somebody else goes on."""
    make_leads(6)
    action = begun(total=6)
    code = f"""
import time
from django_octanist.bulk import batches, running
from django_octanist.models import BulkAction
batches.BATCH = 2
touch = running.touch
running.touch = lambda leads, kind: (time.sleep(0.5), touch(leads, kind))[1]
running.start(BulkAction.objects.get(pk={action.pk}), Lead.objects.all(), ended=lambda row: None)
time.sleep(0.1)
"""
    with a_site(tmp_path) as site:
        process: subprocess.Popen[str] = site.start(code)
        finished(process)
    action.refresh_from_db()
    assert (action.state, action.touched, cancelled()) == (State.RUNNING, 2, 2)
    lost(action)
    taken = take_over(action.pk)
    assert taken is not None
    assert run(taken).touched == 6
