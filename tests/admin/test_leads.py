from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_octanist.models import DeliveryAttempt, DeliveryPause, Lead

pytestmark = pytest.mark.django_db

LIST = "/admin/octanist/lead/"
S = Lead.Status


def make(**values: Any) -> Lead:
    values = {"form": "contact", "email": "jo@example.com", **values}
    if values.get("status", S.PENDING) != S.PENDING:
        values.setdefault("next_attempt_at", None)
    return Lead.objects.create(**values)


def staff(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def act(client: Client, action: str, *leads: Lead) -> Any:
    chosen = {"action": action, "_selected_action": [lead.pk for lead in leads]}
    return client.post(LIST, chosen, follow=True)


def page(lead: Lead) -> str:
    return reverse("admin:octanist_lead_change", args=[lead.pk])


class TestList:
    def test_what_a_lead_is_and_where_it_stands(self, admin_client: Client) -> None:
        make(
            status=S.FAILED, name="Jo", session_id="abc", attempts=20, error_code="INTERNAL_ERROR", error="server error"
        )
        text = admin_client.get(LIST).content.decode()
        for shown in ("failed", "contact", "default", "jo@example.com", "INTERNAL_ERROR server error", ">20<"):
            assert shown in text

    @pytest.mark.parametrize("term", ["JO@", "Doe", "0612", "sub", "lead_1", "req_1"])
    def test_search(self, admin_client: Client, term: str) -> None:
        lead = make(name="Jo Doe", phone="0612", octanist_id="lead_1", request_id="req_1")
        make(email="other@example.com")
        term = str(lead.submission_id) if term == "sub" else term
        text = admin_client.get(LIST, {"q": term}).content.decode()
        assert page(lead) in text
        assert "other@example.com" not in text

    @pytest.mark.parametrize(("chosen", "expected"), [("yes", {"a"}), ("no", {"b", "c"}), ("refused", {"c"})])
    def test_by_session(self, admin_client: Client, chosen: str, expected: set[str]) -> None:
        make(form="a", session_id="abc", sources={"sessionId": "form"})
        make(form="b")
        make(form="c", sources={"sessionId": "refused: too long (form)"})
        response = admin_client.get(LIST, {"linked": chosen})
        assert {lead.form for lead in response.context["cl"].result_list} == expected

    @pytest.mark.parametrize("query", [{"status__exact": "failed"}, {"form": "x"}, {"account": "second"}])
    def test_filters(self, admin_client: Client, query: dict[str, str]) -> None:
        make()
        found = make(status=S.FAILED, form="x", account="second")
        response = admin_client.get(LIST, query)
        assert [lead.pk for lead in response.context["cl"].result_list] == [found.pk]

    def test_queries_do_not_grow_with_the_leads(self, admin_client: Client, django_assert_max_num_queries: Any) -> None:
        for number in range(30):
            make(email=f"{number}@example.com")
        with django_assert_max_num_queries(12):
            admin_client.get(LIST)


class TestNotices:
    def test_a_paused_account(self, admin_client: Client) -> None:
        DeliveryPause.objects.create(
            account="default", reason=DeliveryPause.Reason.UNAUTHORIZED, probe_at=timezone.now()
        )
        text = admin_client.get(LIST).content.decode()
        assert "Account default is paused" in text
        assert "API key refused. Leads wait; nothing is lost." in text

    def test_an_account_without_a_key(self, admin_client: Client, settings: Any) -> None:
        assert "has no API key" not in admin_client.get(LIST).content.decode()
        settings.OCTANIST_API_KEY = ""
        make()
        assert "Account default has no API key: its leads wait." in admin_client.get(LIST).content.decode()

    def test_leads_of_an_account_that_is_in_no_setting(self, admin_client: Client) -> None:
        make(account="gone")
        assert "Account gone has no API key" in admin_client.get(LIST).content.decode()

    def test_a_bad_setting_that_stops_deliveries_is_named(self, admin_client: Client, settings: Any) -> None:
        settings.OCTANIST_TIMEOUT = "10"
        assert "OCTANIST_TIMEOUT must be a number of seconds" in admin_client.get(LIST).content.decode()

    def test_a_bad_setting_is_named(self, admin_client: Client, settings: Any) -> None:
        settings.OCTANIST_API_KEYS = ["x"]
        assert "OCTANIST_API_KEYS must be a dict" in admin_client.get(LIST).content.decode()


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


class TestActing:
    @pytest.mark.parametrize("status", [S.FAILED, S.INVALID, S.REJECTED, S.CANCELLED])
    def test_send_again(self, admin_client: Client, status: str) -> None:
        lead = make(status=status, attempts=20, error="x", error_code="y")
        assert "1 lead is sent again." in act(admin_client, "send_again", lead).content.decode()
        lead.refresh_from_db()
        assert (lead.status, lead.attempts, lead.error) == (S.PENDING, 0, "")
        assert lead.next_attempt_at is not None
        assert lead.next_attempt_at <= timezone.now()
        assert LogEntry.objects.get().change_message == "Sent again."

    def test_what_is_delivered_or_being_sent_is_left(self, admin_client: Client) -> None:
        delivered = make(status=S.DELIVERED, octanist_id="lead_1")
        busy = make(lease=uuid.uuid4())
        text = act(admin_client, "send_again", delivered, busy).content.decode()
        assert "0 leads are sent again. 2 were left as they are (delivered, or being sent right now)." in text
        delivered.refresh_from_db()
        assert delivered.status == S.DELIVERED
        assert not LogEntry.objects.exists()

    def test_an_uncertain_lead_is_not_hurried(self, admin_client: Client) -> None:
        lead = make(status=S.FAILED, uncertain=True)
        act(admin_client, "send_again", lead)
        lead.refresh_from_db()
        assert lead.uncertain
        assert lead.next_attempt_at is not None
        assert lead.next_attempt_at > timezone.now()

    def test_a_held_lead_is_sent_because_a_person_says_so(self, admin_client: Client, settings: Any) -> None:
        settings.OCTANIST_WHEN_UNCERTAIN = "hold"
        lead = make(status=S.FAILED, uncertain=True)
        act(admin_client, "send_again", lead)
        lead.refresh_from_db()
        assert not lead.uncertain

    def test_cancel(self, admin_client: Client) -> None:
        lead, delivered = make(), make(email="x@example.com", status=S.DELIVERED)
        text = act(admin_client, "cancel", lead, delivered).content.decode()
        assert "1 lead is cancelled. 1 was left as it is (not pending, or being sent right now)." in text
        lead.refresh_from_db()
        assert (lead.status, lead.next_attempt_at) == (S.CANCELLED, None)

    def test_sending_again_nudges_after_the_commit(
        self, admin_client: Client, settings: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        settings.OCTANIST_DISPATCH = "tests.admin.test_leads.note_nudge"
        NUDGES.clear()
        with django_capture_on_commit_callbacks(execute=True):
            act(admin_client, "send_again", make(status=S.FAILED))
        assert NUDGES == ["default"]

    def test_the_buttons_of_the_page(self, admin_client: Client) -> None:
        lead = make(status=S.FAILED)
        assert f"{page(lead).removesuffix('change/')}send-again/" in admin_client.get(page(lead)).content.decode()
        response = admin_client.post(f"{page(lead).removesuffix('change/')}send-again/", follow=True)
        assert "1 lead is sent again." in response.content.decode()
        admin_client.post(f"{page(lead).removesuffix('change/')}cancel/")
        lead.refresh_from_db()
        assert lead.status == S.CANCELLED

    @pytest.mark.parametrize("button", ["send-again", "cancel"])
    def test_get_changes_nothing(self, admin_client: Client, button: str) -> None:
        lead = make(status=S.FAILED)
        assert admin_client.get(f"{page(lead).removesuffix('change/')}{button}/").status_code == 405
        lead.refresh_from_db()
        assert lead.status == S.FAILED


NUDGES: list[str] = []


def note_nudge(account: str) -> None:
    NUDGES.append(account)


class TestPermissions:
    @pytest.mark.parametrize("button", ["send-again", "cancel"])
    def test_viewing_is_not_acting(self, client: Client, button: str) -> None:
        staff(client, "view_lead")
        lead = make()
        text = client.get(page(lead)).content.decode()
        assert "send-again/" not in text
        assert "cancel/" not in text
        assert 'value="send_again"' not in client.get(LIST).content.decode()
        act(client, "cancel", lead)
        assert client.post(f"{page(lead).removesuffix('change/')}{button}/").status_code == 403
        lead.refresh_from_db()
        assert lead.status == S.PENDING

    def test_acting_needs_its_permission(self, client: Client) -> None:
        staff(client, "view_lead", "replay_lead")
        lead = make()
        act(client, "cancel", lead)
        lead.refresh_from_db()
        assert lead.status == S.CANCELLED

    def test_without_any_nothing_is_seen(self, client: Client) -> None:
        staff(client)
        lead = make()
        assert client.get(LIST).status_code == 403
        assert client.get(page(lead)).status_code == 403
        assert client.post(f"{page(lead).removesuffix('change/')}cancel/").status_code == 403

    def test_anonymous_goes_to_the_login(self, client: Client) -> None:
        lead = make()
        for url in (LIST, page(lead), f"{page(lead).removesuffix('change/')}cancel/"):
            assert client.post(url).status_code == 302
        lead.refresh_from_db()
        assert lead.status == S.PENDING

    @pytest.mark.parametrize("url", [f"{LIST}add/", f"{LIST}%d/delete/"])
    def test_nobody_adds_or_deletes(self, admin_client: Client, url: str) -> None:
        lead = make()
        assert admin_client.post(url % lead.pk if "%" in url else url, {"post": "yes"}).status_code == 403
        assert Lead.objects.count() == 1


class TestPersonalData:
    """Shown as masks, and found out by nothing, without `view_lead_personal_data`."""

    SECRETS = ("Jolanda", "jolanda@", "0612345678", "Leaking", "Secret roof", "typed wrong")

    @pytest.fixture
    def lead(self) -> Lead:
        lead = make(
            name="Jolanda Doe",
            email="jolanda@example.com",
            phone="0612345678",
            note="Leaking",
            custom={"roof": "Secret roof"},
            status=S.INVALID,
            error_code="VALIDATION_ERROR",
            error="typed wrong",
        )
        DeliveryAttempt.objects.create(
            lead=lead, started_at=timezone.now(), duration_ms=1, outcome="invalid", error="typed wrong"
        )
        return lead

    def pages(self, client: Client, lead: Lead) -> str:
        return "".join(client.get(url).content.decode() for url in (LIST, page(lead)))

    def test_masked(self, client: Client, lead: Lead) -> None:
        staff(client, "view_lead", "view_deliveryattempt", "replay_lead")
        text = self.pages(client, lead)
        assert not [secret for secret in self.SECRETS if secret in text]
        for shown in ("j•••@e•••.com", "J••• D•••", "••• 78", "VALIDATION_ERROR", str(lead.submission_id)):
            assert shown in text

    def test_plain(self, client: Client, lead: Lead) -> None:
        staff(client, "view_lead", "view_deliveryattempt", "view_lead_personal_data")
        text = self.pages(client, lead)
        assert not [secret for secret in self.SECRETS if secret not in text]

    @pytest.mark.parametrize("term", ["jolanda", "0612", "Doe"])
    def test_not_found_by_searching(self, client: Client, lead: Lead, term: str) -> None:
        staff(client, "view_lead")
        response = client.get(LIST, {"q": term})
        assert "0 results" in response.content.decode()
        assert "E-mail, name" not in response.content.decode()

    @pytest.mark.parametrize("field", ["name", "email", "phone", "note", "custom__roof", "error"])
    def test_not_found_by_filtering(self, client: Client, lead: Lead, field: str) -> None:
        staff(client, "view_lead")
        assert client.get(LIST, {f"{field}__startswith": "j"}).status_code == 400

    def test_not_found_by_sorting(self, client: Client, lead: Lead) -> None:
        staff(client, "view_lead")
        query = str(client.get(LIST, {"o": "5"}).context["cl"].queryset.query)
        assert "email" not in query.partition("ORDER BY")[2]


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
        settings.OCTANIST_DISPATCH = "tests.admin.test_leads.note_nudge"
        NUDGES.clear()
        row = self.pause()
        assert "API key refused" in admin_client.get(self.LIST).content.decode()
        with django_capture_on_commit_callbacks(execute=True):
            text = self.resume(admin_client, row).content.decode()
        assert "Deliveries of the account default go on." in text
        assert not DeliveryPause.objects.exists()
        assert NUDGES == ["default"]
        assert LogEntry.objects.get().change_message == "Resumed."

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
