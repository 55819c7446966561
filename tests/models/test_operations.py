from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from django_octanist.models import AlertGroup, BulkAction, DeliveryPause

pytestmark = pytest.mark.django_db


def test_an_account_is_paused_once() -> None:
    DeliveryPause.objects.create(account="shop", reason="outage", probe_at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        DeliveryPause.objects.create(account="shop", reason="endpoint", probe_at=timezone.now())


def test_a_kind_of_alert_is_counted_once_for_an_account() -> None:
    AlertGroup.objects.create(kind="failed", account="shop")
    AlertGroup.objects.create(kind="failed", account="other")
    with pytest.raises(IntegrityError), transaction.atomic():
        AlertGroup.objects.create(kind="failed", account="shop")


def test_the_tables_are_named_after_the_app() -> None:
    tables = {model._meta.db_table for model in (DeliveryPause, BulkAction, AlertGroup)}
    assert tables == {"octanist_deliverypause", "octanist_bulkaction", "octanist_alertgroup"}
    assert tables <= set(connection.introspection.table_names())


def test_none_says_anything_personal_of_itself() -> None:
    pause = DeliveryPause(account="shop", reason="outage", error="jo@example.com is wrong")
    action = BulkAction(kind="erase", query="q=jo@example.com", error="jo@example.com is wrong")
    assert str(pause) == "shop: outage"
    assert "jo@" not in f"{pause} {pause!r} {action} {action!r}"
