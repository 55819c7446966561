from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString

from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.pixel import csp_nonce, script_tag, session_field

HOSTILE = """"><script>alert('x')</script>&"""


class Tags(HTMLParser):
    """The tags of a fragment with their attributes, as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tag(html: str) -> tuple[str, dict[str, str | None]]:
    """Return the one tag in ``html``, which template code must be able to trust."""
    assert isinstance(html, SafeString)
    parser = Tags()
    parser.feed(html)
    (found,) = parser.found
    return found


def request_with(**attributes: Any) -> HttpRequest:
    request = RequestFactory().get("/")
    for name, value in attributes.items():
        setattr(request, name, value)
    return request


@pytest.mark.parametrize("pixel_id", ["", "  "])
def test_nothing_without_a_pixel_id(settings: Any, pixel_id: str) -> None:
    settings.OCTANIST_PIXEL_ID = pixel_id
    assert script_tag() == ""
    assert isinstance(script_tag(), SafeString)


def test_nothing_by_default() -> None:
    assert script_tag(RequestFactory().get("/")) == ""


@pytest.mark.parametrize(
    ("code", "mode"),
    [
        ("OCT-1A2B3C4D", "auto"),
        ("OCTA1.OCT-1A2B3C4D.s.a", "auto"),
        ("OCTA1.OCT-1A2B3C4D.s.g", "granted"),
        ("OCTA1.OCT-1A2B3C4D.c.d", "denied"),
    ],
)
def test_a_measurement_id_or_a_setup_code(settings: Any, code: str, mode: str) -> None:
    settings.OCTANIST_PIXEL_ID = code
    assert tag(script_tag()) == (
        "script",
        {"src": "https://c.octani.st/p", "data-id": "OCT-1A2B3C4D", "data-consent-mode": mode},
    )


def test_a_consent_mode_that_is_set_wins(settings: Any) -> None:
    settings.OCTANIST_PIXEL_ID = "OCTA1.OCT-1A2B3C4D.s.g"
    settings.OCTANIST_PIXEL_CONSENT_MODE = "denied"
    assert tag(script_tag())[1]["data-consent-mode"] == "denied"


@pytest.mark.parametrize("code", ["OCT-1A2B3C4D", "OCTA1.OCT-1A2B3C4D.c.a", "OCTA1.OCT-1A2B3C4D.s.a"])
def test_the_pixel_never_captures_forms(settings: Any, code: str) -> None:
    settings.OCTANIST_PIXEL_ID = code
    assert "data-forms" not in script_tag()


def test_a_malformed_pixel_id_says_so(settings: Any) -> None:
    settings.OCTANIST_PIXEL_ID = "OCT-1"
    with pytest.raises(OctanistConfigurationError, match="OCTANIST_PIXEL_ID"):
        script_tag()


def test_values_are_escaped(settings: Any) -> None:
    settings.OCTANIST_PIXEL_ID = "OCT-1A2B3C4D"
    settings.OCTANIST_PIXEL_URL = f"https://example.com/{HOSTILE.replace(' ', '')}"
    _, attributes = tag(script_tag(request_with(csp_nonce=HOSTILE)))
    assert attributes["src"] == settings.OCTANIST_PIXEL_URL
    assert attributes["nonce"] == HOSTILE


def test_the_session_field_is_hidden_and_empty() -> None:
    assert tag(session_field()) == ("input", {"type": "hidden", "name": "octa_sid", "value": ""})


@pytest.mark.parametrize(
    ("request_", "nonce"),
    [
        (None, ""),
        (request_with(), ""),
        (request_with(csp_nonce=None), ""),
        (request_with(csp_nonce="abc"), "abc"),
        (request_with(csp_nonce=SimpleLazyObject(lambda: "abc")), "abc"),
    ],
    ids=["no request", "no policy", "none", "text", "lazy"],
)
def test_the_nonce_of_a_request(request_: HttpRequest | None, nonce: str) -> None:
    assert csp_nonce(request_) == nonce


def test_the_nonce_of_djangos_own_policy() -> None:
    csp = pytest.importorskip("django.middleware.csp", reason="Django has a content security policy from 6.0 on")
    request = request_with()
    csp.ContentSecurityPolicyMiddleware(lambda request: None).process_request(request)
    nonce = csp_nonce(request)
    assert len(nonce) >= 16
    assert nonce == csp_nonce(request) == str(csp.get_nonce(request))


def test_no_nonce_is_made_for_a_page_without_the_pixel() -> None:
    """A nonce in the policy makes browsers ignore ``'unsafe-inline'`` in it."""

    def make() -> str:
        raise AssertionError("a nonce was asked for")

    assert script_tag(request_with(csp_nonce=SimpleLazyObject(make))) == ""
