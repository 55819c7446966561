from __future__ import annotations

import logging
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client

from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import Lead
from tests.site.models import Quote
from tests.ways import EMAIL

from .test_drf import ROW, Json

CONTACT = {"full_name": "Jo", "email": EMAIL}
PARTY = {"roof": "flat", "contact": CONTACT, "guests": [{"nickname": "Flo"}]}

pytestmark = pytest.mark.django_db


def post(client: Client, path: str, data: Any, method: str = "post") -> Any:
    return getattr(client, method)(f"/own/{path}", data, content_type="application/json")


class TestOwnPerformCreate(Json):
    path = "/own/SavesItself/"


class TestOwnCreateAndPerformCreate(Json):
    path = "/own/AnswersItself/"


class TestOwnGetSerializerAndPerformCreate(Json):
    path = "/own/BuildsItself/"


class TestAnotherSerializer(Json):
    """A second serializer that is built while the first one is saved."""

    path = "/own/BuildsAnother/"


class TestAPackagesPerformCreate(Json):
    """It is given more than the serializer, and what it returns is seen."""

    path = "/own/OfAPackage/"

    def accepted(self, response: Any) -> bool:
        return super().accepted(response) and response.json() == {"made": Quote.objects.latest("pk").pk}


class TestAPackagesCreate(Json):
    """It has no ``perform_create``."""

    path = "/own/OfAnotherPackage/?keep=1"


class TestAPackagesCreateThatSavesNothing(Json):
    path = "/own/OfAnotherPackage/"
    keeps_a_row = False


class TestInATransaction(Json):
    path = "/own/InATransaction/"

    def test_the_lead_is_stored_within_it(self, client: Client) -> None:
        assert post(client, "InATransaction/", ROW).json() == {"leads": 1}

    def test_a_rollback_takes_the_lead_with_it(self, client: Client) -> None:
        assert post(client, "InATransaction/", {**ROW, "roof": "none"}).status_code == 500
        assert (Quote.objects.count(), Lead.objects.count()) == (0, 0)


class TestNestedIsTakenApart:
    @pytest.mark.parametrize("path", ["Parties/", "PartiesByHand/", "PartiesWithoutSave/"])
    def test_while_it_is_saved(self, client: Client, path: str) -> None:
        assert post(client, path, PARTY).status_code == 201
        self.check(Lead.objects.get(), name="Jo", email=EMAIL)

    def test_while_many_are_saved(self, client: Client) -> None:
        other = {"full_name": "Flo", "email": "flo@example.com"}
        assert post(client, "ManyParties/", [PARTY, {**PARTY, "contact": other}]).status_code == 201
        first, second = Lead.objects.order_by("pk")
        self.check(first, name="Jo", email=EMAIL)
        self.check(second, name="Flo", email="flo@example.com")

    @pytest.mark.parametrize("path", ["PartiesUnnamed/", "PartiesSavedTwice/"])
    def test_before_it_is_saved(self, client: Client, path: str) -> None:
        assert post(client, path, PARTY).status_code == 201
        lead = Lead.objects.get()
        assert (lead.email, lead.custom) == ("alias@example.com", {"guests": [{"nickname": "Flo"}]})

    def test_what_is_nested_deep(self, client: Client) -> None:
        deep: Any = "bottom"
        for _level in range(450):
            deep = [deep]
        assert post(client, "Parties/", {**PARTY, "extra": deep}).status_code == 201
        assert Quote.objects.get().email == EMAIL

    def check(self, lead: Lead, *, name: str, email: str) -> None:
        assert (lead.name, lead.email) == (name, email)
        assert lead.custom == {"roof": "flat", "guests": [{"nickname": "Flo"}]}


class TestTheAnswer:
    """The row is saved, but the view then answers that it did not succeed."""

    def send(self, client: Client, path: str) -> HttpResponseBase:
        response: HttpResponseBase = post(client, path, ROW)
        assert Quote.objects.exists()
        return response

    @pytest.mark.parametrize("path", ["AnswersAsTold/?", "OfAnotherPackage/?keep=1&"])
    @pytest.mark.parametrize(("status", "leads"), [(200, 1), (302, 1), (402, 0), (500, 0)])
    def test_its_status(self, client: Client, path: str, status: int, leads: int) -> None:
        assert self.send(client, f"{path}status={status}").status_code == status
        assert Lead.objects.count() == leads

    def test_an_exception_that_is_answered_with_200(self, client: Client) -> None:
        assert self.send(client, "AnswersAsTold/?raise=1").status_code == 200
        assert not Lead.objects.exists()


class TestHowMany:
    def test_one_for_each_that_is_created(self, client: Client) -> None:
        assert post(client, "OneByOne/", [ROW, {**ROW, "full_name": "Flo"}]).status_code == 201
        assert [lead.name for lead in Lead.objects.order_by("pk")] == ["Jo", "Flo"]

    def test_one_where_the_view_captures_it_itself(self, client: Client) -> None:
        assert post(client, "CapturesItself/", ROW).status_code == 201
        assert Lead.objects.get().form == "own"


class TestMapping:
    """Only where something is created, and only what no such serializer ever has, is an error."""

    def test_create(self, client: Client) -> None:
        mobile = {"email": EMAIL, "mobile": "+31", "who": {"full_name": "Jo", "email": "jo@example.org"}}
        assert post(client, "ByAction/", mobile).status_code == 201
        lead = Lead.objects.get()
        assert (lead.name, lead.email, lead.phone, lead.custom) == ("Jo", EMAIL, "+31", {})

    @pytest.mark.parametrize("view", ["ByAction", "WrongByAction"])
    @pytest.mark.parametrize("method", ["put", "patch"])
    def test_a_change(self, client: Client, view: str, method: str) -> None:
        row = Quote.objects.create(email="old@example.com")
        assert post(client, f"{view}/{row.pk}/", {"email": EMAIL}, method).status_code == 200
        row.refresh_from_db()
        assert (row.email, Lead.objects.count()) == (EMAIL, 0)

    def test_another_action(self, client: Client) -> None:
        assert post(client, "ByAction/ask/", {"email": EMAIL}).status_code == 200
        assert Lead.objects.get().email == EMAIL

    @pytest.mark.parametrize("view", ["WrongByAction", "WrongByHand"])
    def test_no_field_of_what_is_created(self, client: Client, view: str) -> None:
        wanted = rf"{view}\.octanist_fields maps 'phone' to 'mobil', which is no field of the serializer\."
        with pytest.raises(OctanistConfigurationError, match=wanted):
            post(client, f"{view}/", {"email": EMAIL})

    @pytest.mark.parametrize("path", ["DropsField/", "DropsFields/", "DropsFields/?drop=1"])
    def test_a_field_that_is_dropped(self, client: Client, path: str, caplog: pytest.LogCaptureFixture) -> None:
        assert post(client, path, {"email": EMAIL}).status_code == 201
        assert (Lead.objects.get().email, caplog.text) == (EMAIL, "")

    def test_a_field_that_is_added(self, client: Client, caplog: pytest.LogCaptureFixture) -> None:
        assert post(client, "AddsFields/?add=1", {"email": EMAIL, "cell": "+31"}).status_code == 201
        assert (Lead.objects.get().phone, caplog.text) == ("+31", "")

    def test_a_field_that_is_not_added(self, client: Client, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, logger="django_octanist"):
            assert post(client, "AddsFields/", {"email": EMAIL, "mobile": "+31"}).status_code == 201
        assert (Lead.objects.get().email, Lead.objects.get().phone) == (EMAIL, "+31")
        assert "AddsFields.octanist_fields maps 'phone' to 'cell'" in caplog.text

    def test_no_field_of_a_lead(self, client: Client) -> None:
        with pytest.raises(OctanistConfigurationError, match="'telephone', which is no field of a lead"):
            post(client, "WrongWithDynamic/", {"email": EMAIL})


def test_a_secret_under_another_name(client: Client) -> None:
    secret = {"nickname": "S3CRET"}
    posted = {"email": EMAIL, "info": "S3CRET", "level": "S3CRET", "more": secret, "lots": [secret], "some": ["a"]}
    assert post(client, "Secrets/", posted).status_code == 201
    lead = Lead.objects.get()
    assert (lead.email, lead.custom) == (EMAIL, {"some": ["a"]})
