"""Every way in that needs no other package, over HTTP: see ``tests/site/ways.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client

from django_octanist.models import Lead
from django_octanist.registry import register, unregister
from tests.site.models import Quote
from tests.ways import EMAIL, PAGE, SESSION, WayIn

PERSON = {"name": "Jo", "email": EMAIL}
ROW = {"full_name": "Jo", "email": EMAIL, "roof": "flat"}

pytestmark = pytest.mark.urls("tests.site.ways")


class Redirects(WayIn):
    """A view that redirects once it is done."""

    path: str
    fields = PERSON

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        return client.post(self.path, {**self.fields, **posted})

    def accepted(self, response: Any) -> bool:
        return bool(response.status_code == 302 and response["Location"] == "/thanks/")


class KeepsARow(Redirects):
    """A view that keeps a row, too."""

    fields = ROW

    def accepted(self, response: Any) -> bool:
        return super().accepted(response) and Quote.objects.filter(email=EMAIL).exists()


class TestFormView(Redirects):
    path = "/page/"


class TestCreateView(KeepsARow):
    path = "/create/"


class TestUpdateView(KeepsARow):
    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        row, _new = Quote.objects.get_or_create(roof="tiled")
        return client.post(f"/update/{row.pk}/", {**ROW, **posted, "roof": "tiled"})


class TestFunctionView(Redirects):
    path = "/function/"


class TestViewThatSavesItself(KeepsARow):
    path = "/saves/"


class TestModel(KeepsARow):
    path = "/row/"
    fields = PERSON

    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        register(Quote, form="contact", name="full_name", email="email")
        yield
        unregister(Quote)


class TestModelAndForm(TestModel):
    """The row's lead is the only one, and knows what the form knows."""

    path = "/create/"
    fields = ROW
    captures = 2

    def test_a_different_submission(self, client: Client) -> None:
        for roof in ("flat", "tiled", "tiled"):
            assert self.accepted(self.send(client, roof=roof))
        assert sorted(lead.custom["roof"] for lead in Lead.objects.all()) == ["flat", "tiled"]


class TestData(Redirects):
    path = "/data/"


class TestAsync(Redirects):
    path = "/async/"


class TestAsyncForm(Redirects):
    path = "/async-form/"


class TestAnotherFramework(Redirects):
    path = "/elsewhere/"

    @pytest.fixture(autouse=True)
    def _without_the_middleware(self, settings: Any) -> None:
        settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "octanist" not in path]


class TestJson(Redirects):
    path = "/json/"

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        octanist = {"meta": {"octanist": [posted]}} if posted else {}
        return client.post(self.path, {**PERSON, **octanist}, content_type="application/json")


class TestHtmx(Redirects):
    path = "/fragment/"

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        # A page whose policy keeps its query out of the Referer.
        page = client.defaults.pop("HTTP_REFERER", "http://testserver/")
        headers = {"HX-Request": "true", "HX-Current-URL": page, "Referer": "http://testserver/"}
        return client.post(self.path, {**PERSON, **posted}, headers=headers)

    def accepted(self, response: Any) -> bool:
        return bool(response.content == b"<p>Thanks</p>")

    def test_the_page(self, client: Client) -> None:
        client.defaults["HTTP_REFERER"] = PAGE
        self.send(client)
        assert self.lead().attribution["path"] == "/roofs/"


def forms_of(prefix: str, *filled: dict[str, Any], total: int = 0, initial: int = 0) -> dict[str, Any]:
    """What a browser posts of a formset whose forms are ``filled``."""
    management = {f"{prefix}-TOTAL_FORMS": total or len(filled), f"{prefix}-INITIAL_FORMS": initial}
    fields = {f"{prefix}-{number}-{name}": value for number, form in enumerate(filled) for name, value in form.items()}
    return management | fields


class TestFormSet(Redirects):
    path = "/several/"

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        return client.post(self.path, {**forms_of("guests", PERSON, {}, {}), **posted})

    def accepted(self, response: Any) -> bool:
        return bool(response.status_code == 200 and response.content.endswith(b"leads"))

    def test_a_lead_for_each_filled_form(self, client: Client) -> None:
        guests = [PERSON, {}, {"name": "Flo", "email": "flo@example.com", "ORDER": "1"}]
        response = client.post(self.path, {**forms_of("guests", *guests), "octa_sid": SESSION})
        assert response.content == b"2 leads"
        found = Lead.objects.order_by("pk")
        assert [(lead.name, lead.session_id, lead.custom) for lead in found] == [
            ("Jo", SESSION, {}),
            ("Flo", SESSION, {}),
        ]

    def test_a_deleted_one_is_none(self, client: Client) -> None:
        guests = [{**PERSON, "DELETE": "on"}, {"name": "Flo", "email": "flo@example.com"}]
        assert client.post(self.path, forms_of("guests", *guests)).content == b"1 leads"
        assert Lead.objects.get().name == "Flo"

    def test_one_that_fails_does_not_keep_the_others(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def data(form: Any) -> dict[str, Any]:
            return {"name": form.cleaned_data["name"], "email": {}[form.prefix] if form.prefix[-1] == "0" else ""}

        monkeypatch.setattr("tests.site.ways.ContactForm.get_octanist_data", data)
        guests = [PERSON, {"name": "Flo", "email": "flo@example.com"}]
        assert client.post(self.path, forms_of("guests", *guests)).content == b"1 leads"


class TestFormSetInAFormView(Redirects):
    path = "/several-page/"

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        return client.post(self.path, {**forms_of("form", PERSON, {}, {}), **posted})


class TestModelFormSet(KeepsARow):
    path = "/several-rows/"

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        Quote.objects.all().delete()
        return client.post(self.path, {**forms_of("form", ROW, {}), **posted})

    def test_rows_that_stay_as_they_were_are_none(self, client: Client) -> None:
        kept = Quote.objects.create(full_name="Old", email="old@example.com")
        gone = Quote.objects.create(full_name="Gone", email="gone@example.com")
        rows = [
            {"id": kept.pk, "full_name": "Old", "email": "old@example.com", "roof": ""},
            {"id": gone.pk, "full_name": "Gone", "email": "new@example.com", "roof": "", "DELETE": "on"},
            {"id": "", **ROW},
        ]
        assert self.accepted(client.post(self.path, forms_of("form", *rows, initial=2)))
        assert self.lead().custom == {"roof": "flat"}
        assert not Quote.objects.filter(pk=gone.pk).exists()
