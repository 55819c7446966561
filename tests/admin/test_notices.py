"""Why leads wait, above the list."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_octanist.models import DeliveryPause

from . import LIST, make

pytestmark = pytest.mark.django_db


class TestNotices:
    def test_a_paused_account(self, admin_client: Client) -> None:
        DeliveryPause.objects.create(
            account="default", reason=DeliveryPause.Reason.UNAUTHORIZED, probe_at=timezone.now()
        )
        text = admin_client.get(LIST).content.decode()
        assert f'<a href="{LIST}overview/">Account default is paused' in text
        assert "API key refused. Leads wait; nothing is lost." in text

    def test_an_account_without_a_key(self, admin_client: Client, settings: Any) -> None:
        assert "has no API key" not in admin_client.get(LIST).content.decode()
        settings.OCTANIST_API_KEY = ""
        make()
        text = admin_client.get(LIST).content.decode()
        assert "Account default has no API key: its leads wait. Set OCTANIST_API_KEY.<" in text

    def test_leads_of_an_account_that_is_in_no_setting(self, admin_client: Client) -> None:
        make(account="gone")
        text = unescape(admin_client.get(LIST).content.decode())
        assert 'Account gone has no API key: its leads wait. Set OCTANIST_API_KEYS["gone"]. If the form\'s' in text
        assert "octanist_account is misspelt" in text

    def test_an_account_whose_key_is_empty_is_not_misspelt(self, admin_client: Client, settings: Any) -> None:
        settings.OCTANIST_API_KEYS = {"shop": ""}
        make(account="shop")
        text = unescape(admin_client.get(LIST).content.decode())
        assert 'Set OCTANIST_API_KEYS["shop"].<' in text

    def test_an_account_whose_leads_are_all_finished(self, admin_client: Client) -> None:
        make(account="gone", status="delivered")
        assert "has no API key" not in admin_client.get(LIST).content.decode()

    def test_a_bad_setting_that_stops_deliveries_is_named(self, admin_client: Client, settings: Any) -> None:
        settings.OCTANIST_TIMEOUT = "10"
        assert "OCTANIST_TIMEOUT must be a number of seconds" in admin_client.get(LIST).content.decode()

    def test_a_bad_setting_is_named(self, admin_client: Client, settings: Any) -> None:
        settings.OCTANIST_API_KEYS = ["x"]
        assert "OCTANIST_API_KEYS must be a dict" in admin_client.get(LIST).content.decode()
