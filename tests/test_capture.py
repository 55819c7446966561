from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, connection, transaction
from django.http import QueryDict
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_octanist import signals
from django_octanist.capture import acapture_lead, capture_lead
from django_octanist.models import Lead

SESSION = "550e8400-e29b-41d4-a716-446655440000"

pytestmark = pytest.mark.django_db


def capture(data: Any = None, **arguments: Any) -> Lead:
    lead = capture_lead({"email": "jo@example.com"} if data is None else data, **arguments)
    assert lead is not None
    return Lead.objects.get(pk=lead.pk)


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


class TestTwice:
    def test_an_identical_submission_is_the_same_lead(self) -> None:
        assert capture(form="a").pk == capture(form="a").pk

    @pytest.mark.parametrize(
        "other", [{"email": "x@example.com"}, {"email": "jo@example.com", "note": "more"}], ids=["email", "note"]
    )
    def test_a_different_one_is_another(self, other: dict[str, str]) -> None:
        assert capture().pk != capture(other).pk

    def test_another_form_or_account_is_another(self) -> None:
        assert len({capture().pk, capture(form="b").pk, capture(account="second").pk}) == 3

    def test_later_it_is_another(self, settings: Any) -> None:
        first = capture()
        Lead.objects.update(created_at=timezone.now() - timedelta(seconds=settings_seconds(settings) + 1))
        second = capture()
        assert first.pk != second.pk
        assert capture().pk == second.pk

    def test_switched_off(self, settings: Any) -> None:
        settings.OCTANIST_DEDUPE_SECONDS = 0
        assert capture().pk != capture().pk

    def test_two_strangers_who_say_the_same_are_two_leads(self) -> None:
        """Nothing tells them apart, so nothing says they are one."""
        assert capture({"rating": 5}).pk != capture({"rating": 5}).pk

    def test_the_key_does_not_hold_the_content(self) -> None:
        key = capture().dedupe_key
        assert key is not None
        assert len(key) == 64
        assert "jo" not in key


def settings_seconds(settings: Any) -> int:
    return getattr(settings, "OCTANIST_DEDUPE_SECONDS", 60)


class TestTransaction:
    def test_the_callers_rollback_takes_the_lead_along(self) -> None:
        def work() -> None:
            with transaction.atomic():
                capture()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            work()
        assert not Lead.objects.exists()

    def test_the_nudge_comes_after_the_commit(
        self, settings: Any, django_capture_on_commit_callbacks: Any, nudges: list[str]
    ) -> None:
        settings.OCTANIST_DISPATCH = "tests.test_capture.note_nudge"
        with django_capture_on_commit_callbacks(execute=True):
            capture()
            capture()
            assert nudges == []
        assert nudges == ["default"]

    def test_a_broken_dispatch_breaks_nothing(
        self, settings: Any, django_capture_on_commit_callbacks: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.OCTANIST_DISPATCH = "tests.test_capture.broken_nudge"
        with django_capture_on_commit_callbacks(execute=True):
            assert capture().status == Lead.Status.PENDING
        assert "leads wait: RuntimeError" in caplog.text


NUDGES: list[str] = []


@pytest.fixture
def nudges() -> list[str]:
    NUDGES.clear()
    return NUDGES


def note_nudge(account: str) -> None:
    NUDGES.append(account)


def broken_nudge(account: str) -> None:
    raise RuntimeError("jo@example.com")


class TestFailure:
    @pytest.fixture(autouse=True)
    def _operators(self, settings: Any) -> None:
        settings.OCTANIST_ALERT_EMAILS = ["ops@example.com"]

    def test_an_error_in_the_data_function(
        self, caplog: pytest.LogCaptureFixture, mailoutbox: list[Any], sent_alerts: Any
    ) -> None:
        def data() -> dict[str, str]:
            raise ValueError("jo@example.com")

        assert capture_lead(data, form="contact") is None
        sent_alerts()
        assert "'contact' could not be captured: ValueError (in data, " in caplog.text
        assert "jo@example.com" not in caplog.text
        (mail,) = mailoutbox
        assert mail.to == ["ops@example.com"]
        assert "contact" in mail.body
        assert "jo@example.com" not in mail.body

    def test_a_database_error_leaves_the_callers_transaction_usable(
        self, caplog: pytest.LogCaptureFixture, mailoutbox: list[Any], sent_alerts: Any
    ) -> None:
        with transaction.atomic():
            with connection.execute_wrapper(refuse_leads):
                assert capture_lead({"email": "jo@example.com", "roof": "flat"}, form="contact") is None
            Lead.objects.create(email="after@example.com")
        assert Lead.objects.get().email == "after@example.com"
        assert "Fields: email, roof." in caplog.text
        assert "jo@example.com" not in caplog.text
        sent_alerts()
        assert len(mailoutbox) == 1

    def test_an_alert_of_a_form_is_sent_once_an_hour(self, mailoutbox: list[Any], sent_alerts: Any) -> None:
        for _time in range(3):
            capture_lead(bad_data, form="contact")
        capture_lead(bad_data, form="other")
        sent_alerts()
        assert len(mailoutbox) == 2

    def test_what_is_no_mapping(self, caplog: pytest.LogCaptureFixture) -> None:
        assert capture_lead("jo@example.com") is None  # type: ignore[arg-type]
        assert "takes a mapping, or a function that returns one, not str" in caplog.text
        assert "jo@example.com" not in caplog.text

    def test_a_bad_setting_breaks_no_form(self, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
        settings.OCTANIST_DEDUPE_SECONDS = "soon"
        assert capture_lead({"email": "jo@example.com"}) is None
        assert "OCTANIST_DEDUPE_SECONDS must be a whole number of seconds" in caplog.text


def bad_data() -> dict[str, str]:
    raise SuspiciousOperation


def refuse_leads(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if "INSERT INTO" in sql and "octanist_lead" in sql:
        raise DatabaseError("DETAIL: Failing row contains (jo@example.com)")
    return execute(sql, params, many, context)


class TestSignal:
    def test_lead_captured(self, rf: RequestFactory) -> None:
        seen: list[Any] = []

        def receiver(*, lead: Lead, request: Any, **_more: Any) -> None:
            seen.append((lead.pk, request))

        signals.lead_captured.connect(receiver, sender=Lead)
        try:
            request = rf.post("/")
            lead = capture(request=request)
            capture(request=request)
        finally:
            signals.lead_captured.disconnect(receiver, sender=Lead)
        assert seen == [(lead.pk, request)]

    def test_a_receiver_whose_query_fails_does_not_cost_the_lead(self, caplog: pytest.LogCaptureFixture) -> None:
        def receiver(**_arguments: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT nothing FROM nowhere")

        signals.lead_captured.connect(receiver, sender=Lead)
        try:
            with transaction.atomic():
                lead = capture()
        finally:
            signals.lead_captured.disconnect(receiver, sender=Lead)
        assert Lead.objects.filter(pk=lead.pk).exists()
        assert any("receiver" in record.getMessage() for record in caplog.records)


def test_async(rf: RequestFactory) -> None:
    async def view() -> Lead | None:
        return await acapture_lead({"email": "jo@example.com"}, request=rf.post("/?gclid=x"), form="async")

    lead = async_to_sync(view)()
    assert lead is not None
    assert Lead.objects.get().attribution["gclid"] == "x"


def test_nothing_personal_is_logged(caplog: pytest.LogCaptureFixture, rf: RequestFactory) -> None:
    caplog.set_level(logging.DEBUG)
    capture({"email": "jo@example.com", "name": "Jo"}, request=rf.post("/?gclid=Secret", {"octa_sid": SESSION}))
    own = [record.getMessage() for record in caplog.records if record.name.startswith("django_octanist")]
    assert not [line for line in own if "jo@" in line or "Secret" in line or SESSION in line]


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no locks of rows")
def test_a_new_lead_locks_nothing_but_itself() -> None:
    """MySQL would lock the gap where its key would be, and two forms at once would deadlock."""
    with CaptureQueriesContext(connection) as queries:
        capture_lead({"email": "jo@example.com"}, form="contact")
    assert not [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
