from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from django_octanist.consent import Consent, read_stored
from tests.consent.test_readers import COOKIEBOT, request_with
from tests.consent.test_tcf import string


def granting(request: HttpRequest) -> Consent | None:
    return Consent(ad_storage=request.headers.get("X-Consent") == "yes")


def silent(request: HttpRequest) -> Consent | None:
    return None


def broken(request: HttpRequest) -> Consent | None:
    raise ValueError("jo@example.com")


def sloppy(request: HttpRequest) -> Any:
    return {"ad_storage": True}


def use(settings: Any, *names: str) -> None:
    settings.OCTANIST_CONSENT_READERS = [f"tests.consent.test_stored.{name}" for name in names]


def test_the_sites_own_callable(settings: Any, rf: RequestFactory) -> None:
    use(settings, "silent", "granting")
    assert read_stored(rf.get("/", headers={"X-Consent": "yes"})) == (Consent(ad_storage=True), "granting")


@pytest.mark.parametrize("bad", ["broken", "sloppy", "missing"])
def test_a_reader_that_breaks_is_logged_and_passed_over(
    settings: Any, rf: RequestFactory, caplog: pytest.LogCaptureFixture, bad: str
) -> None:
    use(settings, bad, "granting")
    assert read_stored(rf.get("/")) == (Consent(ad_storage=False), "granting")
    assert f"tests.consent.test_stored.{bad}" in caplog.text
    assert "jo@example.com" not in caplog.text


def test_platforms_are_not_mixed() -> None:
    """TCF leaves statistics open; what another platform's cookie says is not taken for it."""
    request = request_with({"euconsent-v2": string(), "CookieConsent": "{necessary:true}", "cmplz_x": "allow"})
    assert read_stored(request)[0].analytics_storage is None


def test_the_first_that_knows_something_counts() -> None:
    request = request_with({"CookieConsent": COOKIEBOT.replace("MARKETING", "false"), "cmplz_marketing": "allow"})
    assert read_stored(request)[1] == "cookiebot"


def test_nothing_at_all(rf: RequestFactory) -> None:
    assert read_stored(rf.get("/")) == (Consent(), "")
