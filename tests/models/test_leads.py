from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from django_octanist.exceptions import InvalidLeadError
from django_octanist.models import DUPLICATE_CODE, HELD_CODE, UNCERTAIN_SECONDS, DeliveryAttempt, Lead
from tests.delivery import SESSION, make_lead, make_leads, unsaved_lead

pytestmark = pytest.mark.django_db

Status = Lead.Status


def seconds_until_due(lead: Lead) -> float:
    lead.refresh_from_db()
    assert lead.next_attempt_at is not None
    return (lead.next_attempt_at - timezone.now()).total_seconds()


# What is due


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"lease": uuid.uuid4()}, True),
        ({"uncertain": True}, True),
        ({"next_attempt_at": timezone.now() + timedelta(days=1)}, False),
        ({"next_attempt_at": None}, False),
        *[({"status": status}, status == Status.PENDING) for status in Status],
    ],
)
def test_due(fields: dict[str, Any], expected: bool) -> None:
    make_lead(**fields)
    assert Lead.objects.due(now=timezone.now()).exists() is expected


def test_due_to_the_second() -> None:
    now = timezone.now()
    make_lead(next_attempt_at=now)
    assert Lead.objects.due(now=now).exists()
    assert not Lead.objects.due(now=now - timedelta(microseconds=1)).exists()


def test_a_new_lead_is_due_at_once() -> None:
    lead = Lead.objects.create(email="jo@example.com")
    assert list(Lead.objects.due(now=timezone.now())) == [lead]
    assert (lead.status, lead.attempts, lead.lease, lead.uncertain) == (Status.PENDING, 0, None, False)


def test_waiting() -> None:
    for status in Status:
        make_lead(status=status)
    make_lead(lease=uuid.uuid4(), next_attempt_at=timezone.now() + timedelta(days=1))
    assert [lead.status for lead in Lead.objects.waiting()] == [Status.PENDING] * 2


def test_the_index_serves_the_claim() -> None:
    assert Lead._meta.indexes[0].fields == ["account", "next_attempt_at"]


# Sending again


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("lease", [None, uuid.uuid4()], ids=["free", "being sent"])
def test_what_may_be_replayed_and_cancelled(status: Status, lease: uuid.UUID | None) -> None:
    make_lead(status=status, lease=lease, next_attempt_at=timezone.now() + timedelta(minutes=5))
    assert Lead.objects.replayable().exists() == (status != Status.DELIVERED and lease is None)
    assert Lead.objects.cancellable().exists() == (status == Status.PENDING and lease is None)


@pytest.mark.parametrize("status", [status for status in Status if status != Status.DELIVERED])
def test_replay(status: Status) -> None:
    lead = make_lead(status=status, attempts=20, next_attempt_at=None, error="no", error_code="NO", request_id="req_1")
    assert Lead.objects.replay() == 1
    lead.refresh_from_db()
    assert (lead.status, lead.attempts, lead.error, lead.error_code) == (Status.PENDING, 0, "", "")
    assert list(Lead.objects.due(now=timezone.now())) == [lead]


def test_the_double_of_another_lead_is_never_sent() -> None:
    lead = make_lead(status=Status.CANCELLED, error_code=DUPLICATE_CODE, next_attempt_at=None)
    assert list(Lead.objects.doubles()) == [lead]
    assert Lead.objects.replay() == 0


def test_replay_only_what_was_chosen() -> None:
    chosen, other = make_leads(2, status=Status.FAILED, next_attempt_at=None)
    assert Lead.objects.filter(pk=chosen.pk).replay() == 1
    other.refresh_from_db()
    assert other.status == Status.FAILED


def test_a_delivered_lead_is_never_sent_again() -> None:
    lead = make_lead(status=Status.DELIVERED, next_attempt_at=None)
    assert Lead.objects.replay() == 0
    lead.refresh_from_db()
    assert lead.status == Status.DELIVERED


@pytest.mark.parametrize(
    ("setting", "fields", "uncertain", "at_once"),
    [
        ("look_up", {"status": Status.PENDING, "uncertain": True}, True, False),
        ("look_up", {"status": Status.FAILED, "uncertain": True, "error_code": "INTERNAL_ERROR"}, True, False),
        ("look_up", {"status": Status.CANCELLED, "uncertain": True}, True, False),
        ("look_up", {"status": Status.FAILED, "uncertain": True, "error_code": HELD_CODE}, False, True),
        ("look_up", {"status": Status.FAILED}, False, True),
        ("resend", {"status": Status.FAILED, "uncertain": True}, True, False),
        ("hold", {"status": Status.FAILED, "uncertain": True, "error_code": HELD_CODE}, False, True),
        ("hold", {"status": Status.PENDING, "uncertain": True}, False, True),
        ("hold", {"status": Status.FAILED}, False, True),
    ],
)
def test_replay_of_uncertain_leads(setting: str, fields: dict[str, Any], uncertain: bool, at_once: bool) -> None:
    lead = make_lead(**fields)
    with override_settings(OCTANIST_WHEN_UNCERTAIN=setting):
        assert Lead.objects.replay() == 1
    seconds = seconds_until_due(lead)
    assert lead.uncertain is uncertain
    if at_once:
        assert seconds <= 0
    else:
        assert UNCERTAIN_SECONDS - 2 <= seconds <= UNCERTAIN_SECONDS


def test_cancel_and_replay() -> None:
    lead, being_sent = make_leads(2)
    Lead.objects.filter(pk=being_sent.pk).update(
        lease=uuid.uuid4(), next_attempt_at=timezone.now() + timedelta(minutes=5)
    )
    assert Lead.objects.cancel() == 1
    lead.refresh_from_db()
    being_sent.refresh_from_db()
    assert (lead.status, lead.next_attempt_at) == (Status.CANCELLED, None)
    assert being_sent.status == Status.PENDING
    assert Lead.objects.filter(pk=lead.pk).replay() == 1
    lead.refresh_from_db()
    assert (lead.status, lead.uncertain) == (Status.PENDING, False)


def test_a_lead_cancelled_after_its_worker_died_is_looked_up_before_it_is_sent_again() -> None:
    """Octanist may have it: who sent it did not live to say so."""
    lead = make_lead(lease=uuid.uuid4(), next_attempt_at=timezone.now() - timedelta(minutes=5))
    assert Lead.objects.cancel() == 1
    lead.refresh_from_db()
    assert (lead.status, lead.lease, lead.uncertain) == (Status.CANCELLED, None, True)
    assert Lead.objects.replay() == 1
    assert seconds_until_due(lead) >= UNCERTAIN_SECONDS - 2
    assert lead.uncertain


def test_erase_keeps_what_is_counted_and_nothing_of_the_person() -> None:
    lead = make_lead(
        status=Status.INVALID,
        next_attempt_at=None,
        name="Jo",
        phone="0612345678",
        note="ill",
        session_id=SESSION,
        attribution={"gclid": "Cj0"},
        sources={"gclid": "query"},
        consent={"ad_storage": True},
        dedupe_key="0" * 64,
        octanist_id="lead_1",
        request_id="req_1",
        error_code="VALIDATION_ERROR",
        error="jo@example.com is wrong",
        attempts=2,
    )
    assert Lead.objects.erase() == 1
    erased = Lead.objects.get()
    assert erased.erased_at is not None
    kept = ("pk", "form", "status", "created_at", "consent", "octanist_id", "request_id", "error_code", "attempts")
    assert [getattr(erased, name) for name in kept] == [getattr(lead, name) for name in kept]
    row = str(Lead.objects.values().get())
    assert not [word for word in ("Jo", "jo@", "0612", "ill", SESSION, "Cj0", "roof", "0" * 64) if word in row]


def test_what_is_being_sent_is_not_erased_and_what_was_erased_is_not_sent() -> None:
    waiting, being_sent, lost = make_leads(3)
    Lead.objects.filter(pk=being_sent.pk).update(
        lease=uuid.uuid4(), next_attempt_at=timezone.now() + timedelta(minutes=5)
    )
    Lead.objects.filter(pk=lost.pk).update(lease=uuid.uuid4())
    assert Lead.objects.erase() == 2
    assert list(Lead.objects.filter(erased_at=None)) == [being_sent]
    assert set(Lead.objects.exclude(erased_at=None).values_list("status", "next_attempt_at", "lease")) == {
        ("cancelled", None, None)
    }
    assert Lead.objects.filter(pk__in=[waiting.pk, lost.pk]).replay() == 0


# A lead


def test_a_lead_says_nothing_personal_of_itself() -> None:
    lead = make_lead(name="Jo", email="jo@example.com", phone="0612345678", note="ill", custom={"a": "secret"})
    assert str(lead) == f"lead {lead.pk} (contact)"
    assert str(Lead(pk=7)) == "lead 7"
    attempt = DeliveryAttempt(lead=lead, outcome="invalid", http_status=400, error="jo@example.com is wrong")
    assert str(attempt) == "invalid (400)"
    assert not [word for word in ("Jo", "jo@", "0612", "ill", "secret") if word in f"{lead!r} {attempt!r}"]


@pytest.mark.parametrize(
    ("fields", "term"),
    [
        ({"name": "Jo", "phone": "06", "email": "jo@example.com"}, "jo@example.com"),
        ({"name": "Jo", "phone": "06", "email": ""}, "06"),
        ({"name": "Jo", "email": ""}, "Jo"),
        ({"email": ""}, ""),
    ],
)
def test_search_term(fields: dict[str, str], term: str) -> None:
    assert unsaved_lead(**fields).search_term == term


def test_the_payload_of_a_stored_lead() -> None:
    lead = make_lead(
        name="Jo",
        note="Call me",
        custom={"roof": "flat"},
        session_id=SESSION,
        attribution={"gclid": "Cj0"},
        consent={"ad_storage": True, "analytics_storage": None},
    )
    lead.refresh_from_db()
    common = {
        "name": "Jo",
        "email": "jo@example.com",
        "note": "Call me",
        "custom": {"roof": "flat", "form": "contact", "submission_id": str(lead.submission_id)},
    }
    assert lead.payload() == {**common, "sessionId": SESSION}
    assert lead.payload(with_session=False) == {
        **common,
        "gclid": "Cj0",
        "ad_storage": True,
        "ad_user_data": False,
        "ad_personalization": False,
        "analytics_storage": False,
    }


def test_a_lead_with_nothing_to_send() -> None:
    with pytest.raises(InvalidLeadError):
        Lead(submission_id="", custom={}).payload()


def test_identical_submissions_at_once_are_one_row() -> None:
    make_lead(dedupe_key="k" * 64)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_lead(dedupe_key="k" * 64)
    make_leads(2, dedupe_key=None)
    assert Lead.objects.count() == 3


def test_attempts_go_with_their_lead() -> None:
    lead = make_lead()
    DeliveryAttempt.objects.create(lead=lead, started_at=timezone.now(), duration_ms=1, outcome="delivered")
    lead.delete()
    assert not DeliveryAttempt.objects.exists()


def test_the_tables_are_named_after_the_app() -> None:
    tables = {model._meta.db_table for model in (Lead, DeliveryAttempt)}
    assert tables == {"octanist_lead", "octanist_deliveryattempt"}
    assert tables <= set(connection.introspection.table_names())
