"""What a submission is made into."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F
from django.http import QueryDict
from django.test import RequestFactory
from django.utils.translation import gettext_lazy

from django_octanist.capture import capture_lead
from django_octanist.models import Lead
from django_octanist.vocabulary import FIELDS
from tests.capture import SESSION, capture
from tests.site.models import Company

pytestmark = pytest.mark.django_db


FIELDS_OF_A_LEAD = [field.name for field in FIELDS]


class Named(str, Enum):
    EMAIL = "email"
    ROOF = "roof"


class Phone:
    """As django-phonenumber-field's."""

    def __str__(self) -> str:
        return "+31612345678"


class Broken:
    def __str__(self) -> str:
        raise ValueError("MARKER")


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

    @pytest.mark.parametrize("blank", ["", "  ", None, []])
    def test_of_one_kind_the_first_that_is_filled_in(self, blank: Any) -> None:
        lead = capture({"telephone": blank, "mobile": "0612345678", "email": blank, "mail": "jo@example.com"})
        assert (lead.phone, lead.email, lead.custom) == ("0612345678", "jo@example.com", {})

    def test_a_double_click_is_one_lead_whichever_phone_was_filled_in(self) -> None:
        data = {"phone": "", "mobile": "0612345678", "message": "Leaks"}
        assert capture(data, form="contact") == capture(data, form="contact")

    @pytest.mark.parametrize(
        ("value", "phone"),
        [(31612345678, "31612345678"), (31612345678.0, "31612345678"), (Phone(), "+31612345678")],
    )
    def test_a_contact_need_be_no_text(self, value: Any, phone: str) -> None:
        lead = capture({"mobile": value, "email": "jo@example.com"})
        assert (lead.phone, lead.custom) == (phone, {})

    def test_yes_is_no_contact(self) -> None:
        assert capture({"phone_number": True, "email": "jo@example.com"}).custom == {"phone_number": True}

    def test_objects_are_what_they_say(self) -> None:
        for name in ("Flat", "Tiled"):
            Company.objects.create(name=name)
        lead = capture(
            {
                "email": "jo@example.com",
                "roofs": Company.objects.order_by("name"),
                "company": Company.objects.get(name="Flat"),
                "from": date(2026, 3, 1),
                "budget": Decimal("5.50"),
                "plan": SimpleUploadedFile("plan.pdf", b"x"),
                "kind": Named.ROOF,
                "label": gettext_lazy("Yes"),
                "custom": {"roofs again": Company.objects.order_by("name")},
            }
        )
        assert lead.custom == {
            "roofs": ["Flat", "Tiled"],
            "company": "Flat",
            "from": "2026-03-01",
            "budget": "5.50",
            "plan": "plan.pdf",
            "kind": "roof",
            "label": "Yes",
            "roofs again": ["Flat", "Tiled"],
        }

    def test_secrets_in_rows_stay_at_home(self) -> None:
        Company.objects.create(name="s3cret")
        rows = Company.objects.annotate(password=F("name")).values("password", "id")
        assert "s3cret" not in json.dumps(capture({"email": "jo@example.com", "rows": rows}).custom)

    @pytest.mark.parametrize("name", [*FIELDS_OF_A_LEAD, "mobile", "roof", "octa_sid", "password"])
    def test_no_objects_text_costs_the_lead(self, name: str, caplog: pytest.LogCaptureFixture) -> None:
        lead = capture({"custom": {"a": 1}, "first_name": "Jo", name: Broken(), "nested": [{"b": Broken()}]})
        assert lead.name == "Jo"
        assert "MARKER" not in caplog.text

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

    HIDDEN: ClassVar[dict[str, Any]] = {
        "roof": "flat",
        "fbclid": "MARKER",
        "ScCid": "MARKER",
        "UTM_Term": "MARKER",
        "utm_content": "MARKER",
        "_fbp": "MARKER",
        "visit": [{"Gclid": "MARKER", "utmSource": "MARKER", "floors": 2}],
        "custom": {"utm_id": "MARKER", "msclkid": "MARKER", "city": "Ghent"},
    }

    @pytest.mark.parametrize("consent", [{}, {"ad_storage": "no"}, {"ad_storage": "", "analytics_storage": "0"}])
    def test_without_required_consent_no_campaign_hides_in_custom(self, settings: Any, consent: dict[str, str]) -> None:
        settings.OCTANIST_REQUIRE_CONSENT = True
        lead = capture({"email": "jo@example.com", **self.HIDDEN, **consent})
        assert lead.custom == {"roof": "flat", "visit": [{"floors": 2}], "city": "Ghent"}
        assert lead.attribution == {}

    def test_nor_in_a_list_of_the_sites_own(self, settings: Any) -> None:
        settings.OCTANIST_REQUIRE_CONSENT = True
        custom = [{"utm_term": "MARKER", "password": "MARKER", "roof": "flat"}]
        assert capture({"email": "jo@example.com", "custom": custom}).custom == [{"roof": "flat"}]

    def test_with_consent_and_where_none_is_required_custom_is_what_it_is(self, settings: Any) -> None:
        asked = capture({"email": "jo@example.com", **self.HIDDEN})
        settings.OCTANIST_REQUIRE_CONSENT = True
        granted = capture({"email": "jo@example.com", "analytics_storage": "granted", **self.HIDDEN}, form="other")
        assert asked.custom == granted.custom
        assert str(asked.custom).count("MARKER") == 9

    def test_what_was_only_a_campaign_makes_no_lead(self, settings: Any) -> None:
        settings.OCTANIST_REQUIRE_CONSENT = True
        assert capture_lead({"utm_term": "roof", "fbclid": "x"}) is None

    def test_a_hostile_host_and_referer_cost_only_the_page(self, rf: RequestFactory) -> None:
        request = rf.post("/", {}, headers={"host": "evil.example]:99999", "referer": "http://[:::x/?gclid=1"})
        assert capture(request=request).attribution == {}

    def test_an_account_without_a_key_waits(self, caplog: pytest.LogCaptureFixture) -> None:
        assert capture(account="second").status == Lead.Status.PENDING
        assert "'second' has no key" in caplog.text
