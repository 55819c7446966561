"""A lead whose data Octanist refused."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_octanist.delivery.claims import claim
from django_octanist.models import DeliveryAttempt, Lead
from django_octanist.vocabulary import BY_NAME
from tests.bulk.test_acts import at_once, needs_a_server

from . import NUDGES, S, make, page, staff

pytestmark = pytest.mark.django_db

REFUSAL = 'HTTP 400: Validation failed {"email": "jo@example is no address"}'


@pytest.fixture
def lead() -> Lead:
    lead = make(
        name="Jo", email="jo@example", phone="06", note="Roof\nleaks", status=S.INVALID, error="validation", attempts=3
    )
    refused(lead)
    return lead


def refused(lead: Lead) -> DeliveryAttempt:
    return DeliveryAttempt.objects.create(
        lead=lead, started_at=timezone.now(), duration_ms=1, outcome="invalid", error=REFUSAL
    )


def url(lead: Lead) -> str:
    return f"{page(lead).removesuffix('change/')}correct/"


def posted(lead: Lead, **fields: Any) -> dict[str, Any]:
    """What the form of ``lead`` as it is now posts, with ``fields`` typed into it."""
    last = lead.delivery_attempts.order_by("-pk").first()
    contact = {name: getattr(lead, name) for name in ("name", "email", "phone", "note")}
    return {**contact, "seen": last.pk if last else 0, **fields}


class TestForm:
    def test_the_contact_beside_what_octanist_said(self, admin_client: Client, lead: Lead) -> None:
        response = admin_client.get(url(lead))
        text = response.content.decode()
        for shown in ('value="Jo"', 'value="jo@example"', 'value="06"', "Roof\nleaks", "jo@example is no address"):
            assert shown in text
        helps = {name: str(field.help_text) for name, field in response.context["form"].fields.items()}
        assert helps == {
            "name": "",
            "email": "Octanist's answer names this field.",
            "phone": "",
            "note": "",
            "seen": "",
        }

    @pytest.mark.parametrize(
        ("email", "hint"), [("jo@example", "This is not a complete e-mail address."), ("jo@example.com", ""), ("", "")]
    )
    def test_an_address_that_is_none(self, admin_client: Client, lead: Lead, email: str, hint: str) -> None:
        """Where Octanist named no field."""
        DeliveryAttempt.objects.update(error="HTTP 400")
        Lead.objects.update(email=email)
        response = admin_client.get(url(lead))
        assert response.context["form"].fields["email"].help_text == hint

    def test_a_refusal_is_said_once(self, admin_client: Client, lead: Lead) -> None:
        DeliveryAttempt.objects.update(error="Octanist refuses the lead's data: email: no address")
        text = admin_client.get(url(lead)).content.decode()
        assert 'Octanist refused this lead: <q class="octanist-refusal">email: no address</q>' in text

    def test_markup_in_an_answer_is_harmless(self, admin_client: Client, lead: Lead) -> None:
        DeliveryAttempt.objects.update(error="<script>alert(1)</script>")
        assert "<script>alert" not in admin_client.get(url(lead)).content.decode()

    @pytest.mark.parametrize(
        "fields",
        [
            {"status": S.FAILED},
            {"status": S.PENDING, "next_attempt_at": timezone.now()},
            {"status": S.DELIVERED},
            {"lease": uuid.uuid4()},
            {"erased_at": timezone.now()},
        ],
    )
    def test_only_for_what_octanist_refused(self, admin_client: Client, lead: Lead, fields: dict[str, Any]) -> None:
        Lead.objects.filter(pk=lead.pk).update(**fields)
        assert "This lead cannot be corrected" in admin_client.get(url(lead)).content.decode()
        response = admin_client.post(url(lead), posted(lead, email="jo@example.com"), follow=True)
        assert "Nothing was changed: somebody was quicker" in response.content.decode()
        lead.refresh_from_db()
        assert lead.email == "jo@example"

    @pytest.mark.parametrize(
        "permissions",
        [[], ["replay_lead"], ["view_lead_personal_data"], ["erase_lead"]],
    )
    def test_who_sends_again_and_sees_the_contact(self, client: Client, lead: Lead, permissions: list[str]) -> None:
        staff(client, "view_lead", *permissions)
        assert client.get(url(lead)).status_code == 403
        assert client.post(url(lead), posted(lead, email="jo@example.com")).status_code == 403
        lead.refresh_from_db()
        assert lead.status == S.INVALID

    def test_these_permissions_do(self, client: Client, lead: Lead) -> None:
        staff(client, "view_lead", "replay_lead", "view_lead_personal_data")
        client.post(url(lead), posted(lead, email="jo@example.com"))
        lead.refresh_from_db()
        assert lead.status == S.PENDING

    def test_get_changes_nothing(self, admin_client: Client, lead: Lead) -> None:
        before = vars(Lead.objects.get()) | {"_state": None}
        admin_client.get(url(lead))
        assert vars(Lead.objects.get()) | {"_state": None} == before


class TestCorrect:
    def test_it_is_sent_again_with_what_was_typed(
        self, admin_client: Client, lead: Lead, settings: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        settings.OCTANIST_DISPATCH = "tests.admin.note_nudge"
        NUDGES.clear()
        with django_capture_on_commit_callbacks(execute=True):
            response = admin_client.post(url(lead), posted(lead, email="Jo@Example.com"), follow=True)
        assert "The lead is sent again." in response.content.decode()
        lead.refresh_from_db()
        assert (lead.email, lead.email_lower) == ("Jo@Example.com", "jo@example.com")
        assert (lead.status, lead.attempts, lead.error) == (S.PENDING, 0, "")
        assert NUDGES == ["default"]
        assert [item.lead for item in claim("default", limit=5, senders=1)] == [lead]

    def test_the_log_names_the_fields_and_no_values(self, admin_client: Client, lead: Lead) -> None:
        admin_client.post(url(lead), posted(lead, email="jo@example.com", note="Ill"))
        entry = LogEntry.objects.get()
        assert json.loads(entry.change_message) == [{"changed": {"fields": ["e-mail", "note"]}}]
        assert entry.get_change_message() == "Changed e-mail and note."

    def test_cleaned_as_captured(self, admin_client: Client, lead: Lead) -> None:
        admin_client.post(url(lead), posted(lead, name="  Jo\x07\t  Doe ", email="", note=" Roof\r\nleaks \x1b"))
        lead.refresh_from_db()
        assert (lead.name, lead.note) == ("Jo Doe", "Roof\nleaks")

    def test_a_note_of_many_lines_is_not_longer_than_it_was(self, admin_client: Client, lead: Lead) -> None:
        """Browsers post an end of line as two characters."""
        note = ("x" * 19 + "\n") * (BY_NAME["note"].max_length // 20 - 1) + "x" * 20
        Lead.objects.filter(pk=lead.pk).update(note=note)
        admin_client.post(url(lead), posted(lead, email="jo@example.com", note=note.replace("\n", "\r\n")))
        lead.refresh_from_db()
        assert (lead.status, lead.note) == (S.PENDING, note)

    @pytest.mark.parametrize("name", ["name", "email", "phone", "note"])
    def test_not_longer_than_octanist_gets(self, admin_client: Client, lead: Lead, name: str) -> None:
        response = admin_client.post(url(lead), posted(lead, **{name: "x" * (BY_NAME[name].max_length + 1)}))
        assert name in response.context["form"].errors
        lead.refresh_from_db()
        assert lead.status == S.INVALID

    @pytest.mark.parametrize(("custom", "status"), [({}, S.INVALID), ({"roof": "flat"}, S.PENDING)])
    def test_something_must_be_left(
        self, admin_client: Client, lead: Lead, custom: dict[str, str], status: str
    ) -> None:
        Lead.objects.update(custom=custom)
        response = admin_client.post(url(lead), posted(lead, name=" ", email="", phone=""), follow=True)
        assert ("A lead needs a name" in response.content.decode()) == (not custom)
        lead.refresh_from_db()
        assert lead.status == status

    def test_unchanged_it_is_sent_again_after_a_hint(self, admin_client: Client, lead: Lead) -> None:
        response = admin_client.post(url(lead), posted(lead))
        assert "What Octanist refused, it is likely to refuse again." in response.content.decode()
        lead.refresh_from_db()
        assert lead.status == S.INVALID
        assert not LogEntry.objects.exists()
        admin_client.post(url(lead), posted(lead, again="yes"))
        lead.refresh_from_db()
        assert lead.status == S.PENDING
        assert LogEntry.objects.get().change_message == "Sent again."

    @pytest.mark.parametrize("email", ["jo@example", "jo at example.com", "jo@@example.com", "@"])
    def test_what_is_no_address_is_sent_after_a_hint(self, admin_client: Client, lead: Lead, email: str) -> None:
        response = admin_client.post(url(lead), posted(lead, name="Joanna", email=email))
        text = response.content.decode()
        assert "This is not a complete e-mail address: Octanist is likely to refuse it." in text
        assert 'value="Joanna"' in text
        lead.refresh_from_db()
        assert (lead.status, lead.name) == (S.INVALID, "Jo")
        admin_client.post(url(lead), posted(lead, name="Joanna", email=email, again="yes"))
        lead.refresh_from_db()
        assert (lead.status, lead.email) == (S.PENDING, email)

    def test_without_an_address_there_is_no_hint(self, admin_client: Client, lead: Lead) -> None:
        admin_client.post(url(lead), posted(lead, email=""))
        lead.refresh_from_db()
        assert (lead.status, lead.email) == (S.PENDING, "")

    def test_a_form_that_lacks_a_part(self, admin_client: Client, lead: Lead) -> None:
        assert admin_client.post(url(lead), {"email": "jo@example.com"}).status_code == 200
        lead.refresh_from_db()
        assert lead.status == S.INVALID


class TestQuicker:
    def test_a_colleague_sent_it_again(self, admin_client: Client, lead: Lead) -> None:
        seen = posted(lead, email="mine@example.com")
        Lead.objects.filter(pk=lead.pk).correct(name="Jo", email="theirs@example.com", phone="", note="")
        response = admin_client.post(url(lead), seen, follow=True)
        assert "Nothing was changed: somebody was quicker" in response.content.decode()
        lead.refresh_from_db()
        assert lead.email == "theirs@example.com"
        assert not LogEntry.objects.exists()

    def test_a_colleague_s_correction_was_refused_by_now(self, admin_client: Client, lead: Lead) -> None:
        """The lead is invalid as before; but it is not the one that the form showed."""
        seen = posted(lead, email="mine@example.com")
        Lead.objects.filter(pk=lead.pk).update(email="theirs@example.com")
        refused(lead)
        response = admin_client.post(url(lead), seen, follow=True)
        assert "Nothing was changed: somebody was quicker" in response.content.decode()
        lead.refresh_from_db()
        assert (lead.email, lead.status) == ("theirs@example.com", S.INVALID)

    def test_a_worker_has_it(self, admin_client: Client, lead: Lead) -> None:
        Lead.objects.filter(pk=lead.pk).replay()
        assert claim("default", limit=1, senders=1)
        admin_client.post(url(lead), posted(lead, email="jo@example.com"))
        lead.refresh_from_db()
        assert lead.email == "jo@example"

    @needs_a_server
    @pytest.mark.django_db(transaction=True)
    def test_two_operators_at_once(self, admin_user: User, lead: Lead) -> None:
        clients = [Client(), Client()]
        for client in clients:
            client.force_login(admin_user)
        emails = ["one@example.com", "two@example.com"]
        seen = [posted(lead, email=email) for email in emails]
        pages = at_once(
            *(
                lambda client=client, data=data: client.post(url(lead), data, follow=True).content.decode()
                for client, data in zip(clients, seen, strict=True)
            )
        )
        won = ["The lead is sent again." in text for text in pages]
        assert sorted(won) == [False, True]
        lead.refresh_from_db()
        assert lead.email == emails[won.index(True)]
        assert LogEntry.objects.count() == 1
