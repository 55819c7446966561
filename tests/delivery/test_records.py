from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from django.db import InternalError, OperationalError, connection
from django.dispatch import Signal
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_octanist import signals
from django_octanist.delivery.claims import Claim
from django_octanist.delivery.decisions import Attempt, Outcome, Result
from django_octanist.delivery.records import Finished, record
from django_octanist.models import DeliveryAttempt, DeliveryPause, Lead

from . import claimed, make_lead, make_leads

pytestmark = pytest.mark.django_db

THEN = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
Reason = DeliveryPause.Reason


def attempt(outcome: Outcome, **fields: Any) -> Attempt:
    return Attempt(started_at=THEN, duration_ms=12, outcome=outcome, **fields)


def ended(lead: Lead, *outcomes: Outcome, probe: bool = False, **result: Any) -> Finished:
    attempts = tuple(attempt(outcome) for outcome in outcomes)
    return Finished(claimed(lead, probe=probe), Result(attempts=attempts, **result))


@contextmanager
def heard(signal: Signal) -> Iterator[list[Any]]:
    """Collect what ``signal`` says: the lead or the account, and whether a transaction was open."""
    said: list[Any] = []

    def receive(**named: Any) -> None:
        assert named["sender"] is Lead
        said.append((named.get("lead", named.get("account")), connection.in_atomic_block))

    signal.connect(receive)
    try:
        yield said
    finally:
        signal.disconnect(receive)


@contextmanager
def failing(statement: str, *, times: int = 1000, error: type[Exception] = OperationalError) -> Iterator[None]:
    """Let the database refuse the first ``times`` statements that begin with ``statement``."""
    left = [times]

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(statement) and left[0] > 0:
            left[0] -= 1
            raise error("the database is going away")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield


def test_delivered() -> None:
    lead = make_lead(uncertain=True, error="before", error_code="BEFORE")
    record([ended(lead, Outcome.DELIVERED, octanist_id="lead_1")])
    lead.refresh_from_db()
    assert (lead.status, lead.octanist_id, lead.attempts) == (Lead.Status.DELIVERED, "lead_1", 1)
    assert (lead.lease, lead.next_attempt_at, lead.uncertain) == (None, None, False)
    assert (lead.error, lead.error_code) == ("", "")
    assert lead.delivered_at is not None


def test_each_request_is_an_attempt() -> None:
    lead = make_lead()
    refused = attempt(Outcome.SESSION_REFUSED, with_session=True, http_status=400, error_code="VALIDATION_ERROR")
    last = attempt(Outcome.UNCERTAIN, http_status=500, error="broken", request_id="req_1")
    record([Finished(claimed(lead), Result(attempts=(refused, last)))])
    first, second = lead.delivery_attempts.all()
    assert (first.outcome, first.with_session, first.http_status) == (Outcome.SESSION_REFUSED, True, 400)
    assert first.error_code == "VALIDATION_ERROR"
    assert (second.outcome, second.with_session, second.http_status) == (Outcome.UNCERTAIN, False, 500)
    assert (second.error, second.request_id) == ("broken", "req_1")
    assert (second.started_at, second.duration_ms) == (THEN, 12)


def test_many_at_once() -> None:
    leads = make_leads(3)
    outcomes = [Outcome.DELIVERED, Outcome.REJECTED, Outcome.UNREACHABLE]
    record([ended(lead, outcome) for lead, outcome in zip(leads, outcomes, strict=True)])
    assert list(Lead.objects.order_by("pk").values_list("status", flat=True)) == ["delivered", "rejected", "pending"]
    assert list(DeliveryAttempt.objects.values_list("outcome", flat=True)) == outcomes


def test_a_lead_that_was_not_sent_goes_back_as_it_was() -> None:
    lead = make_lead(attempts=2, uncertain=True, error="before", error_code="BEFORE")
    assert record([ended(lead)]) == set()
    lead.refresh_from_db()
    assert (lead.lease, lead.status, lead.attempts, lead.uncertain) == (None, Lead.Status.PENDING, 2, True)
    assert (lead.error, lead.error_code) == ("before", "BEFORE")
    assert list(Lead.objects.due(now=datetime.now(timezone.utc))) == [lead]
    assert not DeliveryAttempt.objects.exists()


# The guard


@pytest.mark.parametrize("lease", [None, uuid.UUID(int=1)], ids=["given back", "taken by another"])
def test_a_result_without_the_lease_is_dropped(lease: uuid.UUID | None) -> None:
    lead, other = make_leads(2)
    late = ended(lead, Outcome.DELIVERED, octanist_id="lead_1")
    Lead.objects.filter(pk=lead.pk).update(lease=lease)
    with heard(signals.lead_delivered) as said:
        record([late, ended(other, Outcome.DELIVERED, octanist_id="lead_2")])
    lead.refresh_from_db()
    assert (lead.status, lead.lease, lead.octanist_id) == (Lead.Status.PENDING, lease, "")
    assert [item.pk for item, _open in said] == [other.pk]
    assert list(DeliveryAttempt.objects.values_list("lead", flat=True)) == [other.pk]


def test_a_result_is_written_once() -> None:
    finished = [ended(make_lead(), Outcome.UNREACHABLE)]
    record(finished)
    record(finished)
    assert Lead.objects.get().attempts == 1
    assert DeliveryAttempt.objects.count() == 1


def test_a_lead_that_was_deleted_meanwhile() -> None:
    gone, here = make_leads(2)
    finished = [ended(gone, Outcome.DELIVERED), ended(here, Outcome.DELIVERED)]
    Lead.objects.filter(pk=gone.pk).delete()
    record(finished)
    here.refresh_from_db()
    assert here.status == Lead.Status.DELIVERED


def test_leads_of_one_outcome_are_written_by_one_statement_each_with_its_own_ids() -> None:
    leads = make_leads(20)
    same = claimed_together(leads)
    finished = [
        Finished(item, Result(attempts=(attempt(Outcome.DELIVERED, request_id=f"req_{n}"),), octanist_id=f"lead_{n}"))
        for n, item in enumerate(same)
    ]
    with CaptureQueriesContext(connection) as queries:
        record(finished)
    assert len([query for query in queries if query["sql"].startswith("UPDATE")]) == 1
    assert len([query for query in queries if query["sql"].startswith("INSERT")]) == 1
    written = Lead.objects.order_by("pk").values_list("octanist_id", "request_id", "status")
    assert list(written) == [(f"lead_{n}", f"req_{n}", "delivered") for n in range(20)]


def claimed_together(leads: list[Lead]) -> list[Claim]:
    token = uuid.uuid4()
    claims = [replace(claimed(lead), lease=token) for lead in leads]
    Lead.objects.update(lease=token)
    return claims


def test_one_lead_of_a_group_that_is_lost_takes_no_other_with_it() -> None:
    leads = make_leads(5)
    finished = [
        Finished(item, Result(attempts=(attempt(Outcome.DELIVERED),), octanist_id=f"lead_{n}"))
        for n, item in enumerate(claimed_together(leads))
    ]
    Lead.objects.filter(pk=leads[2].pk).update(lease=uuid.UUID(int=1))
    record(finished)
    assert list(Lead.objects.order_by("pk").values_list("octanist_id", flat=True)) == [
        *("lead_0", "lead_1", "", "lead_3", "lead_4")
    ]
    assert DeliveryAttempt.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_a_result_that_the_database_refuses_for_what_it_is_keeps_no_other_from_being_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad, good = claimed_together(make_leads(2))
    refused = Result(attempts=(attempt(Outcome.DELIVERED, error_code=None),), octanist_id="lead_0")
    record([Finished(bad, refused), ended(good.lead, Outcome.DELIVERED)])
    assert list(Lead.objects.order_by("pk").values_list("status", flat=True)) == ["pending", "delivered"]
    assert f"the outcome of lead {bad.lead.pk} (contact) could not be written: IntegrityError" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_what_is_wrong_with_the_database_leaves_no_result_to_its_lease(caplog: pytest.LogCaptureFixture) -> None:
    """PostgreSQL that has turned read-only says so by an ``InternalError``."""
    finished = [ended(lead, Outcome.DELIVERED, octanist_id="lead_1") for lead in make_leads(2)]
    with failing("UPDATE", error=InternalError), pytest.raises(InternalError):
        record(finished)
    assert "could not be written" not in caplog.text
    record(finished)
    assert set(Lead.objects.values_list("status", flat=True)) == {"delivered"}


def _values(params: Any) -> list[Any]:
    """The parameters of an INSERT; PostgreSQL gets a list for each column."""
    return [value for item in params for value in (item if isinstance(item, list) else [item])]


@pytest.mark.django_db(transaction=True)
def test_a_text_that_mysql_refuses_keeps_no_other_from_being_written(caplog: pytest.LogCaptureFixture) -> None:
    """mysqlclient says so by an ``OperationalError`` that quotes the text."""
    bad, good = claimed_together(make_leads(2))

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT") and bad.lead.pk in _values(params):
            raise OperationalError(1366, "Incorrect string value: 'jo@example.com'")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        record([ended(bad.lead, Outcome.UNREACHABLE), ended(good.lead, Outcome.DELIVERED)])
    assert list(Lead.objects.order_by("pk").values_list("status", flat=True)) == ["pending", "delivered"]
    assert "could not be written: OperationalError" in caplog.text
    assert "jo@example.com" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_outlived_and_the_result_written_once() -> None:
    finished = [ended(make_lead(), Outcome.DELIVERED, octanist_id="lead_1")]
    with failing("INSERT", times=2):
        record(finished)
    assert Lead.objects.get().octanist_id == "lead_1"
    assert DeliveryAttempt.objects.count() == 1


def test_a_lead_without_the_lease_pauses_nothing() -> None:
    lead = make_lead()
    late = ended(lead, Outcome.UNAUTHORIZED)
    Lead.objects.update(lease=None)
    assert record([late]) == set()
    assert not DeliveryPause.objects.exists()


# Who hears of it


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("outcome", "signal"),
    [
        (Outcome.DELIVERED, signals.lead_delivered),
        (Outcome.FOUND, signals.lead_delivered),
        (Outcome.INVALID, signals.lead_failed),
    ],
)
def test_signals_come_after_the_commit_with_the_lead_as_it_is_now(outcome: Outcome, signal: Signal) -> None:
    lead = make_lead()
    with heard(signal) as said:
        record([ended(lead, outcome, octanist_id="lead_1")])
    ((told, in_transaction),) = said
    assert told.pk == lead.pk
    assert in_transaction is False
    lead.refresh_from_db()
    names = ("status", "octanist_id", "attempts", "lease", "next_attempt_at", "error", "uncertain")
    assert {name: getattr(told, name) for name in names} == {name: getattr(lead, name) for name in names}


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.UNCERTAIN, Outcome.UNREACHABLE, Outcome.LATER])
def test_nobody_hears_of_what_is_no_end_or_no_failure(outcome: Outcome) -> None:
    with heard(signals.lead_delivered) as delivered, heard(signals.lead_failed) as failed:
        record([ended(make_lead(), outcome)])
    assert (delivered, failed) == ([], [])


@override_settings(OCTANIST_MAX_ATTEMPTS=3)
def test_giving_up_is_heard_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    lead = make_lead(attempts=2)
    with heard(signals.lead_failed) as said:
        record([ended(lead, Outcome.UNREACHABLE)])
    assert [(told.pk, told.status) for told, _open in said] == [(lead.pk, Lead.Status.FAILED)]
    assert f"lead {lead.pk} (contact) is failed" in caplog.text


def test_held_is_heard_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    lead = make_lead(uncertain=True)
    with heard(signals.lead_failed) as said:
        record([ended(lead, held="Look there.")])
    lead.refresh_from_db()
    assert (lead.status, lead.error_code, lead.error) == (Lead.Status.FAILED, "UNCERTAIN", "Look there.")
    assert lead.uncertain is True
    assert [told.pk for told, _open in said] == [lead.pk]
    assert "UNCERTAIN" in caplog.text


def test_a_receiver_that_raises_disturbs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def receive(**_named: Any) -> None:
        raise ValueError("jo@example.com")

    leads = make_leads(2)
    signals.lead_delivered.connect(receive)
    try:
        record([ended(lead, Outcome.DELIVERED) for lead in leads])
    finally:
        signals.lead_delivered.disconnect(receive)
    assert set(Lead.objects.values_list("status", flat=True)) == {Lead.Status.DELIVERED}
    assert "ValueError" in caplog.text
    assert "jo@" not in caplog.text


# The account


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.UNAUTHORIZED, Reason.UNAUTHORIZED),
        (Outcome.ENDPOINT, Reason.ENDPOINT),
        (Outcome.RATE_LIMITED, Reason.RATE_LIMITED),
        (Outcome.UNCERTAIN, None),
        (Outcome.UNREACHABLE, None),
        (Outcome.LATER, None),
        (Outcome.INVALID, None),
        (Outcome.REJECTED, None),
        (Outcome.DELIVERED, None),
    ],
)
def test_the_first_answer_pauses_what_concerns_the_account(outcome: Outcome, reason: Reason | None) -> None:
    paused = record([ended(make_lead(account="shop"), outcome)])
    assert paused == ({"shop"} if reason else set())
    rows = list(DeliveryPause.objects.values_list("account", "reason"))
    assert rows == ([("shop", reason)] if reason else [])


def test_five_failures_in_a_row_are_an_outage() -> None:
    leads = make_leads(5, account="shop")
    assert record([ended(lead, Outcome.UNREACHABLE) for lead in leads[:4]]) == set()
    assert record([ended(leads[4], Outcome.UNCERTAIN)]) == {"shop"}
    assert DeliveryPause.objects.get().reason == Reason.OUTAGE


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.REJECTED, Outcome.INVALID, Outcome.FOUND])
def test_a_probe_that_is_answered_resumes_the_account(outcome: Outcome) -> None:
    lead = make_lead()
    DeliveryPause.objects.create(account="default", reason=Reason.OUTAGE, probe_at=THEN)
    DeliveryPause.objects.create(account="shop", reason=Reason.OUTAGE, probe_at=THEN)
    with heard(signals.delivery_resumed) as said:
        assert record([ended(lead, outcome, probe=True)]) == set()
    assert [account for account, _open in said] == ["default"]
    assert DeliveryPause.objects.get().account == "shop"


def test_an_answer_to_a_lead_that_is_no_probe_resumes_nothing() -> None:
    DeliveryPause.objects.create(account="default", reason=Reason.OUTAGE, probe_at=THEN)
    record([ended(make_lead(), Outcome.DELIVERED)])
    assert DeliveryPause.objects.exists()


@pytest.mark.parametrize(
    ("before", "outcome", "after"),
    [
        (Reason.OUTAGE, Outcome.UNREACHABLE, Reason.OUTAGE),
        (Reason.OUTAGE, Outcome.UNAUTHORIZED, Reason.UNAUTHORIZED),
        (Reason.RATE_LIMITED, Outcome.UNAUTHORIZED, Reason.UNAUTHORIZED),
        (Reason.RATE_LIMITED, Outcome.RATE_LIMITED, Reason.RATE_LIMITED),
        (Reason.UNAUTHORIZED, Outcome.UNREACHABLE, Reason.UNAUTHORIZED),
    ],
)
def test_a_probe_that_fails_prolongs_the_pause(before: Reason, outcome: Outcome, after: Reason) -> None:
    DeliveryPause.objects.create(account="default", reason=before, probe_at=THEN)
    lead = make_lead(attempts=2)
    assert record([ended(lead, outcome, probe=True)]) == {"default"}
    row = DeliveryPause.objects.get()
    assert (row.reason, row.failures) == (after, 1)
    lead.refresh_from_db()
    assert lead.attempts == 2


def test_a_probe_that_was_not_sent_says_nothing_about_the_account() -> None:
    DeliveryPause.objects.create(account="default", reason=Reason.OUTAGE, probe_at=THEN)
    assert record([ended(make_lead(), probe=True)]) == set()
    assert DeliveryPause.objects.get().failures == 0


def test_octanists_words_stay_with_the_lead() -> None:
    lead = make_lead()
    said = attempt(Outcome.UNAUTHORIZED, http_status=401, error_code="UNAUTHORIZED", error="jo@example.com may not")
    record([Finished(claimed(lead), Result(attempts=(said,)))])
    assert DeliveryPause.objects.get().error == "HTTP 401 UNAUTHORIZED"
    lead.refresh_from_db()
    assert lead.error == "jo@example.com may not"


# A database that fails


@pytest.mark.django_db(transaction=True)
def test_all_or_nothing() -> None:
    leads = make_leads(2)
    finished = [ended(lead, Outcome.DELIVERED) for lead in leads]
    with heard(signals.lead_delivered) as said:
        with failing("INSERT"), pytest.raises(OperationalError):
            record(finished)
        assert set(Lead.objects.values_list("status", flat=True)) == {Lead.Status.PENDING}
        assert said == []
        record(finished)
    assert set(Lead.objects.values_list("status", flat=True)) == {Lead.Status.DELIVERED}
    assert len(said) == 2


@pytest.mark.django_db(transaction=True)
def test_a_pause_that_cannot_be_written_silences_no_signal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    paused, delivered = make_leads(2)
    finished = [ended(paused, Outcome.UNAUTHORIZED), ended(delivered, Outcome.DELIVERED)]

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if "octanist_deliverypause" in sql:
            raise OperationalError("the database is going away")
        return execute(sql, params, many, context)

    with heard(signals.lead_delivered) as said:
        with connection.execute_wrapper(wrapper), pytest.raises(OperationalError):
            record(finished)
        assert [lead.pk for lead, _open in said] == [delivered.pk]
        # The engine comes again with the same results: they are written already.
        assert record(finished) == set()
    assert len(said) == 1
    assert DeliveryAttempt.objects.count() == 2


# Alerts


def test_leads_that_are_lost_are_told_together(told: Callable[[], list[str]]) -> None:
    leads = make_leads(5)
    outcomes = [Outcome.INVALID, Outcome.DELIVERED, Outcome.INVALID, Outcome.REJECTED, Outcome.UNREACHABLE]
    record([ended(lead, outcome) for lead, outcome in zip(leads, outcomes, strict=True)])
    assert told() == ["2 leads of the account default were found invalid"]


@pytest.mark.django_db(transaction=True)
def test_an_alert_comes_after_the_transaction_in_its_own(told: Callable[[], list[str]]) -> None:
    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if "octanist_alertgroup" in sql and sql.startswith("UPDATE"):
            about_alerts.append((connection.in_atomic_block, Lead.objects.get().status))
        return execute(sql, params, many, context)

    about_alerts: list[Any] = []
    with connection.execute_wrapper(wrapper):
        record([ended(make_lead(), Outcome.INVALID)])
    assert about_alerts[0] == (False, Lead.Status.INVALID)
    assert len(told()) == 1


def test_an_alert_that_the_database_refuses_takes_no_outcome_with_it(
    told: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        # As where the migration has not been run yet.
        return execute(sql.replace("octanist_alertgroup", "octanist_nothing"), params, many, context)

    with connection.execute_wrapper(wrapper):
        record([ended(make_lead(), Outcome.INVALID)])
    assert Lead.objects.get().status == Lead.Status.INVALID
    assert told() == ["a lead of the account default was found invalid"]
    assert "run manage.py migrate" in caplog.text


def test_nothing_lost_asks_nothing_of_alerts(told: Callable[[], list[str]]) -> None:
    finished = [ended(make_lead(), Outcome.DELIVERED)]
    with CaptureQueriesContext(connection) as queries:
        record(finished)
    assert not [query for query in queries if "octanist_alertgroup" in query["sql"]]
