"""The loop runs in the test's own thread: its nudge is an event whose ``wait`` is the test's turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_octanist.alerts import limits
from django_octanist.delivery import Engine
from django_octanist.delivery.loop import LONGEST_WAIT, SHORTEST_WAIT, WAIT_AFTER_ERROR, run
from django_octanist.models import AlertGroup, DeliveryPause, Lead
from django_octanist.test import TestSandbox, octanist

from . import make_lead, make_leads

__all__ = ["octanist"]

pytestmark = pytest.mark.django_db(transaction=True)


class Turns(threading.Event):
    """A nudge. Whenever the loop waits for it, the next of ``turns`` is taken; after the last one, the loop ends."""

    def __init__(self, *turns: Callable[[], Any]) -> None:
        super().__init__()
        self.finish = threading.Event()
        self.waits: list[float] = []
        self._turns = list(turns)

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        if not self.is_set():
            self._turns.pop(0)() if self._turns else self.finish.set()
        return True

    def run(self, *, senders: int = 2) -> None:
        with Engine(senders=senders) as engine:
            run(engine, wake=self, finish=self.finish)


def about(seconds: float, *, slack: float = 2.0) -> Any:
    """Match a wait for ``seconds``, spread by a tenth, which began ``slack`` ago at most."""

    class About:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, float) and (seconds - slack) * 0.9 <= other <= seconds * 1.1

        def __repr__(self) -> str:
            return f"about {seconds}"

        __hash__ = None  # type: ignore[assignment]

    return About()


def test_what_is_due_is_delivered_then_the_loop_waits(octanist: TestSandbox) -> None:
    make_leads(3)
    turns = Turns()
    turns.run()
    assert set(Lead.objects.values_list("status", flat=True)) == {Lead.Status.DELIVERED}
    assert turns.waits == [about(LONGEST_WAIT, slack=0)]


def test_a_nudge_delivers_what_came_meanwhile(octanist: TestSandbox) -> None:
    turns = Turns(make_lead, make_lead)
    turns.run()
    assert len(octanist.leads) == 2
    assert len(turns.waits) == 3


def test_a_nudge_during_a_drain_is_not_lost(octanist: TestSandbox) -> None:
    class Nudged(Turns):
        def clear(self) -> None:
            super().clear()
            if not cleared:
                self.set()
            cleared.append(True)

    cleared: list[bool] = []
    turns = Nudged()
    turns.run()
    assert len(cleared) > len(turns.waits) - 1 == 1


def test_what_is_due_at_the_end_is_still_delivered(octanist: TestSandbox) -> None:
    make_leads(3)
    turns = Turns()
    turns.finish.set()
    turns.run()
    assert len(octanist.leads) == 3
    assert turns.waits == []


def test_an_end_that_comes_while_the_loop_begins_wakes_it() -> None:
    class Finish(threading.Event):
        def is_set(self) -> bool:
            before = super().is_set()
            if not before:
                self.set()
                turns.set()
            return before

    class Watched(Turns):
        def wait(self, timeout: float | None = None) -> bool:
            assert self.is_set(), "the loop would wait, and nobody would wake it"
            return super().wait(timeout)

    turns = Watched()
    turns.finish = Finish()
    turns.run()
    assert len(turns.waits) == 1


def test_once_stopped_nothing_more_begins(octanist: TestSandbox) -> None:
    make_lead()
    with Engine(senders=1) as engine:
        engine.stop.set()
        run(engine, wake=Turns(), finish=threading.Event())
    assert octanist.exchanges == ()
    assert Lead.objects.get().lease is None


@pytest.mark.parametrize(
    ("due", "probe", "expected"),
    [
        (20, None, about(20)),
        (1000, None, about(LONGEST_WAIT, slack=0)),
        (0.5, None, about(SHORTEST_WAIT, slack=0)),
        (-5, 20, about(20)),
        (-5, 1000, about(LONGEST_WAIT, slack=0)),
    ],
)
def test_how_long_it_waits(octanist: TestSandbox, due: float, probe: float | None, expected: Any) -> None:
    now = timezone.now()
    make_lead(next_attempt_at=now + timedelta(seconds=due))
    if probe is not None:
        probe_at = now + timedelta(seconds=probe)
        DeliveryPause.objects.create(account="default", reason=DeliveryPause.Reason.OUTAGE, probe_at=probe_at)
    turns = Turns()
    # A lead that comes due while the loop ends would be delivered.
    with override_settings(OCTANIST_API_KEY="wrong") if due < 1 and probe is None else override_settings():
        turns.run()
    assert turns.waits[0] == expected


def test_waits_are_spread(octanist: TestSandbox) -> None:
    turns = Turns(*[lambda: None] * 20)
    turns.run()
    assert len(set(turns.waits)) > 10


def test_a_lead_that_somebody_else_holds_causes_no_hot_loop(octanist: TestSandbox) -> None:
    make_lead()

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        # As if another claimer were always first.
        return execute(
            sql.replace("WHERE", "WHERE 1 = 0 AND", 1) if sql.startswith("UPDATE") else sql, params, many, context
        )

    turns = Turns()
    with connection.execute_wrapper(wrapper):
        turns.run()
    assert turns.waits == [about(SHORTEST_WAIT, slack=0)]


# Alerts


def test_what_came_within_the_hour_is_told_after_it(octanist: TestSandbox, told: Callable[[], list[str]]) -> None:
    an_hour_ago = timezone.now() - timedelta(hours=1)
    AlertGroup.objects.create(kind=Lead.Status.INVALID, account="shop", waiting=17, told_at=an_hour_ago)
    Turns().run()
    assert told() == ["17 leads of the account shop were found invalid"]


def test_a_quiet_round_is_one_query_more_with_somebody_to_tell(
    octanist: TestSandbox, told: Callable[[], list[str]], settings: Any
) -> None:
    def queries_of_a_round() -> int:
        with CaptureQueriesContext(connection) as queries:
            Turns().run()
        return len(queries)

    Turns().run()
    limits.put_off("overdue", seconds=60)
    before = queries_of_a_round()
    # As a minute later.
    limits._next_at.pop("look")
    assert queries_of_a_round() == before + 1
    assert queries_of_a_round() == before
    assert told() == []


def test_a_look_that_fails_disturbs_no_delivery(octanist: TestSandbox, told: Callable[[], list[str]]) -> None:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        return execute(sql.replace("octanist_alertgroup", "octanist_nothing"), params, many, context)

    make_leads(3)
    turns = Turns()
    with connection.execute_wrapper(wrapper):
        turns.run()
    assert len(octanist.leads) == 3
    assert turns.waits == [about(LONGEST_WAIT, slack=0)]


# Errors


def test_a_database_that_fails_is_outlived(octanist: TestSandbox, caplog: pytest.LogCaptureFixture) -> None:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if down:
            raise OperationalError("the database is going away\nDETAIL: jo@example.com")
        return execute(sql, params, many, context)

    down = [True]
    make_leads(3)
    turns = Turns(lambda: None, down.clear)
    with connection.execute_wrapper(wrapper):
        turns.run()
    assert turns.waits[:2] == [about(WAIT_AFTER_ERROR, slack=0)] * 2
    assert len(octanist.leads) == 3
    assert "deliveries wait: OperationalError: the database is going away" in caplog.text
    assert "jo@" not in caplog.text


def test_a_database_that_fails_while_recording_is_outlived(octanist: TestSandbox) -> None:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT") and down:
            raise OperationalError("the database is going away")
        return execute(sql, params, many, context)

    down = [True]
    make_leads(3)
    turns = Turns(lambda: None, down.clear)
    with connection.execute_wrapper(wrapper):
        turns.run()
    assert set(Lead.objects.values_list("status", "attempts", "lease")) == {(Lead.Status.DELIVERED, 1, None)}
    assert len(octanist.leads) == 3


def test_a_wrong_setting_is_outlived(octanist: TestSandbox, caplog: pytest.LogCaptureFixture) -> None:
    make_lead()
    wrong = override_settings(OCTANIST_BATCH_SIZE=0)
    wrong.enable()
    turns = Turns(wrong.disable)
    turns.run()
    assert turns.waits[0] == about(WAIT_AFTER_ERROR, slack=0)
    assert "OCTANIST_BATCH_SIZE must be" in caplog.text
    assert len(octanist.leads) == 1


def test_no_connection_is_kept_while_waiting(octanist: TestSandbox) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("a database of SQLite in memory lives in its connection, which stays")
    make_lead()
    kept: list[Any] = []
    Turns(lambda: kept.append(connection.connection)).run()
    assert kept == [None]
