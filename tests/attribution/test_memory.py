"""Pages of a real site, through the middleware: what is remembered, when, and what a page cache sees of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from django_octanist.attribution.remembered import COOKIE, serialise
from django_octanist.capture import capture_lead
from django_octanist.models import Lead

GRANTED = "{stamp:%27x%27%2Cstatistics:true%2Cmarketing:true%2Cmethod:%27explicit%27}"
DENIED = "{stamp:%27x%27%2Cstatistics:false%2Cmarketing:false%2Cmethod:%27explicit%27}"
HOME = "http://testserver/?gclid=AbC&utm_source=Google"


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("page")


def contact(request: HttpRequest) -> HttpResponse:
    lead = capture_lead({"email": "jo@example.com"}, request=request)
    return HttpResponse(str(lead and lead.pk))


def private(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=302, headers={"Location": "/login/"})


urlpatterns = [path("", page), path("login/", page), path("contact/", contact), path("private/", private)]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


def get(client: Client, url: str, *, referer: str = "") -> HttpResponse:
    return client.get(url, headers={"referer": referer} if referer else {})  # type: ignore[return-value]


def accept(client: Client, value: str = GRANTED) -> None:
    client.cookies["CookieConsent"] = value


def captured(client: Client) -> Lead:
    client.post("/contact/", headers={"referer": "http://testserver/contact/"})
    return Lead.objects.get()


class TestRemembering:
    def test_a_campaign_survives_to_the_form(self, client: Client) -> None:
        accept(client)
        get(client, "/?gclid=AbC&utm_source=Google")
        lead = captured(client)
        assert (lead.attribution["gclid"], lead.attribution["utm_source"]) == ("AbC", "Google")
        assert lead.sources["gclid"] == "remembered"

    def test_nothing_before_consent_and_then_through_the_referer(self, client: Client) -> None:
        assert COOKIE not in get(client, "/?gclid=AbC&utm_source=Google").cookies
        accept(client)
        assert COOKIE in get(client, "/contact/", referer=HOME).cookies
        assert captured(client).attribution["gclid"] == "AbC"

    def test_across_a_login_redirect(self, client: Client) -> None:
        get(client, "/?gclid=AbC")
        accept(client)
        assert COOKIE in get(client, "/private/", referer=HOME).cookies
        get(client, "/login/")
        assert captured(client).attribution["gclid"] == "AbC"

    def test_across_a_login_page_that_keeps_the_address(self, client: Client) -> None:
        accept(client)
        get(client, "/login/?next=/private/%3Fgclid%3DAbC")
        assert captured(client).attribution["gclid"] == "AbC"

    def test_a_new_campaign_replaces_the_old_one(self, client: Client) -> None:
        accept(client)
        get(client, "/?gclid=old&utm_source=Google")
        get(client, "/?fbclid=IwAR")
        attribution = captured(client).attribution
        assert attribution["fbc"].endswith(".IwAR")
        assert not {"gclid", "utm_source"} & attribution.keys()

    def test_a_click_keeps_the_time_when_it_was_first_seen(self, client: Client) -> None:
        accept(client)
        client.cookies[COOKIE] = serialise({"fbc": "fb.1.1000.IwAR"})
        assert COOKIE not in get(client, "/?fbclid=IwAR").cookies
        client.post("/contact/", headers={"referer": "http://testserver/?fbclid=IwAR"})
        assert Lead.objects.get().attribution["fbc"] == "fb.1.1000.IwAR"


class TestConsent:
    def test_withdrawn_consent_deletes_the_cookie(self, client: Client) -> None:
        accept(client)
        get(client, "/?gclid=AbC")
        accept(client, DENIED)
        cookie = get(client, "/").cookies[COOKIE]
        assert (cookie.value, cookie["max-age"]) == ("", 0)

    def test_denied_means_nothing_is_remembered(self, client: Client) -> None:
        accept(client, DENIED)
        assert COOKIE not in get(client, "/?gclid=AbC").cookies

    def test_a_form_sent_right_after_withdrawing_carries_nothing_remembered(self, client: Client) -> None:
        accept(client)
        get(client, "/?gclid=AbC")
        accept(client, DENIED)
        assert "gclid" not in captured(client).attribution

    def test_nor_one_that_posts_the_refusal(self, client: Client) -> None:
        client.cookies[COOKIE] = serialise({"gclid": "AbC"})
        client.post("/contact/", {"ad_storage": "denied"})
        assert "gclid" not in Lead.objects.get().attribution

    def test_always(self, client: Client, settings: Any) -> None:
        settings.OCTANIST_REMEMBER = "always"
        assert COOKIE in get(client, "/?gclid=AbC").cookies

    def test_never(self, client: Client, settings: Any) -> None:
        settings.OCTANIST_REMEMBER = "never"
        accept(client)
        assert COOKIE not in get(client, "/?gclid=AbC").cookies
        client.cookies[COOKIE] = serialise({"gclid": "old"})
        assert "gclid" not in captured(client).attribution
        assert get(client, "/").cookies[COOKIE].value == ""


class TestPageCaches:
    @pytest.mark.parametrize(
        ("url", "referer"),
        [
            ("/", ""),
            ("/", "https://www.google.com/?gclid=foreign"),
            ("/", "http://other.testserver/?gclid=subdomain"),
            ("/", "http://testserver:8000/?gclid=port"),
            ("/", "https://testserver/?gclid=scheme"),
            ("/?page=2", ""),
        ],
    )
    def test_a_page_that_brings_nothing_new_is_left_alone(self, client: Client, url: str, referer: str) -> None:
        accept(client)
        response = get(client, url, referer=referer)
        assert not response.cookies
        assert not {"Vary", "Cache-Control"} & response.headers.keys()

    def test_nor_one_that_brings_what_is_remembered(self, client: Client) -> None:
        accept(client)
        get(client, "/?gclid=AbC")
        response = get(client, "/?gclid=AbC")
        assert not response.cookies
        assert not {"Vary", "Cache-Control"} & response.headers.keys()

    def test_one_that_remembers_is_kept_out_of_shared_caches(self, client: Client) -> None:
        accept(client)
        response = get(client, "/?gclid=AbC")
        assert (response["Cache-Control"], response["Vary"]) == ("private", "Cookie")

    def test_djangos_own_page_cache_never_hands_a_campaign_on(self, settings: Any) -> None:
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
        settings.MIDDLEWARE = [
            "django.middleware.cache.UpdateCacheMiddleware",
            "django_octanist.middleware.OctanistMiddleware",
            "django.middleware.cache.FetchFromCacheMiddleware",
        ]
        first, second = Client(), Client()
        for client in (first, second):
            accept(client)
        assert COOKIE in get(first, "/?gclid=AbC").cookies
        assert not get(second, "/").cookies
        get(first, "/")
        # A cached page, and still its visitor's own campaign.
        response = get(second, "/?gclid=Second")
        assert COOKIE in response.cookies
        assert captured(second).attribution["gclid"] == "Second"

    def test_no_query_is_made(self, client: Client, django_assert_num_queries: Any) -> None:
        accept(client)
        with django_assert_num_queries(0):
            get(client, "/?gclid=AbC")
            get(client, "/")


def test_a_broken_memory_breaks_no_page(client: Client, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.OCTANIST_REMEMBER = "sometimes"
    assert get(client, "/?gclid=AbC").content == b"page"
    assert "OCTANIST_REMEMBER must be one of" in caplog.text
