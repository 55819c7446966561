from __future__ import annotations

import runpy
from typing import Any

import pytest

from .conftest import EXAMPLE

pytestmark = pytest.mark.usefixtures("no_octanist_environment")


def octanist_settings() -> dict[str, Any]:
    settings = runpy.run_path(str(EXAMPLE / "roofer" / "settings.py"))
    names = ("API_KEY", "API_URL", "PIXEL_ID", "PIXEL_URL")
    return {name: settings[f"OCTANIST_{name}"] for name in names}


def test_an_empty_environment_means_the_sandbox():
    assert octanist_settings() == {
        "API_KEY": "sandbox-key",
        "API_URL": "http://127.0.0.1:8765/api",
        "PIXEL_ID": "OCT-SANDBOX1",
        "PIXEL_URL": "http://127.0.0.1:8765/p",
    }


def test_a_key_means_the_real_octanist(monkeypatch):
    monkeypatch.setenv("OCTANIST_API_KEY", "real-key")
    monkeypatch.setenv("OCTANIST_PIXEL_ID", "OCT-1A2B3C4D")

    assert octanist_settings() == {
        "API_KEY": "real-key",
        "API_URL": "https://octanist.com/api",
        "PIXEL_ID": "OCT-1A2B3C4D",
        "PIXEL_URL": "https://c.octani.st/p",
    }


def test_another_address_never_gets_the_sandbox_key(monkeypatch):
    monkeypatch.setenv("OCTANIST_API_URL", "https://octanist.com/api")

    assert octanist_settings()["API_KEY"] == ""
    assert octanist_settings()["PIXEL_ID"] == ""


def test_a_sandbox_on_another_port_serves_its_own_pixel(monkeypatch):
    monkeypatch.setenv("OCTANIST_API_URL", "http://127.0.0.1:9000/api")

    assert octanist_settings()["PIXEL_URL"] == "http://127.0.0.1:9000/p"
    assert octanist_settings()["API_KEY"] == "sandbox-key"
