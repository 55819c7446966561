from __future__ import annotations

import sys
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib import admin
from django.test import Client, override_settings
from django.urls import path

from django_octanist.alerts import links
from django_octanist.models import Lead

from . import lost_lead


@pytest.fixture
def urls(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the site have the URLs that are given."""

    def use(*patterns: Any) -> None:
        module = ModuleType("tests.alerts.some_urls")
        module.urlpatterns = list(patterns)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        settings.ROOT_URLCONF = module.__name__

    return use


def test_paths_where_nobody_said_where_the_admin_is(urls: Any) -> None:
    urls(path("admin/", admin.site.urls))
    assert links.to_lead(12) == "/admin/octanist/lead/12/change/"
    assert links.to_leads(status="invalid", account="shop") == (
        "/admin/octanist/lead/?status__exact=invalid&account__exact=shop"
    )
    assert links.to_overview() == "/admin/octanist/lead/overview/"


@pytest.mark.parametrize("base", ["https://example.com/back/office/", "https://example.com/back/office"])
def test_whole_urls_whatever_the_prefix_here(urls: Any, settings: Any, base: str) -> None:
    urls(path("internal/admin/", admin.site.urls))
    settings.OCTANIST_ADMIN_URL = base
    assert links.to_lead(12) == "https://example.com/back/office/octanist/lead/12/change/"
    assert links.to_leads(status="failed", account="a&b").startswith(
        "https://example.com/back/office/octanist/lead/?status__exact=failed&account__exact=a%26b"
    )
    assert links.to_overview() == "https://example.com/back/office/octanist/lead/overview/"


def test_without_an_overview_to_the_list(urls: Any) -> None:
    """As where a site shows leads by a page of its own."""
    site = admin.AdminSite()
    site.register(Lead, admin.ModelAdmin)
    urls(path("admin/", site.urls))
    assert links.to_overview() == "/admin/octanist/lead/"


def test_an_admin_of_another_name(urls: Any) -> None:
    site = admin.AdminSite(name="office")
    site._registry = admin.site._registry
    urls(path("office/", site.urls))
    assert links.to_lead(12) == "/office/octanist/lead/12/change/"


@pytest.mark.parametrize(("base", "link"), [("", ""), ("https://example.com/admin/", "https://example.com/admin/")])
@pytest.mark.parametrize("patterns", [(), (path("admin/", admin.AdminSite().urls),)], ids=["no admin", "not in it"])
def test_no_page_to_lead_to(urls: Any, settings: Any, patterns: Any, base: str, link: str) -> None:
    urls(*patterns)
    settings.OCTANIST_ADMIN_URL = base
    assert [links.to_lead(12), links.to_leads(status="failed", account="a"), links.to_overview()] == [link] * 3


@pytest.mark.parametrize("base", [None, "example.com/admin/"])
def test_a_wrong_setting_costs_the_host_and_not_the_mail(settings: Any, caplog: Any, base: Any) -> None:
    settings.OCTANIST_ADMIN_URL = base
    assert links.to_lead(12) == "/admin/octanist/lead/12/change/"
    assert "an alert goes with a path alone: OCTANIST_ADMIN_URL must be" in caplog.text


def test_urls_that_cannot_be_imported(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(ROOT_URLCONF="tests.no_urls"):
        assert links.to_lead(12) == ""
    assert "an alert goes without its link to the admin: ModuleNotFoundError" in caplog.text


@pytest.mark.django_db
def test_they_lead_there(admin_client: Client) -> None:
    shop, _other = lost_lead(), lost_lead(account="other")
    page = admin_client.get(links.to_lead(shop.pk))
    assert (page.status_code, page.context["original"]) == (200, shop)
    url = links.to_leads(status="invalid", account="shop")
    listed = admin_client.get(url)
    assert listed.status_code == 200, "the list redirects from a filter that it does not know"
    assert list(listed.context["cl"].result_list) == [shop]
    assert parse_qs(urlsplit(url).query) == {"status__exact": ["invalid"], "account__exact": ["shop"]}
    assert admin_client.get(links.to_overview()).status_code == 200
