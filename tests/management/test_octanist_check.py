from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings
from django.utils import timezone

from django_octanist.models import DeliveryPause, Lead
from django_octanist.test import TestSandbox, octanist
from tests.delivery import UNREACHABLE, RawServer, http, make_lead, make_leads

__all__ = ["octanist"]

pytestmark = pytest.mark.django_db

PRIVATE = ["sandbox-key", "sk-wrong"]


def checked() -> tuple[str, str]:
    """Return what the command printed, and its error."""
    output = StringIO()
    try:
        call_command("octanist_check", stdout=output, stderr=output)
    except CommandError as error:
        return output.getvalue(), str(error)
    return output.getvalue(), ""


def paused(account: str = "default") -> None:
    DeliveryPause.objects.create(
        account=account, reason=DeliveryPause.Reason.UNAUTHORIZED, probe_at=timezone.now() + timedelta(days=1)
    )


def test_a_good_key(octanist: TestSandbox) -> None:
    make_leads(2)
    make_lead(status=Lead.Status.DELIVERED, next_attempt_at=None)
    output, error = checked()
    assert error == ""
    assert f"default: the key is valid at {octanist.api_url}; leads waiting: 2" in output
    (exchange,) = octanist.exchanges
    assert (exchange.method, exchange.path) == ("POST", "/api/check")


def test_it_resumes_what_was_paused(octanist: TestSandbox) -> None:
    paused()
    paused("shop")
    make_lead()
    output, _error = checked()
    assert "default: was paused, goes on" in output
    assert [row.account for row in DeliveryPause.objects.all()] == ["shop"]
    assert octanist.deliver() == 1


@pytest.mark.parametrize("keys", [{"OCTANIST_API_KEY": "sk-wrong"}, {"OCTANIST_API_KEY": ""}])
def test_a_wrong_or_missing_key(octanist: TestSandbox, keys: dict[str, str]) -> None:
    paused()
    with override_settings(**keys):
        output, error = checked()
    assert error == "Not ready: default. Captured leads wait; nothing is lost."
    assert "refuses the key" in output or "no API key is set" in output
    assert DeliveryPause.objects.exists()
    assert not [word for word in PRIVATE if word in output + error]


def test_every_account_is_asked_for(octanist: TestSandbox) -> None:
    paused()
    paused("shop")
    with override_settings(OCTANIST_API_KEYS={"shop": "sk-wrong", "later": ""}):
        output, error = checked()
    assert error == "Not ready: shop, later. Captured leads wait; nothing is lost."
    assert "default: was paused, goes on" in output
    assert [row.account for row in DeliveryPause.objects.all()] == ["shop"]
    assert not [word for word in PRIVATE if word in output + error]


def test_nobody_answers() -> None:
    paused()
    with override_settings(OCTANIST_API_URL=UNREACHABLE):
        output, error = checked()
    assert error.startswith("Not ready: default.")
    assert f"could not be checked at {UNREACHABLE}" in output
    assert DeliveryPause.objects.exists()


@pytest.mark.parametrize("reply", [http(500), http(404), http(200, b"<html>"), http(302, Location="/"), b""])
def test_what_answers_is_not_the_api(reply: bytes) -> None:
    paused()
    with RawServer(reply) as server, override_settings(OCTANIST_API_URL=server.api_url):
        output, error = checked()
    assert error.startswith("Not ready: default.")
    assert "could not be checked" in output
    assert DeliveryPause.objects.exists()


def test_wrong_settings_come_first(octanist: TestSandbox) -> None:
    with override_settings(OCTANIST_TIMEOUT="soon"), pytest.raises(SystemCheckError, match="OCTANIST_TIMEOUT"):
        call_command("octanist_check", stdout=StringIO(), stderr=StringIO())
    assert octanist.exchanges == ()
