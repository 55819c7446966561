from __future__ import annotations

from typing import Any

import pytest
from django.core import signing
from django.http import HttpResponse
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.attribution import remembered
from django_octanist.attribution.remembered import COOKIE, MAX_COOKIE, parse, serialise
from django_octanist.vocabulary import CAMPAIGN

AGE = 1000
USUAL = {
    "gclid": "CjwKCAjw7pKFBhAuEiwAqIhV1u2Xm5n0Zx3yQ9s8r7p6o5n4m3l2k1j0hGfEdCbA_BwE",
    "fbc": "fb.1.1752073534000.IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk",
    "utm_source": "google",
    "utm_medium": "cpc",
    "utm_campaign": "NL | Search | Roof repair | Brand",
}


@given(st.dictionaries(st.sampled_from(CAMPAIGN), st.text(min_size=1, max_size=60), max_size=8))
def test_what_is_written_is_read(campaign: dict[str, str]) -> None:
    assert parse(serialise(campaign), max_age=AGE) == campaign


def test_a_usual_visit_is_small() -> None:
    assert len(serialise(USUAL)) < 600


def test_an_unusual_one_loses_its_longest_values_and_nothing_else() -> None:
    hostile = {name: chr(65 + number) * 40 for number, name in enumerate(CAMPAIGN)}
    noise = "".join(chr(33 + (number * 7919) % 90) for number in range(2000))
    text = serialise({**hostile, "utm_campaign": noise, "utm_medium": noise[::-1]})
    assert len(text) <= MAX_COOKIE
    kept = parse(text, max_age=AGE)
    assert set(kept) >= set(CAMPAIGN) - {"utm_campaign", "utm_medium"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "é",
        "\udc80",
        "a:b:c",
        serialise(USUAL)[:-1],
        serialise(USUAL)[1:],
        signing.dumps(USUAL, salt="another"),
        signing.dumps(USUAL, salt=remembered.SALT, key="another site's key"),
        signing.dumps(["gclid"], salt=remembered.SALT),
        signing.dumps({"gclid": 5, "unknown": "x"}, salt=remembered.SALT),
        "x" * (MAX_COOKIE + 1),
    ],
)
def test_what_is_not_ours_is_ignored(text: str) -> None:
    assert parse(text, max_age=AGE) == {}


def test_what_is_too_old_is_ignored() -> None:
    assert parse(serialise(USUAL), max_age=-1) == {}


def test_never_means_that_it_is_not_read(rf: RequestFactory, settings: Any) -> None:
    request = rf.get("/")
    request.COOKIES[COOKIE] = serialise(USUAL)
    assert remembered.read(request) == USUAL
    settings.OCTANIST_REMEMBER = "never"
    assert remembered.read(request) == {}


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookies_attributes(rf: RequestFactory, settings: Any, secure: bool) -> None:
    settings.OCTANIST_REMEMBER_DAYS = 7
    response = HttpResponse()
    remembered.write(rf.get("/", secure=secure), response, USUAL)
    cookie = response.cookies[COOKIE]
    assert (cookie["max-age"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (7 * 86400, True, "Lax", "/")
    assert bool(cookie["secure"]) is secure
    assert not cookie["domain"]
    assert len(cookie.output()) < 1024
    assert response["Cache-Control"] == "private"
