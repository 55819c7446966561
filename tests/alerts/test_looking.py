from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_octanist import alerts, process
from django_octanist.alerts import limits, looking, mailing
from django_octanist.models import AlertGroup, Lead

from . import HOUR, let_pass, lost_lead, subjects, waiting_lead

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mails_at_once", "no_test_run")]


def queries_of(work: Callable[[], None]) -> int:
    with CaptureQueriesContext(connection) as queries:
        work()
    # The test's own transaction has savepoints.
    return len([query for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))])


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moments = [1000.0]
    monkeypatch.setattr(limits, "elapsed", lambda: moments[0])
    return moments


def test_a_quiet_minute_is_one_query_and_one_more_in_ten(now: list[float]) -> None:
    queries = []
    for _minute in range(21):
        queries.append(queries_of(alerts.look))
        now[0] += 30
        queries.append(queries_of(alerts.look))
        now[0] += 30
    assert queries == [2, 0, *[1, 0] * 9, 2, 0, *[1, 0] * 9, 2, 0]
    assert mail.outbox == []


def test_what_came_within_the_hour_is_told_after_it_though_nothing_more_comes() -> None:
    for _ in range(5):
        alerts.leads_lost([lost_lead()])
    let_pass(HOUR - timedelta(minutes=1))
    alerts.look()
    assert len(mail.outbox) == 1
    let_pass(timedelta(minutes=1))
    alerts.look()
    assert subjects()[1:] == ["4 leads of the account shop were found invalid"]
    assert " since " in mail.outbox[1].body
    let_pass(HOUR)
    alerts.look()
    assert len(mail.outbox) == 2


def test_what_a_process_counted_that_ended_before_it_told() -> None:
    AlertGroup.objects.create(kind=Lead.Status.FAILED, account="shop", waiting=3)
    alerts.look()
    assert subjects() == ["3 leads of the account shop could not be delivered"]
    assert " since " not in mail.outbox[0].body


def test_leads_that_wait_are_looked_for_too(now: list[float]) -> None:
    alerts.look()
    waiting_lead(hours=2)
    now[0] += 599
    alerts.look()
    assert mail.outbox == []
    now[0] += 61
    alerts.look()
    assert subjects() == ["1 lead of the account shop has waited for more than an hour"]


@pytest.mark.parametrize("look", [alerts.look, alerts.look_apart])
def test_nobody_to_tell(look: Callable[[], None]) -> None:
    waiting_lead(hours=2)
    with override_settings(OCTANIST_ALERT_EMAILS=[]):
        assert queries_of(look) == 0


@pytest.mark.parametrize("look", [alerts.look, alerts.look_apart])
def test_not_under_a_test_runner(look: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "is_test_run", lambda: True)
    waiting_lead(hours=2)
    threads = threading.active_count()
    assert queries_of(look) == 0
    assert threading.active_count() == threads


def test_apart_not_in_a_command_amid_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "is_command", lambda: True)
    waiting_lead(hours=2)
    assert queries_of(alerts.look_apart) == 0
    # A worker is a command, too.
    alerts.look()
    assert len(mail.outbox) == 1


def test_apart_costs_the_caller_nothing(monkeypatch: pytest.MonkeyPatch, now: list[float]) -> None:
    handed_over: list[Callable[[], None]] = []
    monkeypatch.setattr(mailing, "apart", lambda work: handed_over.append(work) or True)
    waiting_lead(hours=2)
    for _ in range(5):
        assert queries_of(alerts.look_apart) == 0
    assert len(handed_over) == 1
    monkeypatch.undo()
    handed_over[0]()


def test_apart_every_ten_minutes(monkeypatch: pytest.MonkeyPatch, now: list[float]) -> None:
    handed_over: list[Any] = []
    monkeypatch.setattr(mailing, "apart", lambda work: handed_over.append(work) or True)
    for moment in (0, 599, 600, 601, 1200):
        now[0] = 1000.0 + moment
        alerts.look_apart()
    assert len(handed_over) == 3


@pytest.mark.parametrize("look", [alerts.look, alerts.look_apart])
def test_a_database_that_fails_disturbs_nobody(look: Callable[[], None], caplog: pytest.LogCaptureFixture) -> None:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise OperationalError("the database is going away\nDETAIL: jo@example.com")

    with connection.execute_wrapper(wrapper):
        look()
    assert "the operator could not be alerted: OperationalError: the database is going away" in caplog.text
    assert "jo@" not in caplog.text


def test_a_wrong_setting_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(OCTANIST_ALERT_EMAILS="nonsense"):
        alerts.look()
        alerts.look_apart()
    assert caplog.text.count("OCTANIST_ALERT_EMAILS must be") == 2


def test_seconds_until_told() -> None:
    assert alerts.seconds_until_told() is None
    alerts.leads_lost([lost_lead()])
    assert alerts.seconds_until_told() is None
    alerts.leads_lost([lost_lead()])
    let_pass(timedelta(minutes=50))
    seconds = alerts.seconds_until_told()
    assert seconds == pytest.approx(600, abs=5)
    alerts.leads_lost([lost_lead(account="default")] * 2)
    alerts.leads_lost([lost_lead(account="default")])
    assert alerts.seconds_until_told() == pytest.approx(3600, abs=5)
    let_pass(2 * HOUR)
    assert alerts.seconds_until_told() == 0
    with override_settings(OCTANIST_ALERT_EMAILS=[]):
        assert alerts.seconds_until_told() is None


def test_looks_of_both_kinds_share_what_they_found(now: list[float]) -> None:
    alerts.look_apart()
    assert queries_of(alerts.look) == 1
    assert looking.APART_SECONDS == 10 * looking.LOOK_SECONDS
