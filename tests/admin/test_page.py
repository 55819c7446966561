"""The page of a lead."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_octanist.models import DeliveryAttempt, DeliveryPause, Lead
from tests.figures import attempted

from . import LIST, S, make, page, staff

OVERVIEW = f"{LIST}overview/"

pytestmark = pytest.mark.django_db


class TestPage:
    def test_everything_of_a_lead(self, admin_client: Client) -> None:
        lead = make(
            name="Jo",
            note="Hello",
            custom={"roof": "flat"},
            attribution={"gclid": "AbC"},
            sources={"gclid": "query"},
            consent={"ad_storage": True, "ad_user_data": False, "ad_personalization": None},
        )
        DeliveryAttempt.objects.create(
            lead=lead,
            started_at=timezone.now(),
            duration_ms=42,
            outcome=DeliveryAttempt.Outcome.UNCERTAIN,
            http_status=502,
            request_id="req_9",
        )
        text = admin_client.get(page(lead)).content.decode()
        for shown in ("AbC", "query", "granted", "denied", "unknown", "502", "req_9", "uncertain", "flat"):
            assert shown in text
        assert "&quot;gclid&quot;: &quot;AbC&quot;" in text
        assert f"&quot;submission_id&quot;: &quot;{lead.submission_id}&quot;" in text

    def test_the_json_is_the_one_that_was_sent(self, admin_client: Client) -> None:
        """Octanist refused the session, and the lead went without it."""
        lead = make(session_id="abc", attribution={"gclid": "AbC"}, status=S.DELIVERED)
        now = timezone.now()
        for with_session in (True, False):
            DeliveryAttempt.objects.create(
                lead=lead, started_at=now, duration_ms=1, outcome="delivered", with_session=with_session
            )
        text = admin_client.get(page(lead)).content.decode()
        assert "&quot;gclid&quot;: &quot;AbC&quot;" in text
        assert "&quot;sessionId&quot;" not in text

    def test_the_json_of_what_is_corrected_is_the_one_to_come(self, admin_client: Client) -> None:
        """It was never sent, and the engine tries anew with the session."""
        lead = make(session_id="abc", email="right@example.com")
        now = timezone.now()
        for with_session in (True, False):
            DeliveryAttempt.objects.create(
                lead=lead, started_at=now, duration_ms=1, outcome="invalid", with_session=with_session
            )
        text = admin_client.get(page(lead)).content.decode()
        assert "JSON, as it will be sent" in text
        assert "JSON, as it was sent last" not in text
        assert "&quot;sessionId&quot;: &quot;abc&quot;" in text

    def test_hostile_values_are_shown_harmlessly(self, admin_client: Client) -> None:
        evil = "<script>alert(1)</script>"
        lead = make(
            name=evil, email=evil, note=evil, form=evil, custom={evil: evil}, attribution={"path": evil}, error=evil
        )
        for url in (LIST, page(lead)):
            assert evil not in admin_client.get(url).content.decode()

    def test_a_lead_that_is_not_there(self, admin_client: Client) -> None:
        assert admin_client.get("/admin/octanist/lead/99/change/").status_code == 302
        assert admin_client.get("/admin/octanist/lead/nonsense/change/").status_code == 302

    def test_the_next_step_is_said(self, admin_client: Client) -> None:
        lead = make()
        DeliveryPause.objects.create(account="default", reason="unauthorized", probe_at=timezone.now())
        text = admin_client.get(page(lead)).content.decode()
        assert "The API key was refused. Leads wait; nothing is lost." in text
        assert f'<a href="{OVERVIEW}">Set the right API key' in text

    def test_an_outage_sends_nobody_to_the_overview(self, admin_client: Client) -> None:
        DeliveryPause.objects.create(account="default", reason="outage", probe_at=timezone.now())
        assert '<p class="octanist-next">Nothing to do' in admin_client.get(page(make())).content.decode()

    @pytest.mark.parametrize(("account", "words"), [("default", "paused"), ("nope", "no API key")])
    def test_a_lead_that_is_due_and_waits_all_the_same(self, admin_client: Client, account: str, words: str) -> None:
        DeliveryPause.objects.create(account="default", reason="unauthorized", probe_at=timezone.now())
        text = admin_client.get(page(make(account=account))).content.decode()
        assert f'<strong>Next attempt</strong> <span class="octanist-quiet">{words}</span>' in text

    def test_a_wrong_setting_does_not_break_the_page(self, admin_client: Client, settings: Any) -> None:
        lead = make()
        settings.OCTANIST_API_KEYS = ["x"]
        assert "OCTANIST_API_KEYS must be a dict" in admin_client.get(page(lead)).content.decode()

    def test_a_lead_that_cannot_be_sent_says_why(self, admin_client: Client) -> None:
        lead = make(email="")
        text = admin_client.get(page(lead)).content.decode()
        assert "JSON, as it will be sent" in text
        assert "email" in text

    def test_a_cancelled_lead_shows_what_was_not_sent_as_such(self, admin_client: Client) -> None:
        """It may have been corrected after the attempt."""
        lead = make(status=S.CANCELLED)
        attempted(lead, timezone.now())
        text = admin_client.get(page(lead)).content.decode()
        assert "JSON, as it would be sent" in text
        assert "JSON, as it was sent last" not in text

    def test_where_each_value_was_read(self, admin_client: Client) -> None:
        sources = {"gclid": "cookie:_gcl_aw", "path": "referer", "sessionId": "refused: too long (form)"}
        lead = make(attribution={"gclid": "AbC", "path": "/"}, sources=sources, linked=Lead.Linked.REFUSED)
        text = admin_client.get(page(lead)).content.decode()
        for shown in ("the cookie _gcl_aw", "the address of the page before", "refused: too long (form)"):
            assert shown in text
        assert "not linked: the session ID was refused" in text

    def test_an_erased_lead(self, admin_client: Client) -> None:
        lead = make(status=S.DELIVERED, name="Jolanda")
        Lead.objects.filter(pk=lead.pk).erase()
        text = admin_client.get(page(lead)).content.decode()
        assert "What it said of a person was removed on" in text
        assert "It was erased with the rest." in text
        assert "Personal data erased" in text

    def test_many_attempts(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django_octanist.admin.page.MOST_ATTEMPTS", 2)
        lead = make()
        for number in range(5):
            DeliveryAttempt.objects.create(
                lead=lead, started_at=timezone.now(), duration_ms=number, outcome="uncertain", http_status=502
            )
        text = admin_client.get(page(lead)).content.decode()
        assert "3 earlier attempts are not shown." in text
        assert [f"Attempt {number}:" in text for number in (3, 4, 5)] == [False, True, True]

    def test_queries(self, admin_client: Client, django_assert_max_num_queries: Any) -> None:
        lead = make()
        for _number in range(5):
            DeliveryAttempt.objects.create(lead=lead, started_at=timezone.now(), duration_ms=1, outcome="later")
        with django_assert_max_num_queries(12):
            admin_client.get(page(lead))

    def test_html_without_inline_style_or_script(self, admin_client: Client) -> None:
        text = admin_client.get(page(make())).content.decode().partition('<div id="content-main"')[2]
        assert "style=" not in text
        assert "onclick" not in text

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({}, {"cancel", "erase", "send-again"}),
            ({"status": S.FAILED}, {"send-again", "erase"}),
            ({"status": S.INVALID}, {"correct", "send-again", "erase"}),
            ({"status": S.DELIVERED}, {"erase"}),
            ({"status": S.CANCELLED, "erased_at": timezone.now()}, set()),
        ],
    )
    def test_buttons(self, admin_client: Client, values: dict[str, Any], expected: set[str]) -> None:
        """Each leads to a page that asks first."""
        lead = make(**values)
        start = page(lead).removesuffix("change/")
        found = re.findall(rf'href="{start}([\w-]+)/"', admin_client.get(page(lead)).content.decode())
        assert set(found) == expected | {"history"}

    def test_who_only_looks_has_no_buttons(self, client: Client) -> None:
        lead = make(status=S.INVALID)
        text = staff(client, "view_lead").get(page(lead)).content.decode()
        assert set(re.findall(rf'href="{page(lead).removesuffix("change/")}([\w-]+)/"', text)) == {"history"}
