"""What is done to a batch, beside whatever workers and other operators do."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from django_octanist.bulk import replayer, touch
from django_octanist.delivery.claims import claim
from django_octanist.models import BulkAction, Lead
from django_octanist.transactions import retried
from tests.delivery import make_lead, make_leads

pytestmark = pytest.mark.django_db

Kind, Status = BulkAction.Kind, Lead.Status
SECONDS = 20.0
"""That a thread may take on a busy machine."""

needs_a_server = pytest.mark.skipif("sqlite" in str(connection.vendor), reason="needs a database that threads share")


def keys(leads: list[Lead]) -> set[int]:
    return {lead.pk for lead in leads}


def being_sent(**fields: Any) -> Lead:
    return make_lead(lease=uuid.uuid4(), next_attempt_at=timezone.now() + timedelta(minutes=5), **fields)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Do ``works`` at the same moment, each in a thread with a connection of its own; return what they return."""
    together = threading.Barrier(len(works))

    def done(work: Callable[[], Any]) -> Any:
        try:
            together.wait(SECONDS)
            return work()
        finally:
            connections.close_all()

    pool = ThreadPoolExecutor(len(works))
    try:
        return [future.result(SECONDS) for future in [pool.submit(done, work) for work in works]]
    finally:
        # One may wait for a lock that this thread holds until it is done here.
        pool.shutdown(wait=False)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.REPLAY, {"pending", "failed", "invalid", "rejected", "cancelled"}),
        (Kind.CANCEL, {"pending", "lease ran out"}),
        (Kind.ERASE, {*Status.values, "lease ran out"}),
    ],
)
def test_which_are_touched(kind: str, expected: set[str]) -> None:
    for status in Status:
        make_lead(status=status, form=status.value)
    being_sent(form="being sent")
    make_lead(form="lease ran out", lease=uuid.uuid4())
    make_lead(form="erased", status=Status.CANCELLED, erased_at=timezone.now())
    assert {lead.form for lead in touch(Lead.objects.all(), kind)} == expected


def test_each_is_done() -> None:
    replayed, cancelled, erased = make_lead(status=Status.FAILED), make_lead(), make_lead(status=Status.DELIVERED)
    for lead, kind in ((replayed, Kind.REPLAY), (cancelled, Kind.CANCEL), (erased, Kind.ERASE)):
        assert touch(Lead.objects.filter(pk=lead.pk), kind) == [lead]
        lead.refresh_from_db()
    assert (replayed.status, cancelled.status, erased.email) == ("pending", "cancelled", "")


def test_accounts_of_what_is_sent_again() -> None:
    accounts: set[str] = set()
    for account in ("a", "a", "b"):
        make_lead(account=account, status=Status.FAILED)
    make_lead(account="c", status=Status.DELIVERED)
    assert replayer(accounts)(Lead.objects.all()) == 3
    assert accounts == {"a", "b"}


@needs_a_server
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", Kind.values)
def test_a_row_that_somebody_holds_is_left_and_nobody_waits(kind: str) -> None:
    held, free = make_leads(2)
    with transaction.atomic():
        Lead.objects.select_for_update().get(pk=held.pk)
        (touched,) = at_once(lambda: touch(Lead.objects.all(), kind))
    assert keys(touched) == {free.pk}


@needs_a_server
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.ERASE])
def test_two_operators_at_once_touch_each_lead_once(kind: str) -> None:
    make_leads(300)

    def work() -> list[Lead]:
        return retried(lambda: touch(Lead.objects.all(), kind), using="default")

    first, second = at_once(work, work)
    assert not keys(first) & keys(second)
    rest = work()
    assert len(first) + len(second) + len(rest) == 300
    assert set(Lead.objects.values_list("status", flat=True)) == {Status.CANCELLED}


@needs_a_server
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.ERASE])
def test_while_workers_claim_a_lead_is_the_one_or_the_other(kind: str) -> None:
    leads = make_leads(200)
    numbers = sorted(lead.pk for lead in leads)

    def operate() -> set[int]:
        touched: set[int] = set()
        # Workers begin at the other end.
        for start in range(len(numbers) - 10, -1, -10):
            batch = Lead.objects.filter(pk__in=numbers[start : start + 10])
            touched |= keys(retried(lambda batch=batch: touch(batch, kind), using="default"))
        return touched

    def deliver() -> set[int]:
        taken: set[int] = set()
        while claims := claim("default", limit=7, senders=1):
            taken |= {item.lead.pk for item in claims}
        return taken

    touched, *taken = at_once(operate, deliver, deliver)
    assert touched, "the operator was too late for all of them: no test"
    assert not touched & set().union(*taken)
    rows = dict(Lead.objects.values_list("pk", "status"))
    assert {key for key, status in rows.items() if status == Status.CANCELLED} == touched
    assert Lead.objects.filter(pk__in=touched, lease=None).count() == len(touched)
