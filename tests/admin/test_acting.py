"""What can be done with leads."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_octanist import figures
from django_octanist.admin import acting, acts
from django_octanist.admin.acting import Button, buttons
from django_octanist.bulk import batches, running
from django_octanist.delivery.claims import claim
from django_octanist.models import DUPLICATE_CODE, BulkAction, DeliveryAttempt, Lead
from tests.bulk.test_acts import at_once, needs_a_server
from tests.delivery import make_leads

from . import LIST, NUDGES, S, act, make, page, staff

pytestmark = pytest.mark.django_db


def hidden(response: Any) -> dict[str, list[str]]:
    """What the form of a confirmation posts."""
    posted: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', response.content.decode()):
        posted.setdefault(name, []).append(value)
    return posted


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
        assert "No lead is sent again. 1 is delivered, and stays as it is. 1 is being sent right now, and" in text
        assert "If you confirm" not in text
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
        assert "1 of 2 leads is cancelled. 1 is not pending, and stays as it is." in text
        lead.refresh_from_db()
        assert (lead.status, lead.next_attempt_at) == (S.CANCELLED, None)

    def test_sending_again_nudges_after_the_commit(
        self, admin_client: Client, settings: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        settings.OCTANIST_DISPATCH = "tests.admin.note_nudge"
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

    @pytest.mark.parametrize("button", ["send-again", "cancel", "erase"])
    def test_get_changes_nothing(self, admin_client: Client, button: str) -> None:
        lead = make()
        assert admin_client.get(f"{page(lead).removesuffix('change/')}{button}/").status_code == 200
        lead.refresh_from_db()
        assert (lead.status, lead.email) == (S.PENDING, "jo@example.com")


def being_sent(**values: Any) -> Lead:
    return make(lease=uuid.uuid4(), next_attempt_at=timezone.now() + timedelta(minutes=5), **values)


def url_of(lead: Lead, slug: str) -> str:
    return f"{page(lead).removesuffix('change/')}{slug}/"


def text_of(response: Any) -> str:
    """What a page says in its content, without its markup."""
    content = response.content.decode().partition('id="content-start"')[2].partition("<footer")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", content))


class TestConfirmation:
    def test_an_action_first_says_what_it_would_do(self, admin_client: Client) -> None:
        leads = [make(status=S.FAILED), make(status=S.DELIVERED), being_sent(), make(erased_at=timezone.now())]
        response = act(admin_client, "send_again", *leads, confirmed=False)
        for said in (
            "If you confirm: 1 of 4 leads is sent again.",
            "1 is delivered, and stays as it is.",
            "1 is erased already, and stays as it is.",
            "1 is being sent right now, and stays as it is.",
        ):
            assert said in text_of(response)
        assert Lead.objects.get(pk=leads[0].pk).status == S.FAILED
        assert not LogEntry.objects.exists()

    def test_the_double_of_another_lead_is_left(self, admin_client: Client) -> None:
        double = make(status=S.CANCELLED, error_code=DUPLICATE_CODE)
        response = act(admin_client, "send_again", make(), double, confirmed=False)
        assert "1 says the same as another lead, and stays as it is." in text_of(response)
        assert url_of(double, "send-again") not in admin_client.get(page(double)).content.decode()

    def test_what_it_posts_does_it_to_those_that_were_ticked(self, admin_client: Client) -> None:
        chosen, other = make(), make()
        response = act(admin_client, "cancel", chosen, confirmed=False)
        admin_client.post(LIST, hidden(response))
        assert dict(Lead.objects.values_list("pk", "status")) == {chosen.pk: "cancelled", other.pk: "pending"}

    def test_erasing_says_that_it_is_for_good_and_what_stays(self, admin_client: Client) -> None:
        said = text_of(act(admin_client, "erase", make(), confirmed=False))
        assert "This cannot be undone." in said
        assert "What is counted stays: form, account, status, times, consent" in said

    def test_nothing_to_do_is_no_button(self, admin_client: Client) -> None:
        response = act(admin_client, "cancel", make(status=S.DELIVERED), confirmed=False)
        assert "No lead is cancelled. 1 is not pending, and stays as it is." in text_of(response)
        assert 'type="submit" class="default' not in response.content.decode()

    @pytest.mark.parametrize("action", ["send_again", "cancel", "erase"])
    def test_a_million_leads_are_not_counted(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch, action: str
    ) -> None:
        monkeypatch.setattr(acts, "EXACT", 3)
        make_leads(5)
        with CaptureQueriesContext(connection) as queries:
            said = text_of(act(admin_client, action, make(), confirmed=False, select_across="1"))
        assert "More than 3 leads match." in said
        counts = [query["sql"] for query in queries if "COUNT(" in query["sql"] and "octanist_lead" in query["sql"]]
        assert [sql for sql in counts if "LIMIT 4" in sql]
        assert not [sql for sql in counts if "lease" in sql.partition("WHERE")[2]]

    def test_exact_to_the_last(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(acts, "EXACT", 3)
        make_leads(2)
        assert "3 leads are sent again." in text_of(
            act(admin_client, "send_again", make(), confirmed=False, select_across="1")
        )

    def test_numbers_are_grouped(self) -> None:
        assert acts.Preview(act=acts.REPLAY, total=3000, touched=2980).sentence == (
            "2,980 of 3,000 leads are sent again."
        )

    def test_csrf(self, admin_user: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        lead = make()
        for url, posted in (
            (LIST, {"action": "cancel", "_selected_action": lead.pk, "post": "yes"}),
            (url_of(lead, "cancel"), {}),
            (url_of(lead, "erase"), {}),
            (url_of(lead, "correct"), {}),
        ):
            assert client.post(url, posted).status_code == 403
        lead.refresh_from_db()
        assert lead.status == S.PENDING


class TestErase:
    def test_from_the_list(self, admin_client: Client) -> None:
        lead = make(name="Jo", note="ill", custom={"roof": "flat"})
        DeliveryAttempt.objects.create(
            lead=lead, started_at=timezone.now(), duration_ms=1, outcome="uncertain", error="jo@example.com is wrong"
        )
        text = act(admin_client, "erase", lead, being_sent()).content.decode()
        assert "The personal data of 1 of 2 leads is erased. 1 is being sent right now, and stays as it is." in text
        lead.refresh_from_db()
        assert (lead.name, lead.email, lead.note, lead.custom, lead.status) == ("", "", "", {}, S.CANCELLED)
        assert lead.erased_at is not None
        assert DeliveryAttempt.objects.get().error == ""

    def test_what_the_log_keeps_says_nothing_of_a_person(self, admin_client: Client) -> None:
        lead = make(name="Jo", email="jolanda@example.com", status=S.INVALID)
        contact = {"name": "Jola", "email": "jolanda@example.org", "phone": "", "note": "", "seen": 0}
        admin_client.post(url_of(lead, "correct"), contact)
        admin_client.post(url_of(lead, "erase"))
        entries = "".join(str(vars(entry)) + entry.get_change_message() for entry in LogEntry.objects.all())
        assert "Personal data erased." in entries
        assert "jol" not in entries.lower()

    def test_an_erased_lead_offers_nothing_more(self, admin_client: Client) -> None:
        lead = make(status=S.INVALID)
        admin_client.post(url_of(lead, "erase"))
        text = admin_client.get(page(lead)).content.decode()
        assert not [slug for slug in ("send-again", "cancel", "erase", "correct") if url_of(lead, slug) in text]
        for slug in ("send-again", "cancel", "erase"):
            admin_client.post(url_of(lead, slug))
        lead.refresh_from_db()
        assert (lead.status, lead.next_attempt_at) == (S.INVALID, None)


class TestAllThatMatch:
    QUERY = f"{LIST}?status__exact=failed"

    @pytest.fixture(autouse=True)
    def few_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(acting, "AT_ONCE", 3)
        monkeypatch.setattr(batches, "BATCH", 2)

    def across(self, client: Client, action: str = "send_again", *, url: str = QUERY, **posted: str) -> Any:
        chosen = {"action": action, "_selected_action": "0", "select_across": "1", **posted}
        return client.post(url, chosen, follow=True)

    def test_not_only_the_page(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django_octanist.admin.LeadAdmin.list_per_page", 1)
        make_leads(3, status=S.FAILED)
        make_leads(2, status=S.INVALID)
        assert "3 leads are sent again." in text_of(self.across(admin_client))
        assert Lead.objects.waiting().count() == 0
        self.across(admin_client, post="yes")
        assert Lead.objects.waiting().count() == 3
        assert not BulkAction.objects.exists()
        assert LogEntry.objects.count() == 3

    def test_ticked_ones_are_done_at_once_however_many(self, admin_client: Client) -> None:
        act(admin_client, "send_again", *make_leads(5, status=S.FAILED))
        assert Lead.objects.waiting().count() == 5
        assert not BulkAction.objects.exists()

    def test_many_are_done_in_the_background(
        self, admin_client: Client, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[Any] = []
        monkeypatch.setattr(
            "django_octanist.bulk.running.start", lambda action, leads, ended: started.append((action, leads))
        )
        leads = make_leads(5, status=S.FAILED)
        latest = make(status=S.INVALID)
        with django_capture_on_commit_callbacks(execute=True):
            response = self.across(admin_client, post="yes", url=f"{self.QUERY}&o=1&p=1")
        (row,) = BulkAction.objects.all()
        assert response.redirect_chain[0][0] == f"/admin/octanist/bulkaction/{row.pk}/change/"
        assert (row.kind, row.total, row.query) == ("replay", 5, "status__exact=failed")
        assert (row.last, row.user_key) == (latest.pk, str(User.objects.get().pk))
        ((action, chosen),) = started
        assert action == row
        assert {lead.pk for lead in chosen} == {lead.pk for lead in leads}
        assert LogEntry.objects.get().change_message == "Begun: Sending 5 leads again: 0 done."

    def test_it_does_not_start_before_it_is_committed(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("django_octanist.bulk.running.start", lambda *_arguments, **_named: 1 / 0)
        make_leads(5, status=S.FAILED)
        assert self.across(admin_client, post="yes").status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_a_lead_that_matches_no_more_is_left(self, admin_client: Client) -> None:
        """Between the preview and the confirmation a colleague replayed one, and a worker sent it."""
        first, _second = make_leads(2, status=S.FAILED)
        self.across(admin_client)
        Lead.objects.filter(pk=first.pk).update(status=S.DELIVERED)
        self.across(admin_client, post="yes")
        first.refresh_from_db()
        assert first.status == S.DELIVERED
        assert Lead.objects.waiting().count() == 1

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("before", [2, 5], ids=["at once", "in the background"])
    def test_a_lead_that_came_after_the_preview_is_left(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch, before: int
    ) -> None:
        monkeypatch.setattr(running, "start", lambda action, leads, ended: running.Run(action, leads, ended=ended)())
        make_leads(before)
        response = self.across(admin_client, "erase", url=LIST)
        customer = make(name="Jo")
        admin_client.post(LIST, hidden(response))
        customer.refresh_from_db()
        assert (customer.status, customer.name, customer.erased_at) == (S.PENDING, "Jo", None)
        assert Lead.objects.exclude(erased_at=None).count() == before

    @pytest.mark.parametrize("last", ["", "x", "9" * 30, "9" * 5000])
    def test_a_confirmation_that_nobody_was_shown(self, admin_client: Client, last: str) -> None:
        make_leads(2, status=S.FAILED)
        self.across(admin_client, post="yes", last=last)
        assert Lead.objects.waiting().count() == 2

    @pytest.mark.parametrize("action", ["send_again", "erase"])
    def test_who_may_not_see_personal_data_does_not_act_by_it(self, client: Client, action: str) -> None:
        staff(client, "view_lead", "replay_lead", "erase_lead")
        lead = make(email="jolanda@example.com", status=S.FAILED)
        self.across(client, action, post="yes", url=f"{LIST}?q=jolanda")
        assert self.across(client, action, post="yes", url=f"{LIST}?email__startswith=j").status_code == 400
        lead.refresh_from_db()
        assert (lead.status, lead.email) == (S.FAILED, "jolanda@example.com")


class TestMeanwhile:
    def test_a_lead_that_a_worker_took_after_the_preview_is_left(self, admin_client: Client) -> None:
        taken, free = make_leads(2)
        assert "2 leads are cancelled." in text_of(act(admin_client, "cancel", taken, free, confirmed=False))
        assert [item.lead for item in claim("default", limit=1, senders=1)] == [taken]
        text = act(admin_client, "cancel", taken, free).content.decode()
        assert "1 of 2 leads is cancelled. 1 is being sent right now, and stays as it is." in text
        assert [entry.object_id for entry in LogEntry.objects.all()] == [str(free.pk)]
        taken.refresh_from_db()
        assert taken.status == S.PENDING
        assert taken.lease is not None

    @needs_a_server
    @pytest.mark.django_db(transaction=True)
    def test_two_operators_at_once(self, admin_user: User) -> None:
        """Each lead is erased once, and has one entry in the log."""
        leads = make_leads(40)
        clients = [Client(), Client()]
        for client in clients:
            client.force_login(admin_user)
        responses = at_once(*(lambda client=client: act(client, "erase", *leads) for client in clients))
        assert [response.status_code for response in responses] == [200, 200]
        for lead in Lead.objects.filter(erased_at=None):
            # Held by the other one at that moment, who then left it to this one.
            act(clients[0], "erase", lead)
        assert not Lead.objects.filter(erased_at=None).exists()
        assert sorted(LogEntry.objects.values_list("object_id", flat=True)) == sorted(str(lead.pk) for lead in leads)

    @needs_a_server
    @pytest.mark.django_db(transaction=True)
    def test_a_worker_claims_while_an_operator_cancels(self, admin_user: User) -> None:
        client = Client()
        client.force_login(admin_user)
        leads = make_leads(60)

        def deliver() -> set[int]:
            taken: set[int] = set()
            while claims := claim("default", limit=2, senders=1):
                taken |= {item.lead.pk for item in claims}
            return taken

        taken, response = at_once(deliver, lambda: act(client, "cancel", *leads))
        assert response.status_code == 200
        cancelled = set(Lead.objects.filter(status=S.CANCELLED).values_list("pk", flat=True))
        assert cancelled | taken == {lead.pk for lead in leads}
        assert not cancelled & taken
        assert {int(entry.object_id or 0) for entry in LogEntry.objects.all()} == cancelled


class TestAfterwards:
    def test_figures_are_counted_anew_after_the_commit(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
    ) -> None:
        forgotten: list[int] = []
        monkeypatch.setattr(figures, "forget", lambda: forgotten.append(1))
        for action in ("send_again", "cancel", "erase"):
            with django_capture_on_commit_callbacks(execute=True):
                act(admin_client, action, make())
        assert forgotten == [1, 1, 1]

    def test_only_accounts_touched_are_nudged_each_once(
        self, admin_client: Client, settings: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        settings.OCTANIST_DISPATCH = "tests.admin.note_nudge"
        NUDGES.clear()
        leads = [make(account=account) for account in ("a", "b", "a")] + [make(account="c", status=S.DELIVERED)]
        with django_capture_on_commit_callbacks(execute=True):
            act(admin_client, "send_again", *leads)
        assert NUDGES == ["a", "b"]
        with django_capture_on_commit_callbacks(execute=True):
            act(admin_client, "cancel", *leads)
        assert NUDGES == ["a", "b"]


class TestButtons:
    def asked(self, lead: Lead, *permissions: str) -> list[str]:
        request = RequestFactory().get("/")
        user = User.objects.create_user("operator")
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        request.user = user
        return [button.kind for button in buttons(request, lead, site=admin.site)]

    ALL = ("replay_lead", "erase_lead", "view_lead_personal_data")

    @pytest.mark.parametrize(
        ("fields", "kinds"),
        [
            ({}, ["replay", "cancel", "erase"]),
            ({"status": S.INVALID}, ["correct", "replay", "erase"]),
            ({"status": S.FAILED}, ["replay", "erase"]),
            ({"status": S.DELIVERED}, ["erase"]),
            ({"lease": uuid.uuid4(), "next_attempt_at": timezone.now() + timedelta(hours=1)}, []),
            ({"status": S.INVALID, "erased_at": timezone.now()}, []),
        ],
    )
    def test_by_the_lead(self, fields: dict[str, Any], kinds: list[str]) -> None:
        assert self.asked(make(**fields), *self.ALL) == kinds

    @pytest.mark.parametrize(
        ("permissions", "kinds"),
        [
            ([], []),
            (["replay_lead"], ["replay"]),
            (["erase_lead"], ["erase"]),
            (["view_lead_personal_data"], []),
            (["replay_lead", "view_lead_personal_data"], ["correct", "replay"]),
        ],
    )
    def test_by_permission(self, permissions: list[str], kinds: list[str]) -> None:
        assert self.asked(make(status=S.INVALID), *permissions) == kinds

    def test_nobody(self) -> None:
        request = RequestFactory().get("/")
        request.user = AnonymousUser()
        assert buttons(request, make(), site=admin.site) == []

    def test_they_lead_to_the_confirmation(self, admin_client: Client, rf: RequestFactory, admin_user: User) -> None:
        lead = make()
        request = rf.get("/")
        request.user = admin_user
        again, *_others = buttons(request, lead, site=admin.site)
        assert again == Button("Send again", url_of(lead, "send-again"), "replay")
        assert "1 lead is sent again." in text_of(admin_client.get(again.url))


class TestPageOfOne:
    @pytest.mark.parametrize("slug", ["send-again", "cancel", "erase", "correct"])
    def test_a_lead_that_is_not_there(self, admin_client: Client, slug: str) -> None:
        for key in ("99", "nonsense"):
            url = f"{LIST}{key}/{slug}/"
            assert [admin_client.get(url).status_code, admin_client.post(url).status_code] == [404, 404]

    @pytest.mark.parametrize("slug", ["send-again", "cancel", "erase", "correct"])
    @pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
    def test_no_other_methods(self, admin_client: Client, slug: str, method: str) -> None:
        assert getattr(admin_client, method)(url_of(make(), slug)).status_code == 405
