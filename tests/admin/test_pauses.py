"""Accounts whose deliveries wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from django_octanist.models import DeliveryPause

from . import NUDGES, staff

pytestmark = pytest.mark.django_db


class TestPauses:
    LIST = "/admin/octanist/deliverypause/"

    def pause(self) -> DeliveryPause:
        probe_at = timezone.now() + timedelta(minutes=10)
        return DeliveryPause.objects.create(
            account="default", reason="unauthorized", probe_at=probe_at, error="HTTP 401"
        )

    def resume(self, client: Client, row: DeliveryPause) -> Any:
        return client.post(self.LIST, {"action": "resume", "_selected_action": [row.pk]}, follow=True)

    def test_an_account_goes_on(
        self, admin_client: Client, settings: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        settings.OCTANIST_DISPATCH = "tests.admin.note_nudge"
        NUDGES.clear()
        row = self.pause()
        assert "API key refused" in admin_client.get(self.LIST).content.decode()
        with django_capture_on_commit_callbacks(execute=True):
            text = self.resume(admin_client, row).content.decode()
        assert "The next lead of the account default is tried now." in text
        assert DeliveryPause.objects.get().probe_at <= timezone.now()
        assert NUDGES == ["default"]
        assert LogEntry.objects.get().change_message == "Tried at once."

    def test_nobody_is_told_that_they_go_on_before_they_do(self, admin_client: Client, told: Any) -> None:
        row = self.pause()
        self.resume(admin_client, row)
        assert told() == []
        assert DeliveryPause.objects.get().since == row.since

    def test_one_of_an_account_that_is_gone_goes(self, admin_client: Client, told: Any) -> None:
        row = DeliveryPause.objects.create(account="gone", reason="unauthorized", probe_at=timezone.now())
        self.resume(admin_client, row)
        assert not DeliveryPause.objects.exists()
        assert told() == []

    def test_it_leads_to_where_one_sees_what_to_do(self, admin_client: Client) -> None:
        self.pause()
        link = '<a href="/admin/octanist/lead/overview/">Overview: are leads arriving, and if not, why?</a>'
        assert link in admin_client.get(self.LIST).content.decode()

    def test_nobody_is_led_to_what_they_may_not_see(self, client: Client) -> None:
        self.pause()
        staff(client, "view_deliverypause")
        assert "are leads arriving" not in client.get(self.LIST).content.decode()

    def test_each_value_says_what_it_is(self, admin_client: Client) -> None:
        """On a phone, where a row is a block of lines."""
        self.pause()
        text = " ".join(strip_tags(admin_client.get(self.LIST).content.decode()).split())
        for shown in ("Account: default", "Reason: API key refused", "Failed tries: 0", "Error: HTTP 401"):
            assert shown in text

    def test_it_needs_its_permission(self, client: Client) -> None:
        row = self.pause()
        staff(client, "view_deliverypause")
        assert 'value="resume"' not in client.get(self.LIST).content.decode()
        self.resume(client, row)
        assert DeliveryPause.objects.exists()

    def test_it_cannot_be_added_changed_or_deleted(self, admin_client: Client) -> None:
        row = self.pause()
        assert admin_client.get(f"{self.LIST}add/").status_code == 403
        assert admin_client.post(f"{self.LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
        admin_client.post(f"{self.LIST}{row.pk}/change/", {"account": "shop"})
        assert DeliveryPause.objects.get().account == "default"
