"""Forms of wagtailstreamforms on a page, as their visitors see them."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError
from django.http import HttpResponseBase
from django.test import Client
from wagtail.models import Site
from wagtailstreamforms import hooks
from wagtailstreamforms.models import Form, FormSubmission

from django_octanist.contrib import wagtailstreamforms as adapter
from django_octanist.contrib.missing import MissingPackageError
from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import Lead
from tests.ways import EMAIL, PAGE, WayIn

from .models import PlainPage

FIELDS = {
    "First name": "singleline",
    "Last name": "singleline",
    "Email": "email",
    "Ring me": "singleline",
    "Birthday": "date",
    "Message": "multiline",
    "Photos": "multifile",
    "Door PIN": "singleline",
    "Test": "checkbox",
}
SAVE, SEND = "save_form_submission_data", "send_to_octanist"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _media(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def page() -> Any:
    home = Site.objects.get(is_default_site=True).root_page
    return home.add_child(instance=PlainPage(title="Talk to us", slug="talk"))


@pytest.fixture
def form() -> Any:
    blocks = [
        {"type": kind, "value": {"label": label, "required": False, "help_text": "", "default_value": ""}}
        for label, kind in FIELDS.items()
    ]
    return Form.objects.create(
        title="Contact",
        slug="contact",
        template_name="streamforms/form_block.html",
        fields=json.dumps(blocks),
        success_message="Thank you.",
        process_form_submission_hooks=[SAVE, SEND],
    )


def submit(client: Client, page: Any, form: Any, **posted: Any) -> Any:
    data = {"form_id": form.pk, "form_reference": "the-only-one", "email": EMAIL, **posted}
    return client.post(page.url, data, follow=True)


class TestWayIn(WayIn):
    @pytest.fixture(autouse=True)
    def _page(self, page: Any, form: Any) -> None:
        self.page, self.built = page, form

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        response: HttpResponseBase = submit(client, self.page, self.built, **posted)
        return response

    def accepted(self, response: Any) -> bool:
        newest = FormSubmission.objects.latest("pk")
        return "Thank you." in response.content.decode() and EMAIL in str(newest.form_data)


def test_what_is_captured(client: Client, page: Any, form: Any) -> None:
    posted = {
        "first-name": "Jo",
        "last-name": "Smith",
        "ring-me": "0113 1",
        "birthday": "1990-01-02",
        "message": "Hello\nthere",
        "door-pin": "1234",
        "photos": [SimpleUploadedFile("a.png", b"a"), SimpleUploadedFile("b.png", b"b")],
    }
    submit(client, page, form, **posted)
    lead = Lead.objects.get()
    assert (lead.form, lead.account, lead.email, lead.phone) == ("contact", "north", EMAIL, "0113 1")
    assert (lead.name, lead.note) == ("Jo Smith", "Hello\nthere")
    assert lead.custom == {"page_title": "Talk to us", "photos": ["a.png", "b.png"], "test": False}
    assert lead.attribution["path"] == "/talk/"


def test_the_visit_is_the_requests(client: Client, page: Any, form: Any) -> None:
    client.post(page.url, {"form_id": form.pk, "form_reference": "x", "email": EMAIL}, headers={"referer": PAGE})
    assert Lead.objects.get().attribution["gclid"] == "Click-1"


@pytest.mark.parametrize(
    ("chosen", "posted"),
    [
        ([SAVE], {}),
        ([SAVE, SEND], {"email": "no address"}),
        ([SAVE, SEND], {"test": "on"}),
    ],
    ids=["not chosen", "invalid", "the site's last word"],
)
def test_no_lead(client: Client, page: Any, form: Any, chosen: list[str], posted: dict[str, str]) -> None:
    Form.objects.update(process_form_submission_hooks=chosen)
    assert submit(client, page, form, **posted).status_code == 200
    assert not Lead.objects.exists()


class TestAHookRaises:
    @pytest.fixture(autouse=True)
    def _registered_anew(self, monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
        """As where the site's app is listed before wagtailstreamforms."""
        monkeypatch.setattr(hooks, "_hooks", {})
        monkeypatch.setattr(hooks, "_searched_for_hooks", False)
        monkeypatch.setattr(adapter, "_registered", [])
        for app in ("wagtailstreamforms", "tests.contrib.wagtailstreamforms"):
            monkeypatch.delitem(sys.modules, f"{app}.wagtailstreamforms_hooks")
        import_module("tests.contrib.wagtailstreamforms.wagtailstreamforms_hooks")
        client.raise_request_exception = False

    def test_what_cannot_be_stored_is_no_lead(
        self, client: Client, page: Any, form: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_given: Any, **_named: Any) -> None:
            raise DatabaseError

        monkeypatch.setattr(FormSubmission, "save", refuse)
        assert submit(client, page, form).status_code == 500
        assert not Lead.objects.exists()

    def test_what_is_stored_is_a_lead_though_its_email_is_refused(self, client: Client, page: Any, form: Any) -> None:
        def send_email(instance: Any, form: Any) -> None:
            raise ConnectionRefusedError

        hooks.register("process_form_submission", send_email)
        Form.objects.update(process_form_submission_hooks=["send_email", SAVE, SEND])
        assert submit(client, page, form).status_code == 500
        assert FormSubmission.objects.exists()
        assert Lead.objects.get().email == EMAIL


def test_an_editor_chooses_the_hook(client: Client, form: Any) -> None:
    client.force_login(User.objects.create_superuser("editor"))
    edit = client.get(f"/cms/wagtailstreamforms/form/edit/{form.pk}/").content.decode()
    assert "Send to octanist" in edit


def test_it_is_registered_once() -> None:
    with pytest.raises(OctanistConfigurationError, match="called already"):
        adapter.register_hook()
    assert [fn.__name__ for fn in hooks.get_hooks("process_form_submission")].count(SEND) == 1


def test_a_mapping_that_cannot_be_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_registered", [])
    with pytest.raises(OctanistConfigurationError, match="maps 'surname', which is no field of a lead"):
        adapter.register_hook(fields={"surname": "last-name"})


def test_without_wagtailstreamforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wagtailstreamforms", None)
    monkeypatch.delitem(sys.modules, "django_octanist.contrib.wagtailstreamforms")
    with pytest.raises(MissingPackageError, match=r'pip install "django-octanist\[wagtailstreamforms\]"'):
        __import__("django_octanist.contrib.wagtailstreamforms")
