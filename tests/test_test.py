from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from django.conf import settings
from django.test import override_settings

from django_octanist.capture import capture_lead
from django_octanist.conf import conf
from django_octanist.test import TestSandbox, octanist, octanist_sandbox

ROOT = Path(__file__).resolve().parent.parent

__all__ = ["octanist"]


def test_the_settings_point_at_the_sandbox_and_back() -> None:
    before = (settings.OCTANIST_API_URL, settings.OCTANIST_API_KEY)
    with octanist_sandbox() as sandbox:
        assert isinstance(sandbox, TestSandbox)
        assert conf.api_url == sandbox.api_url
        assert conf.api_key("default") == sandbox.api_key
        assert conf.pixel_url == sandbox.pixel_url
        assert conf.dispatch == "manual"
        assert requests.get(sandbox.url, timeout=5).status_code == 200
    after = (settings.OCTANIST_API_URL, settings.OCTANIST_API_KEY)
    assert after == before
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=5)


def test_further_settings() -> None:
    with octanist_sandbox(OCTANIST_MAX_ATTEMPTS=3, OCTANIST_API_KEY="wrong") as sandbox:
        assert conf.max_attempts == 3
        assert conf.api_key("default") == "wrong" != sandbox.api_key


def test_an_exception_stops_the_sandbox_too() -> None:
    with pytest.raises(KeyError), octanist_sandbox() as sandbox:
        raise KeyError
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=5)


@pytest.mark.django_db(transaction=True)
def test_what_was_captured_is_delivered_when_the_test_says_so(octanist: TestSandbox) -> None:
    capture_lead({"email": "jo@example.com", "name": "Jo"}, form="t")
    assert octanist.leads == ()
    assert octanist.deliver() == 1
    (lead,) = octanist.leads
    assert (lead.fields["email"], lead.fields["name"]) == ("jo@example.com", "Jo")
    assert isinstance(lead.custom, dict)
    assert lead.custom["form"] == "t"
    assert octanist.deliver() == 0


@pytest.mark.django_db
def test_delivery_works_inside_a_tests_transaction(octanist: TestSandbox) -> None:
    capture_lead({"email": "jo@example.com", "name": "Jo"}, form="t")
    octanist.deliver()
    assert [lead.fields["name"] for lead in octanist.leads] == ["Jo"]


def test_the_module_needs_neither_pytest_nor_loaded_apps() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; import django_octanist.test as t; assert not hasattr(t, 'octanist')"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": str(settings.SETTINGS_MODULE)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


@pytest.mark.django_db
def test_further_accounts_deliver_to_the_sandbox() -> None:
    with override_settings(OCTANIST_API_KEYS={"dentist": "real-key"}), octanist_sandbox() as sandbox:
        capture_lead({"email": "jo@example.com"}, form="t", account="dentist")
        assert sandbox.deliver() == 1
        assert len(sandbox.leads) == 1
    assert "real-key" not in repr(sandbox.exchanges)
