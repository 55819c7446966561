from __future__ import annotations

import pytest
from django.db import transaction
from django.test import override_settings

from django_octanist.capture import capture_lead
from django_octanist.dispatch import inline
from django_octanist.models import DeliveryPause, Lead
from django_octanist.test import TestSandbox, octanist_sandbox
from tests.delivery import RawServer, http, make_leads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def octanist() -> TestSandbox:
    with octanist_sandbox(OCTANIST_DISPATCH="inline") as sandbox:
        yield sandbox


def test_delivered_in_the_request(octanist: TestSandbox) -> None:
    lead = capture_lead({"email": "jo@example.com"}, form="contact")
    assert lead is not None
    lead.refresh_from_db()
    assert lead.status == Lead.Status.DELIVERED
    assert len(octanist.leads) == 1


def test_not_before_the_commit(octanist: TestSandbox) -> None:
    with transaction.atomic():
        capture_lead({"email": "jo@example.com"}, form="contact")
        assert octanist.exchanges == ()
    assert len(octanist.leads) == 1


def test_nothing_of_a_transaction_that_is_rolled_back(octanist: TestSandbox) -> None:
    with transaction.atomic():
        capture_lead({"email": "jo@example.com"}, form="contact")
        transaction.set_rollback(True)
    assert octanist.exchanges == ()
    assert not Lead.objects.exists()


def test_a_visitor_does_not_wait_for_a_backlog(octanist: TestSandbox) -> None:
    make_leads(30)
    inline.dispatch("default")
    assert len(octanist.leads) == inline.AT_MOST


def test_only_the_account_that_has_a_lead(octanist: TestSandbox) -> None:
    make_leads(2, account="shop")
    inline.dispatch("default")
    assert octanist.exchanges == ()


def test_an_outage_costs_a_visitor_few_requests() -> None:
    make_leads(30)
    with RawServer(http(500)) as server:
        with override_settings(OCTANIST_API_URL=server.api_url):
            inline.dispatch("default")
            assert len(server.requests) == 5
            inline.dispatch("default")
        assert len(server.requests) == 5
    assert DeliveryPause.objects.count() == 1


def test_a_delivery_that_breaks_costs_the_visitor_nothing(
    octanist: TestSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(OCTANIST_BATCH_SIZE=0):
        lead = capture_lead({"email": "jo@example.com"}, form="contact")
    assert lead is not None
    assert Lead.objects.get().status == Lead.Status.PENDING
    assert "the dispatch 'inline' broke, leads wait" in caplog.text
    inline.dispatch("default")
    assert Lead.objects.get().status == Lead.Status.DELIVERED
