"""Who may do what, and who sees what."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from django_octanist.models import BulkAction, DeliveryAttempt, Lead

from . import LIST, S, act, make, page, staff

pytestmark = pytest.mark.django_db


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


class TestActs:
    """Each act, from the list, from a lead's page and on a bulk action, as each kind of person."""

    ACTS = (("send_again", "send-again"), ("cancel", "cancel"), ("erase", "erase"))
    NEEDS = {"send_again": "replay_lead", "cancel": "replay_lead", "erase": "erase_lead"}
    ALL = ("view_lead", "replay_lead", "erase_lead", "view_lead_personal_data")

    def addresses(self, lead: Lead, slug: str, bulk: BulkAction) -> dict[str, str]:
        return {
            "page": f"{page(lead).removesuffix('change/')}{slug}/",
            "stop": f"/admin/octanist/bulkaction/{bulk.pk}/stop/",
            "continue": f"/admin/octanist/bulkaction/{bulk.pk}/continue/",
        }

    def untouched(self, lead: Lead, bulk: BulkAction) -> bool:
        return (
            Lead.objects.filter(pk=lead.pk, status=S.PENDING, erased_at=None, attempts=7).exists()
            and BulkAction.objects.get(pk=bulk.pk).state == BulkAction.State.RUNNING
        )

    @pytest.fixture
    def lead(self) -> Lead:
        return make(attempts=7)

    def bulk(self, action: str) -> BulkAction:
        kind = {"send_again": "replay"}.get(action, action)
        return BulkAction.objects.create(kind=kind)

    @pytest.mark.parametrize(("action", "slug"), ACTS)
    def test_anonymous(self, client: Client, lead: Lead, action: str, slug: str) -> None:
        bulk = self.bulk(action)
        for url in self.addresses(lead, slug, bulk).values():
            assert "/admin/login/" in client.get(url)["Location"]
            assert "/admin/login/" in client.post(url)["Location"]
        act(client, action, lead)
        assert "/admin/login/" in client.get(f"/admin/octanist/bulkaction/{bulk.pk}/change/")["Location"]
        assert self.untouched(lead, bulk)

    @pytest.mark.parametrize(("action", "slug"), ACTS)
    @pytest.mark.parametrize("others", [True, False])
    def test_without_its_permission(self, client: Client, lead: Lead, action: str, slug: str, others: bool) -> None:
        """With all the others, or with seeing alone."""
        staff(client, *({*self.ALL} - {self.NEEDS[action]} if others else ["view_lead"]))
        bulk = self.bulk(action)
        addresses = self.addresses(lead, slug, bulk)
        assert {client.post(url).status_code for url in addresses.values()} == {403}
        assert client.get(addresses["page"]).status_code == 403
        assert f'value="{action}"' not in client.get(LIST).content.decode()
        act(client, action, lead)
        act(client, action, lead, select_across="1")
        assert self.untouched(lead, bulk)
        shown = client.get(f"/admin/octanist/bulkaction/{bulk.pk}/change/")
        assert shown.status_code == 200
        assert not [url for url in addresses.values() if url in shown.content.decode()]

    @pytest.mark.parametrize(("action", "slug"), ACTS)
    def test_without_seeing_leads_there_is_no_acting(self, client: Client, lead: Lead, action: str, slug: str) -> None:
        staff(client, *({*self.ALL} - {"view_lead"}))
        bulk = self.bulk(action)
        for url in self.addresses(lead, slug, bulk).values():
            assert client.post(url).status_code == 403
        assert act(client, action, lead).status_code == 403
        assert client.get(f"/admin/octanist/bulkaction/{bulk.pk}/change/").status_code == 403
        assert client.get("/admin/octanist/bulkaction/").status_code == 403
        assert self.untouched(lead, bulk)

    @pytest.mark.parametrize(("action", "slug"), ACTS)
    @pytest.mark.parametrize("way", ["list", "page", "stop"])
    def test_with_its_permission(self, client: Client, lead: Lead, action: str, slug: str, way: str) -> None:
        staff(client, "view_lead", self.NEEDS[action])
        bulk = self.bulk(action)
        if way == "list":
            act(client, action, lead)
        else:
            assert client.post(self.addresses(lead, slug, bulk)[way]).status_code == 302
        assert not self.untouched(lead, bulk)


class TestPersonalData:
    """Shown as masks, and found out by nothing, without `view_lead_personal_data`."""

    SECRETS = ("Jolanda", "jolanda@", "0612345678", "Leaking", "Secret roof", "typed wrong", "0b5f0f8e-7a0c")

    @pytest.fixture
    def lead(self) -> Lead:
        lead = make(
            name="Jolanda Doe",
            email="jolanda@example.com",
            phone="0612345678",
            note="Leaking",
            custom={"roof": "Secret roof"},
            session_id="0b5f0f8e-7a0c-4f3e-9d0c-0f6f4b1e7a11",
            linked=Lead.Linked.YES,
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
