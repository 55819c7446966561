"""A form that an editor made in django CMS is a lead where its action is ticked."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from smtplib import SMTPServerDisconnected
from typing import Any
from urllib.parse import urlencode

import djangocms_form_builder
import pytest
from cms.api import add_plugin, create_page
from cms.models import CMSPlugin, Placeholder
from django.contrib.auth.models import User
from django.core.mail.backends.locmem import EmailBackend
from django.db import DatabaseError
from django.test import Client
from djangocms_form_builder.actions import SaveToDBAction, SendMailAction, get_hash
from djangocms_form_builder.entry_model import FormEntry
from djangocms_form_builder.models import Form

from django_octanist.contrib.cms import OctanistLeadAction
from django_octanist.models import Lead
from tests.contrib.cms.cms_plugins import DentistLeadAction
from tests.contrib.cms.forms import Brochure, CallBack
from tests.ways import EMAIL, WayIn


def actions(*classes: type) -> str:
    """What the plugin keeps where an editor ticked these and "Save form submission"."""
    return str([get_hash(action) for action in (SaveToDBAction, *classes)])


def page() -> Placeholder:
    """The placeholder of a published page."""
    content = create_page("Contact", "page.html", "en", slug="contact").get_content_obj("en")
    content.rescan_placeholders()
    return content.get_placeholders().get(slot="content")


def build(*classes: type, **fields: str) -> Form:
    """A page with a form that has ``fields``, name to plugin, and does the actions ``classes``."""
    form = add_plugin(page(), "FormPlugin", "en", form_name="contact", form_actions=actions(*classes))
    for name, plugin in {"email": "EmailFieldPlugin", **fields}.items():
        add_plugin(form.placeholder, plugin, "en", target=form, config={"field_name": name, "field_label": name})
    return form


def submit(client: Client, **posted: str) -> Any:
    """Read the page, and send its form where it says."""
    html = client.get("/contact/", follow=True).content.decode()
    (action,) = re.findall(r'<form id="form[^>]*action="([^"]+)"', html)
    referer = client.defaults.get("HTTP_REFERER", "http://testserver/contact/")
    headers = {"accept": "application/json", "user-agent": "tests", "referer": referer}
    if djangocms_form_builder.__version__ >= "0.6":
        return client.post(action, posted, headers=headers)
    # What the script of older releases sends, and their view reads.
    return client.post(action, urlencode(posted), content_type="application/x-www-form-urlencoded", headers=headers)


def raising(error: type[Exception]) -> Callable[..., None]:
    def refuse(*_given: Any, **_named: Any) -> None:
        raise error

    return refuse


class TestFormAction(WayIn):
    @pytest.fixture(autouse=True)
    def form_on_a_page(self, db: None) -> None:
        build(OctanistLeadAction)

    def send(self, client: Client, **posted: str) -> Any:
        return submit(client, email=EMAIL, **posted)

    def accepted(self, response: Any) -> bool:
        return response.json()["result"] == "success" and FormEntry.objects.exists()


@pytest.mark.django_db
class TestWhatIsCaptured:
    def test_fields_are_found(self, client: Client) -> None:
        build(OctanistLeadAction, your_name="CharFieldPlugin", message="TextareaPlugin", roof="CharFieldPlugin")
        submit(client, email=EMAIL, your_name="Jo", message="Leaks", roof="flat")
        lead = Lead.objects.get()
        assert (lead.name, lead.email, lead.note, lead.custom) == ("Jo", EMAIL, "Leaks", {"roof": "flat"})

    def test_secrets_stay(self, client: Client) -> None:
        build(OctanistLeadAction, iban="CharFieldPlugin", password="CharFieldPlugin")
        submit(client, email=EMAIL, iban="NL00BANK0123456789", password="sesame")
        assert Lead.objects.get().custom == {}

    def test_mapping_exclusion_and_account(self, client: Client, settings: Any) -> None:
        settings.OCTANIST_API_KEYS = {"dentist": "another-key"}
        fields = dict.fromkeys(("first", "last", "birthday", "message"), "CharFieldPlugin")
        build(DentistLeadAction, **fields)
        submit(client, email=EMAIL, first="Jo", last="Roof", birthday="1 May", message="Hurts")
        lead = Lead.objects.get()
        # Mapped is "wish", which this form does not have: the note is found as elsewhere.
        assert (lead.account, lead.name, lead.note, lead.custom) == ("dentist", "Jo Roof", "Hurts", {})

    def test_not_ticked_no_lead(self, client: Client) -> None:
        build()
        assert submit(client, email=EMAIL).json()["result"] == "success"
        assert FormEntry.objects.exists()
        assert not Lead.objects.exists()

    def test_an_email_that_is_refused(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(EmailBackend, "send_messages", raising(SMTPServerDisconnected))
        build(SendMailAction, OctanistLeadAction)
        submit(client, email=EMAIL)
        assert FormEntry.objects.exists()
        assert Lead.objects.get().email == EMAIL

    def test_an_entry_that_cannot_be_stored_is_no_lead(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(FormEntry, "save", raising(DatabaseError))
        client.raise_request_exception = False
        build(OctanistLeadAction)
        assert submit(client, email=EMAIL).status_code == 500
        assert not Lead.objects.exists()

    def test_an_invalid_form_is_no_lead(self, client: Client) -> None:
        build(OctanistLeadAction)
        assert submit(client, email="jo").json()["result"] == "invalid form"
        assert not Lead.objects.exists()

    def test_a_form_that_the_site_wrote(self, client: Client) -> None:
        add_plugin(page(), "FormPlugin", "en", form_selection=get_hash(CallBack))
        submit(client, telephone="0612345678")
        assert (Lead.objects.get().form, Lead.objects.get().phone) == ("CallBack", "0612345678")

    def test_a_form_with_the_mixin(self, client: Client) -> None:
        add_plugin(page(), "FormPlugin", "en", form_selection=get_hash(Brochure))
        submit(client, who="Jo")
        assert (Lead.objects.get().form, Lead.objects.get().name) == ("brochure", "Jo")


@pytest.mark.django_db
def test_an_editor_ticks_it(client: Client) -> None:
    client.force_login(User.objects.create_superuser("editor"))
    placeholder = page()
    where = {"placeholder_id": placeholder.pk, "plugin_type": "FormPlugin", "plugin_language": "en"}
    query = "&".join(
        f"{name}={value}" for name, value in {**where, "plugin_position": 1, "cms_path": "/contact/"}.items()
    )
    chosen = {"form_name": "contact", "form_actions": [get_hash(OctanistLeadAction)], "form_spacing": "mb-3"}
    more = {"sendemail_template": "default", "submitmessage_message": "Thanks", "attributes": "{}"}
    response = client.post(f"/admin/cms/placeholder/add-plugin/?{query}", {**chosen, **more}, follow=True)
    assert response.status_code == 200
    form = CMSPlugin.objects.get().get_bound_plugin()
    assert get_hash(OctanistLeadAction) in form.form_actions


def test_without_the_package() -> None:
    code = (
        "import sys; sys.modules['djangocms_form_builder'] = None\n"
        "import django; django.setup()\n"
        "import django_octanist.contrib.cms"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'needs djangocms-form-builder: pip install "django-octanist[cms]"' in done.stderr
