from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_octanist.alerts import limits
from django_octanist.conf import conf
from django_octanist.delivery import Engine, engine, loop
from django_octanist.delivery.claims import lease_seconds
from django_octanist.delivery.due import seconds_until_due
from django_octanist.dispatch import turn
from django_octanist.dispatch.turn import take_turn
from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import UNCERTAIN_SECONDS, AlertGroup, DeliveryPause, Lead
from django_octanist.test import TestSandbox, octanist
from tests.delivery import CREATED, RawServer, http, let_time_pass, make_lead, make_leads, wait_until

__all__ = ["octanist"]

pytestmark = pytest.mark.django_db

Status = Lead.Status


BETWEEN_LOOKS = 1_000_000.0


@pytest.fixture(autouse=True)
def _no_look_arranged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "_look_at", 0.0)
    monkeypatch.setattr(turn, "_told_at", 0.0)
    # So that a look can be told from a return.
    monkeypatch.setattr(turn, "BETWEEN_LOOKS", BETWEEN_LOOKS)


@pytest.fixture
def asked() -> list[float]:
    """After how many seconds the turns asked to come back."""
    return []


def looks(asked: list[float]) -> list[float]:
    """Those of ``asked`` that are looks at what a turn might leave behind."""
    return [seconds for seconds in asked if seconds >= BETWEEN_LOOKS]


def returns(asked: list[float]) -> list[float]:
    return [seconds for seconds in asked if seconds < BETWEEN_LOOKS]


def statuses() -> list[str]:
    return sorted(Lead.objects.values_list("status", flat=True))


def test_what_is_due_is_delivered_of_all_accounts(octanist: TestSandbox, asked: list[float]) -> None:
    make_leads(20)
    make_lead(account="shop")
    with override_settings(OCTANIST_API_KEYS={"shop": octanist.api_key}):
        take_turn(asked.append)
    assert statuses() == [Status.DELIVERED] * 21
    assert returns(asked) == []


def test_with_nothing_due_a_turn_is_cheap_and_leaves_nothing(octanist: TestSandbox, asked: list[float]) -> None:
    make_lead(status=Status.DELIVERED, next_attempt_at=None)
    make_lead(next_attempt_at=timezone.now() + timedelta(seconds=30))
    with CaptureQueriesContext(connection) as queries:
        take_turn(asked.append)
    assert len(queries) <= 3
    assert asked == []
    assert octanist.exchanges == ()


def test_who_puts_a_lead_off_comes_back_when_it_is_due(octanist: TestSandbox, asked: list[float]) -> None:
    make_lead()
    octanist.fail_next(status=408)
    take_turn(asked.append)
    (seconds,) = returns(asked)
    due = seconds_until_due()
    assert due is not None
    # Never too early, where a queue keeps whole seconds; nor much too late.
    assert due + 1 <= seconds <= due + 10
    assert seconds == int(seconds)


@pytest.mark.parametrize(("status", "outcome"), [(None, Status.DELIVERED), (403, Status.REJECTED)])
def test_who_puts_nothing_off_leaves_the_rest_to_who_did(
    octanist: TestSandbox, asked: list[float], status: int | None, outcome: Status
) -> None:
    make_lead(next_attempt_at=timezone.now() + timedelta(hours=1))
    for _ in range(5):
        make_lead()
        if status is not None:
            octanist.fail_next(status=status)
        take_turn(asked.append)
    assert statuses() == sorted([outcome] * 5 + [Status.PENDING])
    assert returns(asked) == []


def test_behind_a_pause_only_the_one_who_made_it_comes_back(octanist: TestSandbox, asked: list[float]) -> None:
    make_leads(300)
    key, octanist.api_key = octanist.api_key, "another"
    for _ in range(10):
        take_turn(asked.append)
    (seconds,) = returns(asked)
    assert DeliveryPause.objects.get().probe_at <= timezone.now() + timedelta(seconds=seconds)
    octanist.api_key = key
    let_time_pass()
    take_turn(asked.append)
    assert statuses() == [Status.DELIVERED] * 300


def test_many_turns_at_once_leave_no_more_than_they_were(asked: list[float]) -> None:
    """Each of five finds work and puts it off; those that come back are fewer, and none once all is delivered."""
    waiting = 5
    with RawServer(http(408)) as server, override_settings(OCTANIST_API_URL=server.api_url):
        for _ in range(6):
            make_leads(5)
            asked.clear()
            for _ in range(waiting):
                take_turn(asked.append)
            assert 1 <= len(returns(asked)) <= waiting
            waiting = len(returns(asked))
            let_time_pass()
        server.replies = [CREATED]
        asked.clear()
        for _ in range(waiting):
            take_turn(asked.append)
    assert set(statuses()) == {Status.DELIVERED}
    assert returns(asked) == []


def test_a_turn_ends_in_time_and_comes_back_for_the_rest(asked: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(RawServer):
        def answer(self, request: bytes) -> bytes | None:
            # Once the turn's time is over.
            return CREATED if engines[0].stop.wait(20) else None

    class Watched(Engine):
        def __enter__(self) -> Watched:
            engines.append(self)
            return self

    engines: list[Engine] = []
    monkeypatch.setattr(turn, "Engine", Watched)
    monkeypatch.setattr(turn, "TURN_SECONDS", 0.05)
    make_leads(10)
    with Slow(CREATED) as server, override_settings(OCTANIST_API_URL=server.api_url, OCTANIST_CONCURRENCY=2):
        take_turn(asked.append)
    assert statuses() == [Status.DELIVERED] * 2 + [Status.PENDING] * 8
    # Given back, not left in the hands of nobody.
    assert not Lead.objects.exclude(lease=None).exists()
    assert returns(asked) == [0]


def test_the_threads_of_a_turn_do_not_outlive_it(octanist: TestSandbox, asked: list[float]) -> None:
    before = set(threading.enumerate())
    make_lead()
    take_turn(asked.append)
    wait_until(lambda: set(threading.enumerate()) <= before, what="the turn's threads end")


def test_a_queue_that_runs_at_once_what_it_is_given(octanist: TestSandbox) -> None:
    make_leads(3)
    octanist.fail_next(status=408)
    depths: list[int] = []
    depth = 0

    def at_once(_seconds: float) -> None:
        nonlocal depth
        depth += 1
        depths.append(depth)
        take_turn(at_once)
        depth -= 1

    take_turn(at_once)
    assert set(depths) == {1}
    assert statuses() == [Status.DELIVERED, Status.DELIVERED, Status.PENDING]
    let_time_pass()
    take_turn(at_once)
    assert set(statuses()) == {Status.DELIVERED}


# A look at what might be left


def test_a_look_is_arranged_before_anything_is_sent_and_comes_after_every_lease(octanist: TestSandbox) -> None:
    exchanges: list[int] = []
    asked: list[float] = []

    def come_back(seconds: float) -> None:
        asked.append(seconds)
        exchanges.append(len(octanist.exchanges))

    make_lead()
    take_turn(come_back)
    assert exchanges == [0]
    longest_lease = lease_seconds(batch=conf.batch_size, senders=conf.concurrency) + UNCERTAIN_SECONDS
    assert asked[0] >= BETWEEN_LOOKS + turn.TURN_SECONDS + longest_lease


def test_one_look_for_many_turns_of_a_process(
    octanist: TestSandbox, asked: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(turn, "elapsed", lambda: now)
    for _ in range(3):
        make_lead()
        take_turn(asked.append)
    assert len(looks(asked)) == 1
    # The look that is arranged comes after the leases of whatever is taken until then.
    now += turn.BETWEEN_LOOKS + 1
    make_lead()
    take_turn(asked.append)
    assert len(looks(asked)) == 2


# Alerts


def test_a_turn_tells_what_is_due_to_be_told(
    octanist: TestSandbox, asked: list[float], told: Callable[[], list[str]]
) -> None:
    AlertGroup.objects.create(kind=Status.INVALID, account="shop", waiting=17)
    take_turn(asked.append)
    assert told() == ["17 leads of the account shop were found invalid"]
    assert asked == []


def test_who_loses_leads_comes_back_to_tell_of_them(
    octanist: TestSandbox, asked: list[float], told: Callable[[], list[str]]
) -> None:
    for _ in range(3):
        make_lead(email="jo@invalid.example")
        take_turn(asked.append)
    # The first is told at once; of all that follow, one turn tells.
    (seconds,) = returns(asked)
    assert 3590 <= seconds <= 3602
    assert told() == ["a lead of the account default was found invalid"]
    AlertGroup.objects.update(told_at=timezone.now() - timedelta(seconds=3601))
    limits.forget()
    take_turn(asked.append)
    assert told()[1:] == ["2 leads of the account default were found invalid"]


def test_a_turn_waits_for_its_mails(
    octanist: TestSandbox, asked: list[float], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RQ, for one, ends the process with the task."""

    def slowly(_message: object) -> None:
        sent.append(released.wait(10))

    sent: list[bool] = []
    released = threading.Event()
    monkeypatch.setattr("django.core.mail.message.EmailMessage.send", slowly)
    settings.OCTANIST_ALERT_EMAILS = ["ops@example.com"]
    make_lead(email="jo@invalid.example")
    threading.Timer(0.2, released.set).start()
    take_turn(asked.append)
    assert sent == [True]


# What goes wrong


def test_a_queue_that_takes_nothing_does_not_keep_leads_from_being_delivered(
    octanist: TestSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_seconds: float) -> None:
        raise ConnectionError("no broker for jo@example.com")

    make_leads(2)
    octanist.fail_next(status=408)
    take_turn(broken)
    assert statuses() == [Status.DELIVERED, Status.PENDING]
    assert "nobody comes back for what is put off before the next nudge: ConnectionError" in caplog.text
    assert "jo@" not in caplog.text


@pytest.mark.parametrize("what", ["seconds_until_due", "Engine.drain"])
def test_an_error_of_the_database_is_logged_without_its_text_and_someone_looks_again(
    octanist: TestSandbox,
    asked: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    what: str,
) -> None:
    def broken(*_arguments: object) -> None:
        raise DataError("value too long: jo@example.com")

    make_lead()
    monkeypatch.setattr(f"{turn.__name__}.{what}", broken)
    take_turn(asked.append)
    assert "deliveries wait: DataError" in caplog.text
    assert "jo@" not in caplog.text
    assert len(looks(asked)) == len(asked) == 1


def test_what_was_sent_when_the_database_failed_is_written_before_the_turn_ends(
    octanist: TestSandbox, asked: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_once(finished: Any) -> set[str]:
        monkeypatch.setattr(engine, "record", usual)
        raise OperationalError("the server is restarting")

    usual = engine.record
    monkeypatch.setattr(engine, "record", fails_once)
    monkeypatch.setattr(loop, "SETTLE_SECONDS", 0.0)
    make_lead()
    take_turn(asked.append)
    assert statuses() == [Status.DELIVERED]
    assert len(octanist.leads) == 1


def test_the_next_turn_goes_on_after_an_error(octanist: TestSandbox, asked: list[float]) -> None:
    make_lead()
    with override_settings(OCTANIST_CONCURRENCY=0), pytest.raises(OctanistConfigurationError, match="CONCURRENCY"):
        take_turn(asked.append)
    take_turn(asked.append)
    assert statuses() == [Status.DELIVERED]
