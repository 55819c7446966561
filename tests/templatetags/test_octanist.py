from __future__ import annotations

import re
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.template import Context, RequestContext, Template
from django.test import Client
from django.urls import path

PIXEL = "{% load octanist %}{% octanist_pixel %}"
FIELD = "{% load octanist %}{% octanist_session_field %}"
SCRIPT = '<script src="https://c.octani.st/p" data-id="OCT-1A2B3C4D" data-consent-mode="auto"></script>'


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(PIXEL + PIXEL).render(RequestContext(request)))


urlpatterns = [path("", page)]


@pytest.fixture
def pixel(settings: Any) -> None:
    settings.OCTANIST_PIXEL_ID = "OCT-1A2B3C4D"


@pytest.fixture
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["django_octanist.middleware.OctanistMiddleware"]


def nonces(response: Any) -> set[str]:
    return set(re.findall(r' nonce="([^"]+)"', response.content.decode()))


def test_nothing_without_a_pixel_id() -> None:
    assert Template(PIXEL).render(Context()) == ""


@pytest.mark.usefixtures("pixel")
@pytest.mark.parametrize("context", [{}, {"request": None}, {"request": HttpRequest()}], ids=["absent", "none", "bare"])
def test_the_pixel_without_a_policy(context: dict[str, Any]) -> None:
    assert Template(PIXEL).render(Context(context)) == SCRIPT


@pytest.mark.usefixtures("pixel")
def test_the_pixel_that_the_site_serves_itself(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.proxy.urls"
    assert Template(PIXEL).render(Context()) == (
        '<script src="/oct/p" data-id="OCT-1A2B3C4D" data-consent-mode="auto" data-cookie-mode="server"></script>'
    )


def test_nothing_without_a_pixel_id_though_the_site_would_serve_it(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.proxy.urls"
    assert Template(PIXEL).render(Context()) == ""


@pytest.mark.usefixtures("pixel")
def test_the_pixel_is_markup_not_text() -> None:
    assert Template("{% load octanist %}{% octanist_pixel as it %}{{ it }}").render(Context()) == SCRIPT


def test_the_session_field() -> None:
    assert Template(FIELD).render(Context()) == '<input type="hidden" name="octa_sid" value="">'


@pytest.mark.usefixtures("pixel", "site")
def test_on_a_page_without_a_policy(client: Client) -> None:
    assert client.get("/").content.decode() == SCRIPT + SCRIPT


@pytest.mark.usefixtures("pixel", "site")
def test_the_nonce_of_django_csp(client: Client, settings: Any) -> None:
    constants = pytest.importorskip("csp.constants")
    settings.MIDDLEWARE = ["csp.middleware.CSPMiddleware", *settings.MIDDLEWARE]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": [constants.SELF, constants.NONCE]}}
    response = client.get("/")
    (nonce,) = nonces(response)
    assert f"'nonce-{nonce}'" in response["Content-Security-Policy"]
    assert nonces(client.get("/")) != {nonce}


@pytest.mark.usefixtures("site")
def test_no_nonce_of_django_csp_without_a_pixel(client: Client, settings: Any) -> None:
    constants = pytest.importorskip("csp.constants")
    settings.MIDDLEWARE = ["csp.middleware.CSPMiddleware", *settings.MIDDLEWARE]
    settings.CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": {"script-src": [constants.UNSAFE_INLINE, constants.NONCE]},
    }
    response = client.get("/")
    assert "nonce" not in response["Content-Security-Policy"]


@pytest.mark.usefixtures("pixel", "site")
def test_the_nonce_of_django(client: Client, settings: Any) -> None:
    csp = pytest.importorskip("django.utils.csp", reason="Django has a content security policy from 6.0 on").CSP
    settings.MIDDLEWARE = ["django.middleware.csp.ContentSecurityPolicyMiddleware", *settings.MIDDLEWARE]
    settings.SECURE_CSP = {"script-src": [csp.SELF, csp.NONCE]}
    response = client.get("/")
    (nonce,) = nonces(response)
    assert f"'nonce-{nonce}'" in response["Content-Security-Policy"]
    assert nonces(client.get("/")) != {nonce}
