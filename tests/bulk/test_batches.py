from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_octanist.bulk import Act, batches, cancel, erase, in_batches, pruner, replay
from django_octanist.models import DeliveryAttempt, Lead, LeadQuerySet
from tests.delivery import make_lead, make_leads

pytestmark = pytest.mark.django_db

Status = Lead.Status
NOW = timezone.now()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)


def done(leads: LeadQuerySet, act: Act, **options: Any) -> dict[str, int]:
    counts: Counter[str] = Counter()
    in_batches(leads, act, counts=counts, **options)
    return {"touched": counts["touched"], "left": counts["left"]}


def finished(status: Status = Status.DELIVERED, *, days: int = 100, **fields: Any) -> Lead:
    fields = {"status": status, "next_attempt_at": None, "created_at": NOW - timedelta(days=days)} | fields
    return make_lead(**fields)


def attempt(lead: Lead) -> DeliveryAttempt:
    return DeliveryAttempt.objects.create(lead=lead, started_at=NOW, duration_ms=1, outcome="delivered")


def being_sent(**fields: Any) -> Lead:
    return make_lead(lease=uuid.uuid4(), next_attempt_at=timezone.now() + timedelta(minutes=5), **fields)


def statuses() -> list[str]:
    return list(Lead.objects.order_by("pk").values_list("status", flat=True))


def test_batch_by_batch_to_the_end() -> None:
    make_leads(5, status=Status.FAILED)
    beats: list[int] = []
    assert done(Lead.objects.all(), replay, beat=lambda: beats.append(1)) == {"touched": 5, "left": 0}
    assert statuses() == ["pending"] * 5
    assert len(beats) == 3


def test_what_an_act_leaves_alone_is_counted_and_passed_by() -> None:
    finished()
    being_sent()
    make_leads(3)
    assert done(Lead.objects.all(), cancel) == {"touched": 3, "left": 2}
    assert statuses() == ["delivered", "pending", "cancelled", "cancelled", "cancelled"]


def test_leads_that_come_meanwhile_are_not_meant() -> None:
    make_leads(2)

    def act(batch: LeadQuerySet) -> int:
        make_lead()
        return batch.cancel()

    assert done(Lead.objects.all(), act) == {"touched": 2, "left": 0}
    assert statuses() == ["cancelled", "cancelled", "pending"]


def test_goes_on_behind_a_key() -> None:
    first, *_others = make_leads(3)
    assert done(Lead.objects.all(), cancel, after=first.pk) == {"touched": 2, "left": 0}
    assert statuses() == ["pending", "cancelled", "cancelled"]


def test_none() -> None:
    assert done(Lead.objects.all(), replay) == {"touched": 0, "left": 0}


@pytest.mark.parametrize("status", [status for status in Status if status != Status.PENDING])
def test_prune(status: Status) -> None:
    for _number in range(3):
        attempt(finished(status))
    young = finished(status, days=1)
    attempt(young)
    assert done(Lead.objects.all(), pruner(before=NOW - timedelta(days=30))) == {"touched": 3, "left": 1}
    assert Lead.objects.get() == young
    assert DeliveryAttempt.objects.get().lead == young


def test_prune_keeps_what_is_pending_however_old() -> None:
    finished(Status.PENDING, days=1000)
    finished(Status.PENDING, days=1000, lease=uuid.uuid4())
    assert done(Lead.objects.all(), pruner(before=NOW)) == {"touched": 0, "left": 2}
    assert Lead.objects.count() == 2


def test_prune_takes_only_what_is_finished_at_that_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lead that was chosen, and is sent again before its batch's turn."""
    lead = finished(Status.FAILED)
    prune = pruner(before=NOW)

    def act(batch: LeadQuerySet) -> int:
        Lead.objects.filter(pk=lead.pk).replay()
        return prune(batch)

    assert done(Lead.objects.finished_before(NOW), act) == {"touched": 0, "left": 1}
    assert statuses() == ["pending"]


def test_prune_locks_what_it_deletes() -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("the database cannot skip locked rows")
    finished()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        done(Lead.objects.all(), pruner(before=NOW))
    assert any("SKIP LOCKED" in query["sql"] for query in queries)


def test_erase() -> None:
    leads = make_leads(3, name="Jo", phone="06", note="ill", session_id="abc", attribution={"gclid": "x"})
    for lead in leads:
        attempt(lead)
    DeliveryAttempt.objects.update(error="jo@example.com is wrong")
    assert done(Lead.objects.all(), erase) == {"touched": 3, "left": 0}
    assert done(Lead.objects.all(), erase) == {"touched": 0, "left": 3}
    assert set(Lead.objects.values_list("name", "email", "phone", "note", "session_id")) == {("",) * 5}
    assert set(DeliveryAttempt.objects.values_list("error", flat=True)) == {""}
    assert statuses() == ["cancelled"] * 3
