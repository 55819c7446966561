"""Every address of the app's admin, as the URL configuration has it: who gets in, and that looking changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.core import serializers
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from django_octanist.models import BulkAction, DeliveryAttempt, DeliveryPause, Lead

from . import S, make, staff

pytestmark = pytest.mark.django_db


def names() -> Iterator[tuple[type[Any], URLPattern]]:
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label == "octanist":
            for pattern in model_admin.urls:
                if pattern.name:
                    yield model, pattern


def test_all_are_known() -> None:
    """So that the tests below do not look at fewer than there are."""
    assert {model for model, _pattern in names()} >= {Lead, DeliveryPause}
    assert len(list(names())) > 10


@pytest.fixture
def addresses() -> list[str]:
    """One of each address, with rows behind it; the list also with each of its filters, and with nonsense."""
    user = User.objects.create_superuser("boss", password="x")
    rows: dict[type[Any], Any] = {
        DeliveryPause: DeliveryPause.objects.create(
            account="default", reason="unauthorized", probe_at=timezone.now(), since=timezone.now()
        ),
        BulkAction: BulkAction.objects.create(
            kind="replay", user_key=str(user.pk), query="status__exact=failed", total=1
        ),
    }
    leads = [make(status=status, form="contact", source="direct") for status in S]
    for lead in leads:
        DeliveryAttempt.objects.create(lead=lead, started_at=timezone.now(), duration_ms=1, outcome="uncertain")
    found = []
    for model, pattern in names():
        route = str(pattern.pattern)
        for row in leads if model is Lead else [rows[model]]:
            arguments = [row.pk] if "<" in route or "(" in route else []
            found.append(reverse(f"admin:{pattern.name}", args=arguments))
    queries = [
        "q=jo",
        "status__exact=failed",
        "form=contact",
        "linked=no",
        "source=direct",
        "o=-1",
        "p=2",
        "all=",
        "x=y",
    ]
    found += [f"{reverse('admin:octanist_lead_changelist')}?{query}" for query in queries]
    return [*sorted(set(found)), reverse("admin:app_list", args=["octanist"])]


def everything() -> str:
    """All rows of all tables, but for the session of who looks."""
    kept = [model for model in apps.get_models() if model._meta.app_label != "sessions"]
    return "\n".join(serializers.serialize("json", model.objects.order_by("pk")) for model in kept)


def test_looking_changes_nothing(client: Client, addresses: list[str]) -> None:
    client.force_login(User.objects.get(username="boss"))
    before = everything()
    for address in addresses:
        response = client.get(address)
        b"".join(response) if response.streaming else response.content
        assert response.status_code < 500, address
    assert everything() == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_gets_in_without_a_login(client: Client, addresses: list[str], method: str) -> None:
    before = everything()
    for address in addresses:
        response = getattr(client, method)(address)
        assert response.status_code == 302, address
        assert "/admin/login/" in response["Location"], address
    assert everything() == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_without_permissions_see_and_do_nothing(client: Client, addresses: list[str], method: str) -> None:
    staff(client)
    before = everything()
    for address in addresses:
        response = getattr(client, method)(address)
        assert response.status_code in (403, 404, 405), (address, response.status_code)
    assert everything() == before


def test_who_may_only_look_changes_nothing_by_post(client: Client, addresses: list[str]) -> None:
    staff(client, "view_lead", "view_deliverypause", "view_bulkaction", "view_lead_personal_data")
    before = everything()
    for address in addresses:
        for data in ({}, {"post": "yes", "confirm": "yes"}):
            response = client.post(address, data)
            assert response.status_code < 500, address
    assert everything() == before
