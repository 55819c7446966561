"""Wagtail's own form pages, as their visitors see them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import DatabaseError, transaction
from django.db.migrations.state import ProjectState
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse
from wagtail.contrib.forms.models import AbstractEmailForm, AbstractForm, FormSubmission
from wagtail.models import Page, Site

from django_octanist.contrib.missing import MissingPackageError
from django_octanist.contrib.wagtail import OctanistFormPageMixin
from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import Lead
from tests.ways import EMAIL, PAGE, WayIn

from .models import EmailFormPage, FormPage, OwnWorkPage

CONTACT = {
    "First name": "singleline",
    "Last name": "singleline",
    "Email address": "email",
    "Ring me at": "singleline",
    "Message": "multiline",
    "Roof": "dropdown",
    "Extras": "checkboxes",
    "Since": "date",
    "Area": "number",
    "Door PIN": "singleline",
}
VISIT = {"Title": "singleline", "Email": "email", "Ring me": "singleline", "Birthday": "date", "Message": "multiline"}

Publish = Callable[..., Any]


@pytest.fixture
def home(db: None) -> Page:
    """The home page that Wagtail's own migrations make."""
    return Site.objects.get(is_default_site=True).root_page


@pytest.fixture
def publish(home: Page) -> Publish:
    """Put a form page of a class beneath the home page, as an editor would; ``fields`` are labels and types."""

    def publish(page_class: Any, *, slug: str, fields: dict[str, str], **columns: Any) -> Any:
        page = home.add_child(instance=page_class(slug=slug, **{"title": "Talk to us", **columns}))
        for label, kind in fields.items():
            page.form_fields.create(label=label, field_type=kind, required=False, choices="Slate, Tile")
        page.save()
        return page

    return publish


class TestWayIn(WayIn):
    @pytest.fixture(autouse=True)
    def _page(self, publish: Publish) -> None:
        self.page = publish(FormPage, slug="contact", fields=CONTACT)

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        return client.post(self.page.url, {"email_address": EMAIL, **posted})

    def accepted(self, response: Any) -> bool:
        newest = FormSubmission.objects.latest("pk")
        thanked = f"Thank you, submission {newest.pk}." in response.content.decode()
        return bool(thanked and newest.form_data["email_address"] == EMAIL)


class TestWayInWithAnEmail(WayIn):
    form = "visit"

    @pytest.fixture(autouse=True)
    def _page(self, publish: Publish) -> None:
        self.page = publish(EmailFormPage, slug="come-by", fields=VISIT, to_address="office@example.com")

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        return client.post(self.page.url, {"email": EMAIL, **posted})

    def accepted(self, response: Any) -> bool:
        newest = FormSubmission.objects.latest("pk")
        thanked = f"Thank you, submission {newest.pk}." in response.content.decode()
        return thanked and EMAIL in mail.outbox[-1].body


@pytest.fixture
def contact(publish: Publish) -> Any:
    return publish(FormPage, slug="contact", fields=CONTACT)


def test_what_is_captured(client: Client, contact: Any) -> None:
    posted = {
        "first_name": "Jo",
        "last_name": "Smith",
        "email_address": EMAIL,
        "message": "Hello\nthere",
        "roof": "Slate",
        "extras": ["Slate", "Tile"],
        "since": "2024-05-06",
        "area": "80.5",
        "door_pin": "1234",
    }
    client.post(contact.url, posted, headers={"referer": PAGE})
    lead = Lead.objects.get()
    assert (lead.name, lead.email, lead.note) == ("Jo Smith", EMAIL, "Hello\nthere")
    assert lead.custom == {
        "page_title": "Talk to us",
        "roof": "Slate",
        "extras": ["Slate", "Tile"],
        "since": "2024-05-06",
        "area": "80.5",
    }
    assert (lead.attribution["website"], lead.attribution["path"]) == ("http://testserver", "/roofs/")
    assert "1234" not in repr(lead.custom)


def test_the_path_is_the_page(client: Client, contact: Any) -> None:
    client.post(contact.url, {"email_address": EMAIL})
    assert Lead.objects.get().attribution["path"] == contact.url == "/contact/"


def test_mapping_exclusion_and_account(client: Client, publish: Publish) -> None:
    page = publish(EmailFormPage, slug="come-by", fields=VISIT)
    posted = {"title": "Dr Jo", "email": EMAIL, "ring_me": "0113 1", "birthday": "1990-01-02", "message": "Hi"}
    client.post(page.url, posted)
    lead = Lead.objects.get()
    assert (lead.form, lead.account, lead.name, lead.phone, lead.note) == ("visit", "north", "Dr Jo", "0113 1", "Hi")
    assert lead.custom == {"page_title": "Talk to us"}


def test_a_mapped_field_that_an_editor_took_out_is_found_by_itself(client: Client, publish: Publish) -> None:
    page = publish(EmailFormPage, slug="come-by", fields={"Your name": "singleline", "Phone": "singleline"})
    client.post(page.url, {"your_name": "Jo", "phone": "0113 1"})
    lead = Lead.objects.get()
    assert (lead.name, lead.phone) == ("Jo", "0113 1")


def test_a_page_that_does_its_own_work(client: Client, contact: Any, home: Page) -> None:
    page = home.add_child(instance=OwnWorkPage(title="Own work", slug="own"))
    client.post(page.url, {"email_address": EMAIL}, headers={"referer": PAGE})
    lead = Lead.objects.get()
    assert (lead.form, lead.attribution["gclid"], lead.custom) == ("own", "Click-1", {"page_title": "Own work"})
    assert FormSubmission.objects.get().form_data == {"own": "work"}


@pytest.mark.parametrize("posted", [{}, {"message": "Hello"}, {"email_address": "no address"}])
def test_no_lead(client: Client, contact: Any, posted: dict[str, str]) -> None:
    assert client.post(contact.url, posted).status_code == 200
    assert not Lead.objects.exists()


def test_without_the_middleware_the_page_knows_its_request(client: Client, contact: Any, settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "octanist" not in name]
    client.post(contact.url, {"email_address": EMAIL}, headers={"referer": PAGE})
    assert Lead.objects.get().attribution["gclid"] == "Click-1"


def raising(error: type[Exception]) -> Callable[..., None]:
    def refuse(*_given: Any, **_named: Any) -> None:
        raise error

    return refuse


class TestWhatComesAfterTheSubmissionRaises:
    @pytest.fixture(autouse=True)
    def _page(self, publish: Publish, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.page = publish(EmailFormPage, slug="come-by", fields=VISIT, to_address="office@example.com")
        monkeypatch.setattr(EmailBackend, "send_messages", raising(ConnectionRefusedError))
        client.raise_request_exception = False

    def send(self, client: Client) -> None:
        assert client.post(self.page.url, {"email": EMAIL}, headers={"referer": PAGE}).status_code == 500

    def test_the_submission_is_kept_and_is_a_lead(self, client: Client) -> None:
        self.send(client)
        assert FormSubmission.objects.get().form_data["email"] == EMAIL
        lead = Lead.objects.get()
        assert (lead.form, lead.email, lead.attribution["gclid"]) == ("visit", EMAIL, "Click-1")

    def test_the_exception_is_the_sites(self, client: Client) -> None:
        client.raise_request_exception = True
        with pytest.raises(ConnectionRefusedError):
            client.post(self.page.url, {"email": EMAIL})

    def test_a_submission_that_cannot_be_stored(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(FormSubmission, "save", raising(DatabaseError))
        self.send(client)
        assert not Lead.objects.exists()

    def test_a_submission_that_the_site_takes_back(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        process = AbstractEmailForm.process_form_submission
        monkeypatch.setattr(AbstractEmailForm, "process_form_submission", transaction.atomic(process))
        self.send(client)
        assert not FormSubmission.objects.exists()
        assert not Lead.objects.exists()

    def test_a_transaction_that_is_rolled_back(
        self, client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(page: Any, form: Any) -> None:
            transaction.set_rollback(True)
            raise DatabaseError

        monkeypatch.setattr(AbstractEmailForm, "send_mail", broken)
        monkeypatch.setitem(transaction.get_connection().settings_dict, "ATOMIC_REQUESTS", True)
        self.send(client)
        assert not FormSubmission.objects.exists()
        assert not Lead.objects.exists()
        assert "could not be captured" not in caplog.text

    def test_a_preview(self, client: Client, rf: Any) -> None:
        request = rf.post("/come-by/", {"email": EMAIL})
        request.user, request.is_preview = None, True
        with pytest.raises(ConnectionRefusedError):
            self.page.serve(request)
        assert FormSubmission.objects.exists()
        assert not Lead.objects.exists()


class TestAdmin:
    @pytest.fixture(autouse=True)
    def _editor(self, client: Client, db: None) -> None:
        client.force_login(User.objects.create_superuser("editor"))

    def test_an_editor_builds_previews_and_publishes(self, client: Client, home: Page) -> None:
        fields = {
            f"form_fields-{name}": value
            for name, value in {
                "TOTAL_FORMS": "1",
                "INITIAL_FORMS": "0",
                "MIN_NUM_FORMS": "0",
                "MAX_NUM_FORMS": "1000",
                "0-label": "Email address",
                "0-field_type": "email",
                "0-ORDER": "1",
                "0-id": "",
            }.items()
        }
        comments = {"TOTAL_FORMS": "0", "INITIAL_FORMS": "0", "MIN_NUM_FORMS": "0", "MAX_NUM_FORMS": ""}
        built = {
            "title": "Ask",
            "slug": "ask",
            "action-publish": "1",
            **fields,
            **{f"comments-{name}": value for name, value in comments.items()},
        }
        place = ("built", "formpage", home.pk)
        preview = reverse("wagtailadmin_pages:preview_on_add", args=place)
        assert client.get(reverse("wagtailadmin_pages:add", args=place)).status_code == 200
        assert client.post(preview, built).json()["is_valid"] is True
        for mode in ("form", "landing"):
            shown = client.get(preview, {"mode": mode}).content.decode()
            assert ("email_address" in shown) == (mode == "form")
        assert client.post(reverse("wagtailadmin_pages:add", args=place), built).status_code == 302
        page = FormPage.objects.get(slug="ask")
        assert client.get(reverse("wagtailadmin_pages:edit", args=[page.pk])).status_code == 200
        assert not Lead.objects.exists()
        client.post(page.url, {"email_address": EMAIL})
        assert Lead.objects.get().form == "ask"
        submissions = client.get(reverse("wagtailforms:list_submissions", args=[page.pk])).content.decode()
        assert EMAIL in submissions

    def test_a_preview_never_captures(self, client: Client, contact: Any, home: Page) -> None:
        page = home.add_child(instance=OwnWorkPage(title="Own work", slug="own"))
        page.save_revision()
        shown = client.get(reverse("wagtailadmin_pages:view_draft", args=[page.pk])).content.decode()
        # It has submitted its form, and nothing came of that here.
        assert "Thank you" in shown
        assert FormSubmission.objects.count() == 1
        assert not Lead.objects.exists()


def test_a_page_that_was_served_is_pickled_and_keeps_no_request(rf: Any, contact: Any) -> None:
    page = FormPage.objects.get()
    request = rf.get("/contact/")
    request.user = None
    page.serve(request)
    assert pickle.loads(pickle.dumps(page)) == contact
    assert page._octanist_request is None


def test_models_of_migrations_have_the_mixin(db: None) -> None:
    assert issubclass(ProjectState.from_apps(apps).apps.get_model("built", "FormPage"), OctanistFormPageMixin)


def test_the_mixin_must_come_first() -> None:
    with pytest.raises(OctanistConfigurationError, match="Late: put OctanistFormPageMixin before FormMixin"):

        class Late(AbstractForm, OctanistFormPageMixin):
            class Meta:
                abstract = True


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("octanist_fields", {"surname": "your_name"}, "maps 'surname', which is no field of a lead"),
        ("octanist_fields", ["name"], "must be a dict"),
        ("octanist_exclude", "birthday", "not a string"),
    ],
)
def test_a_mapping_that_cannot_be_right(column: str, value: Any, message: str) -> None:
    with pytest.raises(OctanistConfigurationError, match=message):
        type("Page", (OctanistFormPageMixin,), {column: value})


def test_without_wagtail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wagtail.contrib.forms.models", None)
    monkeypatch.delitem(sys.modules, "django_octanist.contrib.wagtail")
    with pytest.raises(MissingPackageError, match=r'needs wagtail: pip install "django-octanist\[wagtail\]"'):
        __import__("django_octanist.contrib.wagtail")
