"""Wizards of django-formtools, step by step, as their visitors walk them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponseBase
from django.test import Client
from formtools.wizard.views import SessionWizardView

from django_octanist.contrib.formtools import OctanistWizardMixin
from django_octanist.contrib.missing import MissingPackageError
from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import Lead
from django_octanist.registry import register, unregister
from tests.site.models import Quote
from tests.ways import EMAIL, PAGE, SESSION, WayIn

STEPS: dict[str, dict[str, Any]] = {"roof": {"roof": "slate"}, "person": {"email": EMAIL}, "last": {}}
ALL_STEPS: dict[str, dict[str, Any]] = {
    "roof": {"roof": "slate", "comment": "Not on Mondays"},
    "person": {"first_name": "Jo", "last_name": "Smith", "email": EMAIL, "secret": "geheim"},
    "last": {"birthday": "1990-01-02", "comment": "Ring twice", "photo": "north side.png"},
}
MANY_STEPS: dict[str, dict[str, Any]] = {
    "windows": {
        "TOTAL_FORMS": "3",
        "INITIAL_FORMS": "0",
        "0-room": "Attic",
        "0-pin": "1234",
        "1-room": "Hall",
        "1-DELETE": "on",
        "2-room": "",
    },
    "person": {"reach_me": "0113 1", "income": "12345", "email": EMAIL},
    "word": {"email": "other@example.com", "diary": "Dear diary"},
}
PREFIXES = {
    "/cookie/": "cookie_wizard",
    "/mapped/": "mapped_wizard",
    "/saving/": "saving_wizard",
    "/many/": "many_kinds_wizard",
    "/fussy/": "fussy_wizard",
    "/named/": "named_wizard",
    "/named-fussy/": "named_fussy_wizard",
}


def post(client: Client, url: str, *, step: str, fields: dict[str, Any], page: str = "", **posted: Any) -> Any:
    """Send one step, from ``page``. What else is ``posted`` has no prefix, like the pixel's own field."""
    data: dict[str, Any] = {f"{step}-{name}": value for name, value in fields.items()}
    if "photo" in fields:
        data[f"{step}-photo"] = SimpleUploadedFile(fields["photo"], b"picture", content_type="image/png")
    prefix = PREFIXES.get(f"/{url.split('/')[1]}/", "wizard")
    headers = {"referer": page} if page else None
    return client.post(url, {f"{prefix}-current_step": step, **data, **posted}, headers=headers)


def walk(
    client: Client, url: str, steps: dict[str, dict[str, Any]] = STEPS, *, with_step: str = "", **posted: Any
) -> Any:
    """Walk the wizard; what else is ``posted`` goes with ``with_step``, or with each step."""
    client.get(url)
    response = None
    for step, fields in steps.items():
        response = post(client, url, step=step, fields=fields, **(posted if with_step in ("", step) else {}))
    return response


def thanked(response: Any) -> bool:
    newest = Quote.objects.latest("pk")
    return response.content.decode() == f"Thank you, quote {newest.pk}." and newest.email == EMAIL


class TestSessionWizard(WayIn):
    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        response: HttpResponseBase = walk(client, "/wizard/", **posted)
        return response

    def accepted(self, response: Any) -> bool:
        return thanked(response)


class TestCookieWizard(TestSessionWizard):
    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        response: HttpResponseBase = walk(client, "/cookie/", **posted)
        return response


class TestNamedUrlWizard(TestSessionWizard):
    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        response: HttpResponseBase = walk_named(client, **posted)
        return response


def walk_named(client: Client, *, query: str = "", **posted: Any) -> Any:
    """As a browser: each step's page is the Referer of its post and of the one behind it."""
    client.get("/named/roof/" + query)
    response: Any = None
    for step, fields in STEPS.items():
        response = post(client, f"/named/{step}/", step=step, fields=fields, **posted)
        assert response.status_code == 302, response.content
    return client.get(response["Location"])


pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("url", ["/wizard/", "/cookie/"])
def test_all_steps_are_one_lead(client: Client, url: str) -> None:
    assert thanked(walk(client, url, ALL_STEPS))
    lead = Lead.objects.get()
    assert (lead.form, lead.name, lead.email, lead.note) == ("contact", "Jo Smith", EMAIL, "Not on Mondays")
    assert lead.custom == {
        "roof": "slate",
        "birthday": "1990-01-02",
        "last-comment": "Ring twice",
        "photo": "north side.png",
    }


@pytest.mark.parametrize("step", STEPS)
def test_the_session_of_any_step(client: Client, step: str) -> None:
    walk(client, "/wizard/", with_step=step, octa_sid=SESSION)
    assert Lead.objects.get().session_id == SESSION


@pytest.mark.parametrize("step", STEPS)
def test_the_session_of_any_step_before_a_get(client: Client, step: str) -> None:
    client.get("/named/roof/")
    for name, fields in STEPS.items():
        more = {"octa_sid": SESSION, "ad_storage": "granted"} if name == step else {}
        response = post(client, f"/named/{name}/", step=name, fields=fields, **more)
    client.get(response["Location"])
    lead = Lead.objects.get()
    assert (lead.session_id, lead.consent["ad_storage"]) == (SESSION, True)


def test_a_session_that_cannot_be_one_does_not_replace_another(client: Client) -> None:
    client.get("/wizard/")
    for step, sid in zip(STEPS, (SESSION, "not one", ""), strict=True):
        post(client, "/wizard/", step=step, fields=STEPS[step], octa_sid=sid)
    assert Lead.objects.get().session_id == SESSION


@pytest.mark.parametrize("url", ["/wizard/", "/cookie/"])
def test_the_campaign_of_the_first_step(client: Client, url: str) -> None:
    client.get(url)
    for step, page in zip(
        STEPS, (PAGE, "http://testserver/elsewhere/", "http://testserver/?fbclid=Other"), strict=True
    ):
        response = post(client, url, step=step, fields=STEPS[step], page=page)
    assert thanked(response)
    lead = Lead.objects.get()
    assert lead.attribution == {
        "website": "http://testserver",
        "path": "/roofs/",
        "gclid": "Click-1",
        "utm_source": "google",
        "utm_medium": "cpc",
    }
    assert (lead.sources["gclid"], lead.sources["path"]) == ("referer", "referer")


def test_a_wizard_begun_anew_from_another_ad(client: Client) -> None:
    for page in (PAGE, "http://testserver/?gclid=Click-2"):
        client.get("/named/roof/")
        post(client, "/named/roof/", step="roof", fields=STEPS["roof"], page=page)
        post(client, "/named/person/", step="person", fields=STEPS["person"])
    response = post(client, "/named/last/", step="last", fields={})
    client.get(response["Location"])
    assert Lead.objects.get().attribution["gclid"] == "Click-2"


def test_a_campaign_is_not_kept_where_consent_is_required(client: Client, settings: Any) -> None:
    settings.OCTANIST_REQUIRE_CONSENT = True
    client.get("/wizard/")
    post(client, "/wizard/", step="roof", fields=STEPS["roof"], page=PAGE)
    assert "Click-1" not in str(dict(client.session))
    for step in ("person", "last"):
        post(client, "/wizard/", step=step, fields=STEPS[step], ad_storage="granted")
    lead = Lead.objects.get()
    assert "gclid" not in lead.attribution
    assert lead.consent["ad_storage"] is True


def test_what_is_kept_never_makes_the_wizards_cookie_too_long(client: Client) -> None:
    long = "http://testserver/roofs/?" + "&".join(f"{name}={name * 240}" for name in ("gclid", "msclkid", "ttclid"))
    client.get("/cookie/")
    response = post(client, "/cookie/", step="roof", fields=STEPS["roof"], page=long)
    assert len(response.cookies["wizard_cookie_wizard"].output(header="")) < 1_000
    post(client, "/cookie/", step="person", fields=STEPS["person"])
    assert thanked(post(client, "/cookie/", step="last", fields={}))
    assert Lead.objects.get().attribution["path"] == "/cookie/"


def test_mapping_exclusion_and_account(client: Client) -> None:
    walk(client, "/mapped/", ALL_STEPS)
    lead = Lead.objects.get()
    assert (lead.form, lead.account) == ("MappedWizard", "north")
    assert (lead.name, lead.note) == ("Smith", "Not on Mondays Ring twice")
    assert lead.custom == {"roof": "slate", "first_name": "Jo", "photo": "north side.png"}


def test_formsets_and_forms_with_a_word_of_their_own(client: Client) -> None:
    assert walk(client, "/many/", MANY_STEPS).content == b"Thank you."
    lead = Lead.objects.get()
    assert (lead.phone, lead.email) == ("0113 1", EMAIL)
    assert lead.custom == {"windows": [{"room": "Attic"}], "word-email": "other@example.com", "wrote": True}


def test_a_double_click_on_the_last_step(client: Client) -> None:
    client.get("/cookie/")
    for step in ("roof", "person"):
        post(client, "/cookie/", step=step, fields=STEPS[step])
    before = client.cookies["wizard_cookie_wizard"].value
    for _time in range(2):
        client.cookies["wizard_cookie_wizard"] = before
        assert thanked(post(client, "/cookie/", step="last", fields={}))
    assert Quote.objects.count() == 2
    Lead.objects.get()


def test_the_last_page_again(client: Client) -> None:
    assert thanked(walk_named(client))
    assert client.get("/named/done/").status_code == 302
    Lead.objects.get()


@pytest.mark.parametrize("url", ["/wizard/", "/named/done/"])
def test_no_lead_before_the_end(client: Client, url: str) -> None:
    walk(client, "/wizard/", {"roof": {"roof": "slate"}, "person": {"email": "no address"}})
    client.get(url)
    assert not Lead.objects.exists()


def test_no_lead_where_done_fails(client: Client) -> None:
    client.get("/broken/")
    with pytest.raises(ValueError, match="the site's own"):
        client.post("/broken/", {"broken_wizard-current_step": "person", "person-email": EMAIL})
    assert not Lead.objects.exists()


def fussy(comment: str) -> dict[str, dict[str, Any]]:
    return {"roof": {"roof": "slate", "comment": comment}, "person": {"email": EMAIL}}


@pytest.mark.parametrize(("comment", "status"), [("refused", 409), ("back", 200), ("declined", 200)])
def test_what_done_does_not_take_is_no_lead_until_it_does(client: Client, comment: str, status: int) -> None:
    assert walk(client, "/fussy/", fussy(comment)).status_code == status
    assert not Lead.objects.exists()
    for step, fields in fussy("Please").items():
        response = post(client, "/fussy/", step=step, fields=fields)
    assert response.content == b"Thank you."
    assert Lead.objects.get().note == "Please"


def test_going_back_by_a_redirect(client: Client) -> None:
    client.get("/named-fussy/roof/")
    for step, fields in fussy("back").items():
        post(client, f"/named-fussy/{step}/", step=step, fields=fields)
    assert client.get("/named-fussy/done/")["Location"] == "/named-fussy/roof/"
    assert not Lead.objects.exists()


def test_a_done_that_begins_the_wizard_anew_itself(client: Client) -> None:
    assert walk(client, "/fussy/", fussy("reset")).content == b"Thank you."
    assert Lead.objects.get().email == EMAIL


def test_a_wizard_goes_on_where_nothing_can_be_kept(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("django_octanist.contrib.formtools._plain", lambda _values: 1 / 0)
    assert thanked(walk(client, "/wizard/"))
    assert Lead.objects.get().email == EMAIL
    assert "ZeroDivisionError" in caplog.text


def test_the_visit_of_the_request_is_as_it_was(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    response = walk(client, "/wizard/")
    assert type(response.wsgi_request.octanist).__name__ == "Visit"


class EmailForm(forms.Form):
    email = forms.EmailField()


def test_the_mixin_must_come_first() -> None:
    with pytest.raises(OctanistConfigurationError, match="Late: put OctanistWizardMixin before WizardView"):

        class Late(SessionWizardView, OctanistWizardMixin):
            pass


def test_a_mapping_to_no_field_of_any_step() -> None:
    class Wrong(OctanistWizardMixin, SessionWizardView):
        form_list = [("only", EmailForm)]
        octanist_fields = {"name": "fullname"}

    with pytest.raises(OctanistConfigurationError, match=r"maps 'name' to 'fullname'.*Its fields: email, only-email"):
        Wrong.as_view()


def test_a_form_that_adds_fields_is_not_known_before() -> None:
    class Adding(EmailForm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fields["fullname"] = forms.CharField()

    class Fine(OctanistWizardMixin, SessionWizardView):
        form_list = [("only", Adding)]
        octanist_fields = {"name": "fullname"}

    assert Fine.as_view()


def test_without_formtools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "formtools.wizard.views", None)
    monkeypatch.delitem(sys.modules, "django_octanist.contrib.formtools")
    wanted = r'needs django-formtools: pip install "django-octanist\[formtools\]"'
    with pytest.raises(MissingPackageError, match=wanted):
        __import__("django_octanist.contrib.formtools")


class TestARegisteredModel:
    """The row that a wizard saves, and the wizard, are one lead."""

    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        register(Quote, form="quote", name="full_name", email="email")
        yield
        unregister(Quote)

    def test_a_row_that_a_steps_form_saves(self, client: Client) -> None:
        steps = {"quote": {"full_name": "Jo", "email": EMAIL}, "message": {"message": "The garage leaks"}}
        walk(client, "/saving/", steps, octa_sid=SESSION)
        lead, other = Lead.objects.get(email=EMAIL), Lead.objects.get(email="roofer@example.com")
        assert (lead.form, lead.note, lead.session_id) == ("quote", "The garage leaks", SESSION)
        assert (other.form, other.note) == ("quote", "")

    @pytest.mark.parametrize("url", ["/wizard/", "/cookie/"])
    def test_a_row_that_done_creates(self, client: Client, url: str) -> None:
        assert thanked(walk(client, url, ALL_STEPS, octa_sid=SESSION))
        lead = Lead.objects.get()
        assert (lead.form, lead.name, lead.note, lead.session_id) == ("quote", "Jo Smith", "Not on Mondays", SESSION)

    def test_the_same_person_twice(self, client: Client) -> None:
        for message in ("The garage leaks", "The house", "The house"):
            walk(client, "/wizard/", {**ALL_STEPS, "last": {"comment": message}})
        assert sorted(lead.custom["last-comment"] for lead in Lead.objects.all()) == ["The garage leaks", "The house"]
