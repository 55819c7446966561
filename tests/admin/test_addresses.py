"""A project may have several admin sites, with other paths and other people."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import path

from django_octanist.admin.addresses import address
from django_octanist.bulk import running
from django_octanist.models import Lead

from . import S, make

pytestmark = pytest.mark.django_db

OPS = admin.AdminSite(name="ops")
for _model, _admin in admin.site._registry.items():
    OPS.register(_model, type(_admin))


@pytest.fixture(autouse=True, params=[True, False], ids=["beside another", "alone"])
def _urls(request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site's URLs: two admins, or only one that is not called ``admin``; then Django's own knows no leads."""
    module = ModuleType("tests.admin.some_urls")
    other = admin.site if request.param else admin.AdminSite()
    module.urlpatterns = [path("admin/", other.urls), path("ops/", OPS.urls)]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    settings.ROOT_URLCONF = module.__name__


def links(html: str) -> set[str]:
    return set(re.findall(r'href="(/(?:ops|admin)/[^"?#]*)', html))


def pages(lead: Lead) -> list[str]:
    own = ["change", "send-again", "cancel", "erase", "correct", "history"]
    return ["", "octanist/", "octanist/lead/", "octanist/lead/overview/", "octanist/bulkaction/"] + [
        f"octanist/lead/{lead.pk}/{name}/" for name in own
    ]


def test_each_page_leads_to_others_of_its_own_site(admin_client: Client) -> None:
    lead = make(status=S.INVALID)
    make(email=lead.email)
    running.begin("replay", user_key="", query="", total=1)
    for page in pages(lead):
        response = admin_client.get(f"/ops/{page}")
        assert response.status_code == 200, page
        found = links(response.content.decode())
        assert found, page
        assert not [link for link in found if not link.startswith("/ops/")], page


@pytest.mark.parametrize("act", ["send-again", "erase", "correct"])
def test_who_acts_there_stays_there(admin_client: Client, act: str) -> None:
    lead = make(status=S.INVALID)
    contact = {"name": "", "email": "jo@example.org", "phone": "", "note": "", "seen": "0"}
    response = admin_client.post(f"/ops/octanist/lead/{lead.pk}/{act}/", contact)
    assert response.headers["Location"] == f"/ops/octanist/lead/{lead.pk}/change/"


def test_addresses() -> None:
    assert address("lead_change", 12, site=OPS) == "/ops/octanist/lead/12/change/"
