from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_octanist import alerts
from django_octanist.alerts import mailing
from django_octanist.models import AlertGroup, DeliveryPause, Lead

from . import HOUR, let_pass, lost_lead, subjects

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mails_at_once")]

Reason = DeliveryPause.Reason
NOBODY = override_settings(OCTANIST_ALERT_EMAILS=[])


@contextmanager
def no_database() -> Iterator[None]:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise OperationalError("the database is going away\nDETAIL: jo@example.com")

    with connection.execute_wrapper(wrapper):
        yield


def test_one_lead_with_its_page() -> None:
    lead = lost_lead()
    alerts.leads_lost([lead])
    (message,) = mail.outbox
    assert message.to == ["ops@example.com", "dev@example.com"]
    assert message.subject.endswith("Octanist: a lead of the account shop was found invalid")
    assert message.body.endswith(f"\n\nIn the admin: /admin/octanist/lead/{lead.pk}/change/")
    assert "jo@" not in message.body


def test_many_leads_are_grouped() -> None:
    invalid = Lead.Status.INVALID
    leads = [lost_lead(), lost_lead(), lost_lead(Lead.Status.FAILED), lost_lead(account="default"), lost_lead()]
    alerts.leads_lost(leads)
    assert sorted(subjects()) == [
        "3 leads of the account shop were found invalid",
        "a lead of the account default was found invalid",
        "a lead of the account shop could not be delivered",
    ]
    (many,) = [message for message in mail.outbox if "3 leads" in message.subject]
    assert many.body.endswith(f"/admin/octanist/lead/?status__exact={invalid}&account__exact=shop")
    assert "since" not in many.body


def test_once_an_hour_with_the_count_of_what_came_since() -> None:
    for _ in range(17):
        alerts.leads_lost([lost_lead()])
    assert len(mail.outbox) == 1
    let_pass(HOUR)
    alerts.leads_lost([lost_lead()])
    assert subjects()[1:] == ["17 leads of the account shop were found invalid"]
    assert "17 leads of the account shop were found invalid since " in mail.outbox[1].body
    let_pass(HOUR)
    lead = lost_lead()
    alerts.leads_lost([lead])
    assert f"/admin/octanist/lead/{lead.pk}/change/" in mail.outbox[2].body


def test_since_is_said_only_of_what_came_before() -> None:
    alerts.leads_lost([lost_lead()])
    let_pass(24 * HOUR)
    alerts.leads_lost([lost_lead(), lost_lead()])
    assert "2 leads of the account shop were found invalid. " in mail.outbox[1].body


PAUSED = "deliveries of the account shop are paused"
GO_ON = "deliveries of the account shop go on"


def test_pauses_and_resumptions_once_an_hour() -> None:
    for _ in range(3):
        alerts.paused("shop", Reason.UNAUTHORIZED)
        alerts.paused("default", Reason.OUTAGE)
    for _ in range(3):
        alerts.resumed("shop")
    assert subjects() == [PAUSED, "deliveries of the account default are paused", GO_ON]
    let_pass(HOUR)
    alerts.resumed("shop")
    assert subjects()[3:] == [GO_ON]


def test_the_last_mail_is_true() -> None:
    for _ in range(2):
        alerts.paused("shop", Reason.UNAUTHORIZED)
        alerts.paused("shop", Reason.OUTAGE)
        alerts.resumed("shop")
    assert subjects() == [PAUSED, PAUSED, GO_ON] * 2
    assert ["unavailable" in message.body for message in mail.outbox] == [False, True, False] * 2


def test_another_reason_and_the_first_again() -> None:
    for reason in (Reason.OUTAGE, Reason.UNAUTHORIZED, Reason.OUTAGE):
        alerts.paused("shop", reason)
    assert "unavailable" in mail.outbox[-1].body
    assert len(mail.outbox) == 3


def test_nobody_to_tell_costs_no_query_and_does_not_count() -> None:
    lead = lost_lead()
    with NOBODY, CaptureQueriesContext(connection) as queries:
        alerts.leads_lost([lead])
        alerts.paused("shop", Reason.OUTAGE)
        alerts.resumed("shop")
        alerts.capture_failed(form="contact", cause="KeyError", fields="email")
    assert (len(queries), len(mail.outbox)) == (0, 0)
    alerts.leads_lost([lead])
    alerts.capture_failed(form="contact", cause="KeyError", fields="email")
    assert len(mail.outbox) == 2


def test_nothing_lost_costs_no_query() -> None:
    with CaptureQueriesContext(connection) as queries:
        alerts.leads_lost([])
    assert len(queries) == 0


def test_without_the_database_once_an_hour_of_this_process(caplog: pytest.LogCaptureFixture) -> None:
    leads = [lost_lead(), lost_lead(account="default")]
    with no_database():
        for _ in range(3):
            alerts.leads_lost(leads)
            alerts.paused("shop", Reason.OUTAGE)
    assert sorted(subjects()) == [
        "a lead of the account default was found invalid",
        "a lead of the account shop was found invalid",
        "deliveries of the account shop are paused",
    ]
    assert "what other processes have told is not known: OperationalError: the database is going away" in caplog.text
    assert "jo@" not in caplog.text


@pytest.mark.usefixtures("no_test_run")
class TestCapture:
    def fail(self, form: str = "contact") -> None:
        alerts.capture_failed(form=form, cause="OperationalError", fields="email, name")

    def test_each_form_once_an_hour(self) -> None:
        for form in ("contact", "contact", "other", "x" * 200):
            self.fail(form)
        assert len(mail.outbox) == 3
        let_pass(HOUR)
        self.fail()
        assert len(mail.outbox) == 4

    def test_another_process_has_told(self) -> None:
        self.fail()
        alerts.forget()
        self.fail()
        assert len(mail.outbox) == 1

    def test_without_the_database(self) -> None:
        with no_database():
            self.fail()
            self.fail()
        assert len(mail.outbox) == 1

    def test_the_visitor_waits_for_no_query(self, monkeypatch: pytest.MonkeyPatch) -> None:
        handed_over: list[Callable[[], None]] = []
        monkeypatch.setattr(mailing, "apart", lambda work: handed_over.append(work) or True)
        with CaptureQueriesContext(connection) as queries:
            self.fail()
        assert (len(queries), len(handed_over), len(mail.outbox)) == (0, 1, 0)
        handed_over[0]()
        assert len(mail.outbox) == 1
        assert AlertGroup.objects.get().kind.startswith("capture:")

    def test_without_further_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mailing, "apart", lambda work: False)
        with CaptureQueriesContext(connection) as queries:
            self.fail()
        assert (len(queries), len(mail.outbox)) == (0, 1)


def test_under_a_test_runner_a_capture_that_failed_uses_no_database() -> None:
    with CaptureQueriesContext(connection) as queries:
        alerts.capture_failed(form="contact", cause="KeyError", fields="email")
    assert (len(queries), len(mail.outbox)) == (0, 1)


@override_settings(OCTANIST_ALERT_EMAILS="nonsense")
def test_a_wrong_setting_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    alerts.leads_lost([lost_lead()])
    alerts.paused("shop", Reason.OUTAGE)
    alerts.resumed("shop")
    alerts.capture_failed(form="contact", cause="KeyError", fields="email")
    assert caplog.text.count("OCTANIST_ALERT_EMAILS must be") == 4
