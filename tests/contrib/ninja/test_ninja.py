from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, TypeVar

import ninja
import pytest
from django.http import HttpResponseBase
from django.test import Client
from ninja import ModelSchema, Schema
from pydantic import AfterValidator, EmailStr, RootModel

from django_octanist.contrib.missing import MissingPackageError
from django_octanist.contrib.ninja import _mapped, captures_lead
from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import Lead
from django_octanist.registry import register as register_model
from django_octanist.registry import unregister
from tests.site.models import Quote
from tests.ways import EMAIL, SESSION, WayIn

from .urls import Campaign, Contact, Visit

T = TypeVar("T")

CONTACT = {"name": "Jo", "email": EMAIL, "roof": "flat"}
ENQUIRY = {
    "who": {"full_name": "Jo", "reach_at": EMAIL, "unlock": "s3cret"},
    "roofs": [{"kind": "flat", "gate": "s3cret"}],
    "more": {"shed": {"kind": "tin", "gate": "s3cret"}},
    "password": "s3cret",
    "tags": ["a", "b"],
}

pytestmark = pytest.mark.django_db


class Json(WayIn):
    path: str
    keeps_a_row = True

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        octanist = {"meta": [{"octanist": posted}]} if posted else {}
        return client.post(f"/api{self.path}", {**CONTACT, **octanist}, content_type="application/json")

    def accepted(self, response: Any) -> bool:
        done = response.status_code == 200 and response.json() == {"done": True}
        return done and (not self.keeps_a_row or Quote.objects.exists())


class TestOperation(Json):
    path = "/contact/"

    def test_what_is_captured(self, client: Client) -> None:
        self.send(client)
        assert (self.lead().name, self.lead().custom) == ("Jo", {"roof": "flat"})

    def test_the_header(self, client: Client) -> None:
        headers = {"X-Octanist-Session-ID": SESSION}
        client.post("/api/contact/", CONTACT, content_type="application/json", headers=headers)
        assert self.lead().session_id == SESSION

    def test_what_is_not_valid_is_no_lead(self, client: Client) -> None:
        assert client.post("/api/contact/", {"email": EMAIL}, content_type="application/json").status_code == 422
        assert not Lead.objects.exists()


class TestAsyncOperation(Json):
    path = "/async/"


class TestAsyncOperationThatIsMarkedAsSuch(Json):
    """On Python 3.11 and before, ``inspect`` does not know the mark, but Django Ninja does."""

    path = "/marked/"


class TestFormOperation(Json):
    path = "/form/"

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        return client.post("/api/form/", {**CONTACT, **posted})


class TestOperationThatCapturesItself(Json):
    path = "/itself/"
    keeps_a_row = False


class TestAsyncOperationThatCapturesItself(Json):
    path = "/async-itself/"
    keeps_a_row = False


class TestARegisteredModel:
    """The operation saves its row itself: the row's lead is the operation's."""

    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        register_model(Quote, form="quote", name="full_name", email="email")
        yield
        unregister(Quote)

    @pytest.mark.parametrize("path", ["/contact/", "/async/", "/form/"])
    def test_one_lead_with_what_only_the_operation_knows(self, client: Client, path: str) -> None:
        data = {**CONTACT, "octa_sid": SESSION}
        kind: dict[str, Any] = {} if path == "/form/" else {"content_type": "application/json"}
        assert client.post(f"/api{path}", data, **kind).status_code == 200
        lead = Lead.objects.get()
        assert (lead.form, lead.session_id, lead.custom["roof"]) == ("quote", SESSION, "flat")

    def test_the_same_person_twice(self, client: Client) -> None:
        for roof in ("flat", "tiled", "tiled"):
            client.post("/api/contact/", {**CONTACT, "roof": roof}, content_type="application/json")
        assert sorted(lead.custom["roof"] for lead in Lead.objects.all()) == ["flat", "tiled"]

    def test_several_items_are_leads_of_their_own(self, client: Client) -> None:
        people = [{**CONTACT, "email": f"{number}@example.com"} for number in range(2)]
        client.post("/api/rows/", people, content_type="application/json")
        assert sorted(Lead.objects.values_list("form", flat=True)) == ["contact", "contact", "quote", "quote"]

    def test_several_rows_too(self, client: Client) -> None:
        client.post("/api/two-rows/", CONTACT, content_type="application/json")
        assert sorted(Lead.objects.values_list("form", flat=True)) == ["contact", "quote", "quote"]


def post(client: Client, path: str, data: Any = ENQUIRY) -> Lead | None:
    assert client.post(f"/api{path}", data, content_type="application/json").status_code == 200
    lead = Lead.objects.first()
    assert lead is None or "s3cret" not in str(vars(lead))
    return lead


class TestSchemas:
    def test_nested_ones_are_detected_and_keep_their_shape(self, client: Client) -> None:
        lead = post(client, "/enquiry/?utm_source=Flyer")
        assert lead is not None
        assert (lead.form, lead.name, lead.email) == ("enquiry", "", EMAIL)
        assert (lead.attribution["utm_source"], lead.sources["utm_source"]) == ("Flyer", "given")
        assert lead.custom == {
            "who": {"full_name": "Jo"},
            "roofs": [{"kind": "flat"}],
            "more": {"shed": {"kind": "tin"}},
            "tags": ["a", "b"],
        }

    def test_mapped_and_excluded(self, client: Client) -> None:
        lead = post(client, "/mapped/")
        assert lead is not None
        assert (lead.name, lead.email, lead.note, lead.custom) == ("Jo", EMAIL, "a, b", {})

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("/wrong/", "wrong.fields maps 'name' to 'who__nam', which is no field of the operation. Its fields: root"),
        ],
    )
    def test_what_only_a_call_shows_says_so_and_breaks_nothing(
        self, client: Client, caplog: pytest.LogCaptureFixture, path: str, said: str
    ) -> None:
        with caplog.at_level(logging.ERROR, logger="django_octanist"):
            assert post(client, path) is None
        assert said in caplog.text

    @pytest.mark.parametrize(
        ("data", "name"),
        [
            ("null", ""),
            (CONTACT, ""),
            ({"at": "noon"}, ""),
            ({"at": "noon", "who": None}, ""),
            ({"at": "noon", "who": {"full_name": "Jo", "reach_at": EMAIL}}, "Jo"),
        ],
    )
    def test_what_is_mapped_may_be_missing(
        self, client: Client, caplog: pytest.LogCaptureFixture, data: Any, name: str
    ) -> None:
        with caplog.at_level(logging.WARNING, logger="django_octanist"):
            lead = post(client, "/optional/", data)
        assert (lead is None, caplog.text) == (data == "null", "")
        assert lead is None or lead.name == name


ALIASED = {
    "email": EMAIL,
    **dict.fromkeys(("password", "cardNumber", "wachtwoord", "pin", "g"), "s3cret"),
    "keys": {"token": ["s3cret"]},
    "bank": {"account": "s3cret"},
    "card": {"kind": "debit", "number": "s3cret"},
    "i": [{"kind": "debit", "number": "s3cret"}],
    "token": {"value": "s3cret", "deep": {"a": {"kind": "s3cret"}}},
    "pass": {"value": "line 3"},
    "door": {"colour": "red", "password": "s3cret"},
    "roofKind": "flat",
}
OPEN = {
    "h": {"kind": "debit"},
    "i": [{"kind": "debit"}],
    "bus": {"value": "line 3", "deep": {}},
    "door": {"colour": "red"},
    "roof": "flat",
}


class TestSecrets:
    """Whatever a field is called: in the schema, or in what the visitor sends."""

    def test_by_an_alias(self, client: Client) -> None:
        lead = post(client, "/aliased/", ALIASED)
        assert lead is not None
        assert (lead.email, lead.custom) == (EMAIL, OPEN)

    def test_nested_and_in_lists(self, client: Client) -> None:
        lead = post(client, "/aliased-nested/", {"within": ALIASED, "many": [ALIASED], "named": {"a": ALIASED}})
        assert lead is not None
        item = {"email": EMAIL, **OPEN}
        assert (lead.email, lead.custom) == (EMAIL, {"contact": OPEN, "many": [item], "named": {"a": item}})


class TestTheBrowsersOwn:
    """What is in headers and cookies has no business in a lead."""

    @pytest.mark.parametrize(("path", "data"), [("/browser/", CONTACT), ("/browser-many/", [CONTACT])])
    def test_headers_and_cookies(self, client: Client, path: str, data: Any) -> None:
        client.cookies["sessionid"] = client.cookies["visitor"] = "s3cret"
        headers = dict.fromkeys(("Authorization", "X-Api-Key", "X-Visitor"), "s3cret")
        response = client.post(f"/api{path}", data, content_type="application/json", headers=headers)
        assert response.json() == {"done": True}
        lead = Lead.objects.get()
        assert (lead.name, lead.email, lead.custom) == ("Jo", EMAIL, {"roof": "flat"})
        assert "s3cret" not in str(vars(lead))


class TestValues:
    """What is no schema is a field by its name."""

    def found(self) -> tuple[str, str, str, Any]:
        lead = Lead.objects.get()
        assert "s3cret" not in str(vars(lead))
        return lead.name, lead.email, lead.note, lead.custom

    def test_of_a_form(self, client: Client) -> None:
        data = {"name": "Jo", "reach_at": EMAIL, "lock": "s3cret", "password": "s3cret", "reason": "rain"}
        response = client.post("/api/values/form/here/", {**data, "tags": ["a", "b"]})
        assert response.json() == {"done": True}
        assert self.found() == ("Jo", EMAIL, "rain", {"tags": ["a", "b"]})

    @pytest.mark.parametrize(("more", "custom"), [("", {}), ("&page=1", {"page": 1})])
    def test_of_the_query(self, client: Client, more: str, custom: Any) -> None:
        post(client, f"/values/query/?name=Jo&email={EMAIL}&token=s3cret{more}")
        assert self.found() == ("Jo", EMAIL, "", custom)

    def test_what_the_query_does_not_have_is_no_lead(self, client: Client) -> None:
        assert post(client, "/values/query/?utm_source=Flyer") is None

    def test_of_the_body(self, client: Client) -> None:
        data = {"name": "Jo", "email": EMAIL, "card": {"number": "s3cret", "kind": "debit"}}
        post(client, "/values/body/?utm_source=Flyer", data)
        assert self.found() == ("Jo", EMAIL, "", {"card": {"kind": "debit"}})
        assert Lead.objects.get().attribution["utm_source"] == "Flyer"

    def test_beside_schemas(self, client: Client) -> None:
        """What is in the body comes before the query; a schema's name is part of what its fields are called."""
        data = {"contact": CONTACT, "card": {"kind": "debit", "number": "s3cret"}, "note": "soon"}
        post(client, "/values/mixed/?name=Other", data)
        assert self.found() == ("Jo", EMAIL, "soon", {"roof": "flat", "kind": "debit"})

    def test_beside_a_list(self, client: Client) -> None:
        post(client, "/values/list/", {"contacts": [CONTACT, {**CONTACT, "name": "Al"}], "note": "soon"})
        assert [(lead.name, lead.note) for lead in Lead.objects.order_by("pk")] == [("Jo", "soon"), ("Al", "soon")]

    @pytest.mark.parametrize("path", ["/any/", "/mapping/"])
    @pytest.mark.parametrize("phone", ["", "0612345678"])
    def test_of_a_mapping(self, client: Client, caplog: pytest.LogCaptureFixture, path: str, phone: str) -> None:
        data = {**CONTACT, "password": "s3cret", "more": {"pin": "s3cret", "kind": "tin"}}
        post(client, path, {**data, "ring_me": phone} if phone else data)
        assert self.found() == ("Jo", EMAIL, "", {"roof": "flat", "more": {"kind": "tin"}})
        assert (Lead.objects.get().phone, caplog.text) == (phone, "")

    def test_of_a_dataclass(self, client: Client) -> None:
        post(client, "/dataclass/", {"colour": "red", "password": "s3cret"})
        assert self.found() == ("", "", "", {"colour": "red"})

    def test_of_many_mappings(self, client: Client) -> None:
        post(client, "/any/", [CONTACT, {**CONTACT, "name": "Al"}])
        assert [lead.name for lead in Lead.objects.order_by("pk")] == ["Jo", "Al"]

    @pytest.mark.parametrize("data", ["null", [], {}])
    def test_nothing_at_all(self, client: Client, caplog: pytest.LogCaptureFixture, data: Any) -> None:
        assert post(client, "/any/", data) is None
        assert caplog.text == ""

    def test_what_has_no_fields_at_all(self, client: Client) -> None:
        post(client, "/any/", '"roof"')
        assert self.found() == ("", "", "", {"payload": "roof"})


class TestLists:
    @pytest.mark.parametrize("path", ["/many/", "/async-many/", "/root/", "/one-or-many/"])
    def test_each_item_is_a_lead(self, client: Client, path: str) -> None:
        post(client, f"{path}?utm_source=Flyer", [CONTACT, {**CONTACT, "name": "Al", "roof": "tin"}])
        leads = [(lead.form, lead.name, lead.email, lead.custom) for lead in Lead.objects.order_by("pk")]
        assert leads == [("many", "Jo", EMAIL, {"roof": "flat"}), ("many", "Al", EMAIL, {"roof": "tin"})]
        assert {lead.attribution["utm_source"] for lead in Lead.objects.all()} == {"Flyer"}

    @pytest.mark.parametrize("path", ["/many/", "/async-many/", "/root/"])
    def test_an_empty_one_is_none(self, client: Client, caplog: pytest.LogCaptureFixture, path: str) -> None:
        assert post(client, path, []) is None
        assert caplog.text == ""

    def test_one_where_there_may_be_many(self, client: Client) -> None:
        lead = post(client, "/one-or-many/", CONTACT)
        assert lead is not None
        assert (lead.name, Lead.objects.count()) == ("Jo", 1)

    def test_beside_a_schema_it_is_part_of_its_lead(self, client: Client) -> None:
        roofs = [{"kind": "flat", "gate": "s3cret"}, {"kind": "tin"}]
        lead = post(client, "/beside/", {"contact": CONTACT, "roofs": roofs, "sheds": roofs})
        assert lead is not None
        assert (lead.name, Lead.objects.count()) == ("Jo", 1)
        assert lead.custom == {"roof": "flat", "roofs": [{"kind": "flat"}, {"kind": "tin"}]}


class Thing(Schema, Generic[T]):
    name: str
    extra: T


class Changed(Schema):
    who: Annotated[Contact, AfterValidator(lambda contact: contact)]


class Node(Schema):
    name: str
    child: Node | None = None


class QuoteSchema(ModelSchema):
    class Meta:
        model = Quote
        fields = ["full_name", "email"]


def register(annotation: Any, /, **told: Any) -> None:
    """Put ``captures_lead``, told so, on an operation that takes ``annotation``."""

    def operation(request: Any, payload: Any) -> None: ...

    operation.__annotations__ = {"payload": annotation}
    ninja.Router().post("/")(captures_lead(**told)(operation))


class TestRegistration:
    @pytest.mark.parametrize(
        "annotation",
        [
            *(ninja.File[ninja.UploadedFile], ninja.Header[Contact], ninja.Cookie[Contact], ninja.Header[Any]),
            *(ninja.Cookie[str], ninja.Path[str]),
        ],
        ids=str,
    )
    def test_an_operation_that_takes_nothing_of_the_visitors(self, annotation: Any) -> None:
        said = (
            r"operation takes nothing that a visitor fills in: call capture_lead\(\) in it, .* \(It takes: payload\.\)"
        )
        with pytest.raises(OctanistConfigurationError, match=said):
            register(annotation)

    @pytest.mark.skipif(not hasattr(ninja, "PatchDict"), reason="this release has no PatchDict")
    def test_a_patch(self) -> None:
        with pytest.raises(OctanistConfigurationError, match="takes nothing that a visitor fills in"):
            register(ninja.PatchDict[Contact])

    @pytest.mark.parametrize(
        "annotation", [str, int | None, Literal["a"], list[str], EmailStr, ninja.Query[list[int]]], ids=str
    )
    def test_a_value_is_a_field_by_its_name(self, annotation: Any) -> None:
        register(annotation, fields={"note": "payload"})
        with pytest.raises(OctanistConfigurationError, match=r"no field of the operation\. Its fields: payload\."):
            register(annotation, fields={"note": "pay"})

    def test_the_browsers_own_cannot_be_mapped(self) -> None:
        def operation(request: Any, payload: Any, headers: Any) -> None: ...

        operation.__annotations__ = {"payload": Contact, "headers": ninja.Header[Campaign]}
        with pytest.raises(OctanistConfigurationError, match="'note' to 'utm_source', which is no field"):
            ninja.Router().post("/")(captures_lead(fields={"note": "utm_source"})(operation))

    @pytest.mark.parametrize(
        "annotation",
        [
            *(Contact, Contact | None, Contact | Visit, list[Contact], list[Contact | Visit], QuoteSchema, Thing[int]),
            *(ninja.Body[Contact], ninja.Form[Contact], ninja.Query[Contact], Annotated[Contact, ninja.Form()]),
        ],
        ids=str,
    )
    def test_names_that_no_schema_has(self, annotation: Any) -> None:
        register(annotation, fields={"email": "name"} if annotation is not QuoteSchema else {"name": "full_name"})
        with pytest.raises(
            OctanistConfigurationError, match=r"operation\.fields maps 'name' to 'fullname', which is no"
        ):
            register(annotation, fields={"name": "fullname"})
        with pytest.raises(
            OctanistConfigurationError, match=r"operation\.fields maps 'nam', which is no field of a lead"
        ):
            register(annotation, fields={"nam": "email"})
        with pytest.raises(OctanistConfigurationError, match=r"operation\.exclude names 'emial', which is no field of"):
            register(annotation, exclude=["emial"])

    @pytest.mark.parametrize(
        ("annotation", "name"),
        [
            *((Contact | Visit, name) for name in ("roof", "at", "who__full_name")),
            *((ninja.Body[kind], "root__name") for kind in (Any, RootModel[Any], TypeVar("T"), list[Any], dict)),
            *((kind, "name") for kind in (ninja.Body[RootModel[list[Contact]]], list[RootModel[Contact]])),
            (Annotated[Contact, AfterValidator(lambda contact: contact)], "whatever"),
            *((Thing, name) for name in ("name", "extra", "extra__name")),
            (Changed, "who__whatever"),
            *((Node, name) for name in ("name", "child__name", "child__child__child__child__child__name")),
        ],
        ids=str,
    )
    def test_what_may_be_is_no_error(self, annotation: Any, name: str) -> None:
        register(annotation, fields={"name": name}, exclude=[name])

    def test_what_is_no_field_of_the_api_is_one_of_no_schema_at_all(self) -> None:
        with pytest.raises(OctanistConfigurationError, match="maps 'nam', which is no field of a lead"):
            register(ninja.Body[Any], fields={"nam": "name"})

    @pytest.mark.parametrize(
        ("misplaced", "said"), [(register, "@captures_lead on register"), ("contact", "'contact'")]
    )
    def test_without_parentheses_or_names(self, misplaced: Any, said: str) -> None:
        with pytest.raises(OctanistConfigurationError, match=rf'write @captures_lead\(form="contact"\), not {said}\.'):
            captures_lead(misplaced)


@pytest.mark.filterwarnings("ignore:Returning tuple")
class TestHowItEnds:
    @pytest.mark.parametrize(
        ("how", "status", "leads"),
        [("created", 201, 1), ("refused", 409, 0), ("response", 409, 0), ("raises", 422, 0)],
    )
    def test_only_a_success_is_a_lead(self, client: Client, how: str, status: int, leads: int) -> None:
        assert client.post(f"/api/ends/{how}/", CONTACT, content_type="application/json").status_code == status
        assert Lead.objects.count() == leads

    @pytest.mark.skipif(not hasattr(ninja, "Status"), reason="this release has no Status")
    def test_a_status(self) -> None:
        from django_octanist.contrib.ninja import _has_succeeded

        assert _has_succeeded(ninja.Status(201, {}))
        assert not _has_succeeded(ninja.Status(409, {}))


def test_above_the_operation() -> None:
    def operation(request: Any) -> None: ...

    decorated = ninja.NinjaAPI(urls_namespace="other").get("/")(operation)
    with pytest.raises(OctanistConfigurationError, match=r"put @captures_lead below @api\.post, not above"):
        captures_lead()(decorated)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "django_octanist.contrib.ninja")
    monkeypatch.setitem(sys.modules, "ninja", None)
    monkeypatch.setitem(sys.modules, "ninja.utils", None)
    with pytest.raises(MissingPackageError, match=r'needs django-ninja: pip install "django-octanist\[ninja\]"'):
        importlib.import_module("django_octanist.contrib.ninja")


def test_a_dataclass_that_has_not_set_all_its_fields() -> None:
    @dataclass
    class Roof:
        kind: str
        price: int = field(init=False)

    assert _mapped(Roof("flat")) == {"kind": "flat", "price": None}
