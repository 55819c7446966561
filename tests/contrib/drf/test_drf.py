from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client
from rest_framework import generics

from django_octanist.contrib.drf import OctanistCreateMixin
from django_octanist.contrib.missing import MissingPackageError
from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import Lead
from tests.site.models import Quote
from tests.ways import EMAIL, SESSION, WayIn

ROW = {"full_name": "Jo", "email": EMAIL, "roof": "flat"}
PERSON = {"full_name": "Jo", "address": EMAIL, "unlock": "s3cret"}

pytestmark = pytest.mark.django_db


class Json(WayIn):
    """A JSON body, in which the session stands somewhere."""

    path: str
    keeps_a_row = True

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        octanist = {"meta": [{"octanist": posted}]} if posted else {}
        return client.post(self.path, {**ROW, **octanist}, content_type="application/json")

    def accepted(self, response: Any) -> bool:
        return bool(response.status_code == 201) and (not self.keeps_a_row or Quote.objects.exists())


class TestCreateView(Json):
    path = "/quotes/"

    def test_what_is_captured(self, client: Client) -> None:
        self.send(client)
        lead = self.lead()
        assert (lead.name, lead.custom) == ("Jo", {"roof": "flat"})

    def test_the_header(self, client: Client) -> None:
        headers = {"X-Octanist-Session-ID": SESSION}
        client.post(self.path, ROW, content_type="application/json", headers=headers)
        assert (self.lead().session_id, self.lead().sources["sessionId"]) == (SESSION, "header")

    def test_consent_in_the_body(self, client: Client) -> None:
        client.post(self.path, {**ROW, "ad_storage": "granted"}, content_type="application/json")
        assert self.lead().consent["ad_storage"] is True

    def test_what_is_not_valid_is_no_lead(self, client: Client) -> None:
        assert client.post(self.path, {"email": "no"}, content_type="application/json").status_code == 400
        assert not Lead.objects.exists()

    def test_without_the_middleware(self, client: Client, settings: Any) -> None:
        settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "octanist" not in path]
        self.send(client, octa_sid=SESSION)
        assert self.lead().session_id == SESSION


class TestPosted(TestCreateView):
    """The same, from a form."""

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        return client.post(self.path, {**ROW, **posted})


class TestViewSet(Json):
    path = "/quote-set/"

    def test_a_change_is_no_lead(self, client: Client) -> None:
        self.send(client)
        Lead.objects.all().delete()
        row = Quote.objects.get()
        client.patch(f"{self.path}{row.pk}/", {"roof": "tiled"}, content_type="application/json")
        assert client.get(self.path).json()[0]["roof"] == "tiled"
        assert not Lead.objects.exists()


class TestOwnPerformCreate(Json):
    path = "/own-perform-create/"


class TestOwnCreate(Json):
    path = "/own-create/"


class TestApiView(Json):
    path = "/plain/"
    keeps_a_row = False

    def test_a_form_with_a_file(self, client: Client) -> None:
        client.post(self.path, {"email": EMAIL, "octa_sid": SESSION})
        assert self.lead().session_id == SESSION


class TestApiViewWithASerializer(Json):
    path = "/checked/"


class TestMany:
    def test_each_item_is_a_lead(self, client: Client) -> None:
        rows = [ROW, {**ROW, "full_name": "Flo", "octa_sid": SESSION}]
        assert client.post("/many/", rows, content_type="application/json").status_code == 201
        first, second = Lead.objects.order_by("pk")
        assert (first.name, second.name) == ("Jo", "Flo")
        assert [first.note, second.note] == [f"row {row.pk}" for row in Quote.objects.order_by("pk")]


class TestNested:
    def post(self, client: Client, path: str, **more: Any) -> Lead:
        enquiry = {
            "who": PERSON,
            "roofs": [{"kind": "flat", "gate": "s3cret"}],
            "tags": ["a", "b"],
            "birthday": "1990-01-01",
            "password": "s3cret",
            "site": "given",
            "utm_source": "Flyer",
        }
        assert client.post(path, {**enquiry, **more}, content_type="application/json").status_code == 201
        lead = Lead.objects.get()
        assert "s3cret" not in str(vars(lead))
        return lead

    def test_is_detected_and_keeps_its_shape(self, client: Client) -> None:
        lead = self.post(client, "/enquiries/")
        assert (lead.form, lead.name, lead.email) == ("EnquirySerializer", "", EMAIL)
        assert lead.attribution["utm_source"] == "Flyer"
        assert lead.custom == {
            "who": {"full_name": "Jo"},
            "roofs": [{"kind": "flat"}],
            "tags": ["a", "b"],
            "birthday": "1990-01-01",
        }

    def test_mapped_and_excluded(self, client: Client) -> None:
        lead = self.post(client, "/mapped/")
        assert (lead.form, lead.name, lead.note) == ("enquiry", EMAIL, "a, b")
        assert lead.custom == {"who": {"full_name": "Jo"}}

    def test_all_of_it_excluded(self, client: Client) -> None:
        lead = self.post(client, "/excludes/")
        assert EMAIL not in str(vars(lead))

    def test_a_mapping_that_names_no_field(self, client: Client) -> None:
        wanted = (
            r"Wrong\.octanist_fields maps 'email' to 'who__adress', which is no field of the serializer\. Its fields"
        )
        with pytest.raises(OctanistConfigurationError, match=wanted):
            client.post("/wrong/", {}, content_type="application/json")


def test_a_body_that_cannot_be_parsed(client: Client) -> None:
    headers = {"X-Octanist-Session-ID": SESSION}
    response = client.post("/unread/", "<x/>", content_type="application/xml", headers=headers)
    assert response.status_code == 201
    assert Lead.objects.get().session_id == SESSION


def test_the_mixin_behind_the_frameworks_class() -> None:
    with pytest.raises(
        OctanistConfigurationError, match="put OctanistCreateMixin before Django REST framework's class"
    ):
        type("Wrong", (generics.CreateAPIView, OctanistCreateMixin), {})


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "django_octanist.contrib.drf")
    monkeypatch.setitem(sys.modules, "rest_framework", None)
    with pytest.raises(MissingPackageError, match=r'needs djangorestframework: pip install "django-octanist\[drf\]"'):
        importlib.import_module("django_octanist.contrib.drf")
