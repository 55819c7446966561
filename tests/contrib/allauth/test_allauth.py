"""A sign-up through django-allauth is a lead: by form, by social login, by the headless API, or once verified."""

from __future__ import annotations

import inspect
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.account import admin, app_settings
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client

from django_octanist.contrib.allauth import capture_sign_ups, sign_up_data
from django_octanist.models import Lead
from tests.contrib.allauth.phones import PHONES
from tests.ways import EMAIL, PAGE, SESSION, WayIn

admin_confirms = pytest.mark.skipif(
    "email_confirmed" not in inspect.getsource(admin), reason="this release's admin sends no email_confirmed"
)

PASSWORD = "correct-horse-battery"
ACCOUNT = {"username": "jo", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture(autouse=True)
def no_phones() -> None:
    PHONES.clear()


@pytest.fixture
def connected() -> Iterator[Callable[..., None]]:
    """``capture_sign_ups`` for one test; then as the site has it."""
    yield capture_sign_ups
    capture_sign_ups()


@pytest.fixture
def verified_only(connected: Callable[..., None], settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    connected(verified_only=True)


def sign_up(client: Client, **posted: str) -> Any:
    return client.post("/accounts/signup/", {"email": EMAIL, **ACCOUNT, **posted})


def confirm(client: Client, *, posted: dict[str, str] | None = None) -> Any:
    """Open the link of the newest e-mail, and press the button there."""
    (link,) = re.findall(r"http://testserver(\S+)", mail.outbox[-1].body)
    assert client.get(link).status_code == 200
    return client.post(link, posted)


def social(client: Client, **posted: str) -> Any:
    """Log in at the provider for the first time: allauth makes an account of it."""
    to_provider = client.post("/accounts/dummy/login/")
    return client.post(to_provider.url, {"id": "7", "email": EMAIL, "email_verified": "on", **posted})


def is_user(**fields: Any) -> bool:
    return User.objects.filter(**{"email": EMAIL, **fields}).exists()


class TestForm(WayIn):
    form = "sign-up"

    def send(self, client: Client, **posted: str) -> Any:
        return sign_up(client, **posted)

    def accepted(self, response: Any) -> bool:
        return response.status_code in {200, 302} and is_user()


class TestSocialLogin(WayIn):
    form = "sign-up"

    def send(self, client: Client, **posted: str) -> Any:
        return social(client, **posted)

    def accepted(self, response: Any) -> bool:
        return response.status_code == 302 and is_user()


class TestHeadless(WayIn):
    form = "sign-up"

    def send(self, client: Client, **posted: str) -> Any:
        body = {"email": EMAIL, "username": "jo", "password": PASSWORD, **posted}
        return client.post("/_allauth/browser/v1/auth/signup", json.dumps(body), content_type="application/json")

    def accepted(self, response: Any) -> bool:
        # 400: the user name is taken.
        return response.status_code in {200, 400} and is_user()


@pytest.mark.usefixtures("verified_only")
class TestVerifiedOnly(WayIn):
    form = "sign-up"

    def send(self, client: Client, **posted: str) -> Any:
        assert sign_up(client).status_code in {200, 302}
        return confirm(client, posted=posted)

    def accepted(self, response: Any) -> bool:
        # 404: the link was used before.
        return response.status_code in {302, 404} and EmailAddress.objects.filter(email=EMAIL, verified=True).exists()


@pytest.mark.django_db
class TestWhatIsCaptured:
    def test_name_and_user_name_but_no_password(self, client: Client) -> None:
        social(client, username="jo", first_name="Jo", last_name="Roof")
        lead = Lead.objects.get()
        assert (lead.name, lead.email, lead.custom) == ("Jo Roof", EMAIL, {"username": "jo"})
        sign_up(Client(), email="kim@example.com", username="kim")
        assert PASSWORD not in json.dumps(list(Lead.objects.values()), default=str)

    def test_a_user_without_an_address(self, client: Client) -> None:
        assert sign_up(client, email="").status_code == 302
        lead = Lead.objects.get()
        assert (lead.email, lead.custom) == ("", {"username": "jo"})

    @pytest.mark.skipif(not hasattr(app_settings, "SIGNUP_FIELDS"), reason="this release of allauth asks for no phone")
    def test_the_phone_that_allauth_asks_for(self, client: Client) -> None:
        assert sign_up(client, phone="+31612345678").status_code == 302
        assert Lead.objects.get().phone == "+31612345678"

    def test_the_site_has_the_last_word(self, client: Client, connected: Callable[..., None]) -> None:
        connected(form="members", data=lambda user: {**sign_up_data(user), "note": "New", "custom": {}})
        sign_up(client)
        lead = Lead.objects.get()
        assert (lead.form, lead.email, lead.note, lead.custom) == ("members", EMAIL, "New", {})

    def test_the_site_captures_nothing(self, client: Client, connected: Callable[..., None]) -> None:
        connected(data=lambda user: {})
        assert sign_up(client).status_code == 302
        assert not Lead.objects.exists()

    def test_a_second_call_replaces_the_first(self, client: Client, connected: Callable[..., None]) -> None:
        connected(form="members")
        connected(form="sign-up")
        sign_up(client)
        assert Lead.objects.get().form == "sign-up"


@pytest.mark.django_db
class TestNothingBreaksASignUp:
    def test_an_error_of_the_site(
        self, client: Client, connected: Callable[..., None], caplog: pytest.LogCaptureFixture
    ) -> None:
        connected(data=lambda user: user.no_such_attribute)
        assert sign_up(client).status_code == 302
        assert is_user()
        assert "could not be captured: AttributeError" in caplog.text

    def test_a_query_that_fails(self, client: Client, connected: Callable[..., None], settings: Any) -> None:
        """On PostgreSQL it would end the site's transaction, if it were not in a savepoint."""

        def data(user: Any) -> dict[str, Any]:
            with connection.cursor() as cursor:
                cursor.execute("SELECT no_such_column FROM auth_user")
            return {}

        connected(data=data)
        assert sign_up(client).status_code == 302
        assert is_user()
        assert client.get("/").status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("verified_only")
class TestOnceVerified:
    def test_not_before(self, client: Client) -> None:
        sign_up(client)
        assert not Lead.objects.exists()
        confirm(client)
        assert Lead.objects.get().email == EMAIL

    def test_the_session_of_the_sign_up(self, client: Client) -> None:
        """The link opens another tab, in which the pixel has another session."""
        sign_up(client, octa_sid=SESSION)
        confirm(client, posted={"octa_sid": "another-session"})
        assert Lead.objects.get().session_id == SESSION

    def test_another_browser(self, client: Client) -> None:
        sign_up(client, octa_sid=SESSION)
        confirm(Client(), posted={"octa_sid": "another-session"})
        assert Lead.objects.get().session_id == "another-session"

    def test_of_another_user_nothing_is_carried_over(self, client: Client) -> None:
        sign_up(client, octa_sid=SESSION)
        client.post("/accounts/signup/", {**ACCOUNT, "username": "kim", "email": "kim@example.com", "octa_sid": "kims"})
        first = Client()
        first.cookies = client.cookies
        link = re.findall(r"http://testserver(\S+)", mail.outbox[0].body)[0]
        first.post(link)
        assert (Lead.objects.get().email, Lead.objects.get().session_id) == (EMAIL, "")

    def test_a_provider_that_vouches_for_the_address(self, client: Client) -> None:
        social(client)
        assert Lead.objects.get().email == EMAIL

    def test_a_provider_that_does_not(self, client: Client) -> None:
        social(client, email_verified="")
        assert not Lead.objects.exists()
        confirm(client)
        assert Lead.objects.get().email == EMAIL

    def test_a_second_address_of_the_same_user(self, client: Client) -> None:
        sign_up(client)
        confirm(client)
        client.force_login(User.objects.get())
        client.post("/accounts/email/", {"action_add": "", "email": "second@example.com"})
        assert mail.outbox[-1].to == ["second@example.com"]
        confirm(client)
        assert EmailAddress.objects.filter(verified=True).count() == 2
        assert Lead.objects.get().email == EMAIL

    def test_the_same_address_again(self, client: Client, settings: Any) -> None:
        settings.OCTANIST_DEDUPE_SECONDS = 0
        sign_up(client)
        confirm(client)
        EmailAddress.objects.update(verified=False)
        client.force_login(User.objects.get())
        client.post("/accounts/email/", {"action_send": "", "email": EMAIL})
        confirm(client)
        assert EmailAddress.objects.get().verified
        assert Lead.objects.count() == 1

    @admin_confirms
    def test_the_address_that_was_verified_not_the_first(self, client: Client) -> None:
        sign_up(client)
        EmailAddress.objects.create(user=User.objects.get(), email="second@example.com")
        assert mark_in_admin(client, email="second@example.com").status_code == 302
        assert Lead.objects.get().email == "second@example.com"

    @admin_confirms
    def test_by_a_member_of_staff(self, client: Client) -> None:
        """Of whose session and campaign nothing belongs to the user."""
        sign_up(Client())
        assert mark_in_admin(client, octa_sid=SESSION).status_code == 302
        lead = Lead.objects.get()
        assert (lead.email, lead.session_id, lead.attribution) == (EMAIL, "", {})

    def test_in_the_headless_api(self, client: Client, settings: Any) -> None:
        base, json_type = "/_allauth/browser/v1/auth", "application/json"
        body = {"email": EMAIL, "username": "jo", "password": PASSWORD, "octa_sid": SESSION}
        assert client.post(f"{base}/signup", json.dumps(body), content_type=json_type).status_code == 401
        key = urlsplit(re.findall(r"http://testserver(\S+)", mail.outbox[-1].body)[0]).path.rstrip("/").split("/")[-1]
        assert not Lead.objects.exists()
        client.post(f"{base}/email/verify", json.dumps({"key": key}), content_type=json_type)
        lead = Lead.objects.get()
        assert (lead.email, lead.session_id) == (EMAIL, SESSION)


@pytest.mark.django_db
@pytest.mark.usefixtures("verified_only")
class TestNobodyWillAskToConfirm:
    """Then it is captured at once: there will be no better moment."""

    def test_no_verification(self, client: Client, settings: Any) -> None:
        settings.ACCOUNT_EMAIL_VERIFICATION = "none"
        assert sign_up(client, octa_sid=SESSION).status_code == 302
        assert not mail.outbox
        lead = Lead.objects.get()
        assert (lead.email, lead.session_id) == (EMAIL, SESSION)

    def test_no_verification_of_social_logins(self, client: Client, settings: Any) -> None:
        settings.SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
        social(client, email_verified="")
        assert Lead.objects.get().email == EMAIL
        sign_up(Client(), username="kim", email="kim@example.com")
        assert Lead.objects.count() == 1

    def test_verification_of_social_logins_alone(self, client: Client, settings: Any) -> None:
        settings.ACCOUNT_EMAIL_VERIFICATION = "none"
        settings.SOCIALACCOUNT_EMAIL_VERIFICATION = "mandatory"
        social(client, email_verified="")
        assert not Lead.objects.exists()
        confirm(client)
        assert Lead.objects.get().email == EMAIL

    def test_no_address(self, client: Client, settings: Any) -> None:
        settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
        assert sign_up(client, email="").status_code == 302
        lead = Lead.objects.get()
        assert (lead.email, lead.custom) == ("", {"username": "jo"})

    @pytest.mark.skipif(not hasattr(app_settings, "SIGNUP_FIELDS"), reason="this release of allauth asks for no phone")
    def test_a_phone_only(self, client: Client, settings: Any) -> None:
        settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
        assert sign_up(client, email="", phone="+31612345678").status_code == 302
        assert Lead.objects.get().phone == "+31612345678"

    def test_an_address_later_is_no_second_lead(self, client: Client, settings: Any) -> None:
        settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
        sign_up(client, email="")
        client.post("/accounts/email/", {"action_add": "", "email": EMAIL})
        confirm(client)
        assert EmailAddress.objects.get(email=EMAIL).verified
        assert Lead.objects.get().email == ""

    def test_of_another_user_without_an_address(self, client: Client, settings: Any) -> None:
        settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
        sign_up(client, email="")
        other = Client()
        sign_up(other, username="kim", email="kim@example.com")
        confirm(other)
        assert [lead.email for lead in Lead.objects.order_by("pk")] == ["", "kim@example.com"]


def mark_in_admin(client: Client, *, email: str = EMAIL, **posted: str) -> Any:
    staff = User.objects.create_superuser("staff", "staff@example.com", PASSWORD)
    client.force_login(staff)
    chosen = EmailAddress.objects.get(email=email).pk
    action = {"action": "make_verified", "_selected_action": chosen, **posted}
    return client.post("/admin/account/emailaddress/", action, headers={"referer": PAGE})


def test_without_the_package() -> None:
    code = (
        "import sys; sys.modules['allauth'] = None\n"
        "import django; django.setup()\n"
        "import django_octanist.contrib.allauth"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'needs django-allauth: pip install "django-octanist[allauth]"' in done.stderr


def test_logging_is_silent_where_all_is_well(client: Client, db: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="django_octanist"):
        sign_up(client)
    assert not caplog.records
