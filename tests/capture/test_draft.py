"""What a submission is made into."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

import pytest
from django.http import QueryDict
from django.test import RequestFactory

from django_octanist.capture import capture_lead
from django_octanist.models import Lead
from tests.capture import SESSION, capture

pytestmark = pytest.mark.django_db


class Named(str, Enum):
    EMAIL = "email"
    ROOF = "roof"


class TestContent:
    def test_api_names_go_to_their_columns(self) -> None:
        lead = capture(
            {"name": "Jo", "email": "jo@example.com", "phone": "06", "note": "Hi", "custom": {"roof": "flat"}}
        )
        assert (lead.name, lead.email, lead.phone, lead.note) == ("Jo", "jo@example.com", "06", "Hi")
        assert lead.custom == {"roof": "flat"}

    def test_other_names_are_found_and_the_rest_is_custom(self) -> None:
        lead = capture({"first_name": "Jo", "last_name": "Doe", "your_email": "jo@example.com", "budget": 5})
        assert (lead.name, lead.email, lead.custom) == ("Jo Doe", "jo@example.com", {"budget": 5})

    def test_names_that_are_an_enumeration(self) -> None:
        lead = capture({Named.EMAIL: "jo@example.com", Named.ROOF: "flat"})
        assert (lead.email, lead.custom) == ("jo@example.com", {"roof": "flat"})

    def test_an_api_name_beats_one_that_is_found(self) -> None:
        lead = capture({"email": "jo@example.com", "mail": "other@example.com"})
        assert lead.email == "jo@example.com"
        assert lead.custom == {"mail": "other@example.com"}

    def test_secrets_stay_at_home_at_any_depth(self) -> None:
        lead = capture(
            {
                "email": "jo@example.com",
                "password": "s3cret",
                "csrfmiddlewaretoken": "s3cret",
                "company": {"name": "X", "card_number": "s3cret", "contacts": [{"pin": "s3cret", "city": "Y"}]},
            }
        )
        assert "s3cret" not in json.dumps(lead.custom)
        assert lead.custom == {"company": {"name": "X", "contacts": [{"city": "Y"}]}}

    def test_a_query_dict(self) -> None:
        lead = capture(QueryDict(f"email=jo@example.com&roof=a&roof=b&octa_sid={SESSION}&csrfmiddlewaretoken=x"))
        assert lead.custom == {"roof": ["a", "b"]}
        assert lead.session_id == SESSION

    def test_empty_values_are_left_out(self) -> None:
        assert capture({"email": "jo@example.com", "roof": "", "size": None, "extras": []}).custom == {}

    def test_a_custom_text_of_the_sites_own_stays_text(self) -> None:
        assert capture({"custom": "ref 42"}).custom == "ref 42"

    def test_hostile_text_is_cleaned_and_cut(self) -> None:
        lead = capture({"name": "J\x00o\r\n\x1b", "note": "é" * 1_000_000, "custom": {"\x00k": "\ud800v"}})
        assert (lead.name, len(lead.note), lead.custom) == ("Jo", 2000, {"k": "v"})

    @pytest.mark.parametrize("data", [{"note": "hello"}, {"email": " "}, {"password": "x"}, {"utm_source": "x"}])
    def test_nobody_to_be_identified_means_no_lead_and_a_line_in_the_log(
        self, data: dict[str, str], caplog: pytest.LogCaptureFixture
    ) -> None:
        assert capture_lead(data, form="contact") is None
        assert not Lead.objects.exists()
        assert "nothing was captured of the form 'contact'" in caplog.text

    def test_an_empty_mapping_captures_nothing(self) -> None:
        assert capture_lead({}) is None

    def test_disabled(self, settings: Any) -> None:
        settings.OCTANIST_ENABLED = False
        assert capture_lead({"email": "jo@example.com"}) is None
        assert not Lead.objects.exists()


class TestContext:
    def test_session_page_campaign_and_consent_come_from_the_request(self, rf: RequestFactory) -> None:
        request = rf.post(
            "/contact/?gclid=AbC",
            {"octa_sid": SESSION, "ad_storage": "granted", "analytics_storage": "no"},
            headers={"referer": "http://testserver/landing/?utm_source=News"},
        )
        lead = capture(request=request, form="contact")
        assert lead.session_id == SESSION
        assert lead.attribution == {
            "website": "http://testserver",
            "path": "/landing/",
            "gclid": "AbC",
            "utm_source": "News",
        }
        assert lead.sources == {
            "website": "referer",
            "path": "referer",
            "gclid": "query",
            "utm_source": "referer",
            "sessionId": "form",
            "ad_storage": "form",
            "analytics_storage": "form",
        }
        assert lead.consent == {
            "ad_storage": True,
            "ad_user_data": None,
            "ad_personalization": None,
            "analytics_storage": False,
        }

    def test_what_the_caller_gives_beats_the_request(self, rf: RequestFactory) -> None:
        request = rf.post("/?gclid=old", {"octa_sid": SESSION, "ad_storage": "granted"})
        lead = capture(
            {"email": "jo@example.com", "sessionId": "mine", "gclid": "new", "ad_storage": False}, request=request
        )
        assert (lead.session_id, lead.attribution["gclid"], lead.consent["ad_storage"]) == ("mine", "new", False)
        assert (lead.sources["sessionId"], lead.sources["gclid"]) == ("given", "given")
        assert lead.custom == {}

    def test_a_session_id_deep_in_the_data(self) -> None:
        assert capture({"email": "jo@example.com", "meta": {"form": [{"octa_sid": SESSION}]}}).session_id == SESSION

    @pytest.mark.parametrize(
        ("raw", "reason"), [("x" * 5000, "refused: too long (form)"), ("\x00\x01", "refused: unprintable (form)")]
    )
    def test_a_session_id_that_is_none_counts_as_missing(self, rf: RequestFactory, raw: str, reason: str) -> None:
        lead = capture(request=rf.post("/", {"octa_sid": raw}))
        assert (lead.session_id, lead.sources["sessionId"]) == ("", reason)

    def test_required_consent_keeps_the_campaign_out(self, rf: RequestFactory, settings: Any) -> None:
        settings.OCTANIST_REQUIRE_CONSENT = True
        assert capture(request=rf.post("/?gclid=x", {})).attribution == {"website": "http://testserver", "path": "/"}
        granted = capture({"email": "other@example.com"}, request=rf.post("/?gclid=x", {"ad_storage": "granted"}))
        assert granted.attribution["gclid"] == "x"

    def test_a_hostile_host_and_referer_cost_only_the_page(self, rf: RequestFactory) -> None:
        request = rf.post("/", {}, headers={"host": "evil.example]:99999", "referer": "http://[:::x/?gclid=1"})
        assert capture(request=request).attribution == {}

    def test_an_account_without_a_key_waits(self, caplog: pytest.LogCaptureFixture) -> None:
        assert capture(account="second").status == Lead.Status.PENDING
        assert "'second' has no key" in caplog.text
