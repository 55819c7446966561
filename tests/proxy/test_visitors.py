from __future__ import annotations

import logging
from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.proxy.visitors import address_of, headers_of

PROXIES = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]


def address(proxies: list[str], peer: str, forwarded: str | None, settings: Any) -> str:
    settings.OCTANIST_TRUSTED_PROXIES = proxies
    extra = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    found = address_of(RequestFactory().post("/oct/e", REMOTE_ADDR=peer, **extra))
    return "" if found is None else str(found)


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "found"),
    [
        # Nobody is trusted: whatever the header says.
        ([], "203.0.113.9", None, "203.0.113.9"),
        ([], "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ([], "::ffff:203.0.113.9", None, "203.0.113.9"),
        ([], "fe80::1%eth0", None, "fe80::1"),
        ([], "", "198.51.100.1", ""),
        # Somebody is, but not who asks.
        (PROXIES, "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        # From the right, past further trusted ones.
        (PROXIES, "10.1.2.3", "198.51.100.1", "198.51.100.1"),
        (PROXIES, "10.1.2.3", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (PROXIES, "10.1.2.3", "6.6.6.6,198.51.100.1 , 10.9.9.9,192.0.2.7", "198.51.100.1"),
        (PROXIES, "10.1.2.3", "nonsense, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        (PROXIES, "::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"),
        (PROXIES, "2001:db8::1", "2a00::5", "2a00::5"),
        (PROXIES, "10.1.2.3", "[2a00::5]:4711", "2a00::5"),
        (PROXIES, "10.1.2.3", "198.51.100.1:4711", "198.51.100.1"),
        # All of them trusted: a visitor inside.
        (PROXIES, "10.1.2.3", "10.7.7.7, 10.9.9.9", "10.7.7.7"),
        # Nonsense where the visitor should be.
        (PROXIES, "10.1.2.3", None, "10.1.2.3"),
        (PROXIES, "10.1.2.3", "", "10.1.2.3"),
        (PROXIES, "10.1.2.3", "unknown", "10.1.2.3"),
        (PROXIES, "10.1.2.3", "198.51.100.1, nonsense, 10.9.9.9", "10.1.2.3"),
        (PROXIES, "10.1.2.3", "198.51.100.1\r\nX-Evil: 1", "10.1.2.3"),
        (PROXIES, "10.1.2.3", "fe80::1%eth0", "10.1.2.3"),
        # A Unix socket.
        (["unix"], "", "198.51.100.1", "198.51.100.1"),
        (["unix", "10.0.0.0/8"], "", "198.51.100.1, 10.0.0.5", "198.51.100.1"),
        (["unix"], "", None, ""),
        (["unix"], "10.1.2.3", "198.51.100.1", "10.1.2.3"),
    ],
)
def test_the_address(settings: Any, proxies: list[str], peer: str, forwarded: str | None, found: str) -> None:
    assert address(proxies, peer, forwarded, settings) == found


def test_a_header_without_end_is_read_from_its_end(settings: Any) -> None:
    assert address(PROXIES, "10.1.2.3", "6.6.6.6, " * 100_000 + "198.51.100.1", settings) == "198.51.100.1"


def headers(**meta: str) -> dict[str, str]:
    request = RequestFactory().post("/oct/e", **meta)
    return headers_of(request, address=address_of(request))


def test_the_headers_that_the_wordpress_plugin_uses(settings: Any) -> None:
    settings.OCTANIST_TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert headers(
        REMOTE_ADDR="10.0.0.1",
        HTTP_X_FORWARDED_FOR="198.51.100.1",
        HTTP_CF_IPCOUNTRY="nl",
        HTTP_USER_AGENT="Mozilla/5.0",
        HTTP_REFERER="https://example.com/roofs/?gclid=1",
        HTTP_ACCEPT_LANGUAGE="nl,en;q=0.5",
        HTTP_COOKIE="sessionid=secret",
        HTTP_AUTHORIZATION="Basic secret",
    ) == {
        "X-Octanist-Client-IP": "198.51.100.1",
        "X-Octanist-Client-Country": "NL",
        "X-Octanist-Client-UA": "Mozilla/5.0",
        "X-Octanist-Client-Referer": "https://example.com/roofs/?gclid=1",
        "X-Octanist-Client-Accept-Language": "nl,en;q=0.5",
    }


@pytest.mark.parametrize(
    ("peer", "meta", "country"),
    [
        ("10.0.0.1", {"HTTP_CF_IPCOUNTRY": "DE"}, "DE"),
        ("10.0.0.1", {"HTTP_CF_IPCOUNTRY": "T1"}, "T1"),
        ("10.0.0.1", {"HTTP_CLOUDFRONT_VIEWER_COUNTRY": "FR"}, "FR"),
        ("10.0.0.1", {"HTTP_CF_IPCOUNTRY": "XX"}, None),
        ("10.0.0.1", {"HTTP_CF_IPCOUNTRY": "Germany"}, None),
        ("203.0.113.9", {"HTTP_CF_IPCOUNTRY": "DE"}, None),
        ("10.0.0.1", {}, None),
    ],
)
def test_the_country_is_that_of_a_trusted_proxy(
    settings: Any, peer: str, meta: dict[str, str], country: str | None
) -> None:
    settings.OCTANIST_TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert headers(REMOTE_ADDR=peer, **meta).get("X-Octanist-Client-Country") == country


@given(st.text(), st.text(), st.text())
def test_whatever_a_client_says_no_header_is_made_of_it(agent: str, referer: str, languages: str) -> None:
    said = headers(HTTP_USER_AGENT=agent, HTTP_REFERER=referer, HTTP_ACCEPT_LANGUAGE=languages)
    for value in said.values():
        assert value.isascii()
        assert value.isprintable()
        assert value == value.strip()


def test_a_long_header_is_cut() -> None:
    assert len(headers(HTTP_USER_AGENT="x" * 100_000)["X-Octanist-Client-UA"]) == 1000


@pytest.mark.parametrize(("peer", "name"), [("10.1.2.3", "'10.1.2.3'"), ("127.0.0.1", "'127.0.0.1'"), ("", "'unix'")])
def test_a_proxy_that_is_not_named_is_told_of_once(caplog: pytest.LogCaptureFixture, peer: str, name: str) -> None:
    with caplog.at_level(logging.WARNING, logger="django_octanist"):
        for _time in range(3):
            headers(REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR="198.51.100.1")
    (record,) = caplog.records
    assert f"OCTANIST_TRUSTED_PROXIES does not name: every visitor has its address. Add {name}." in record.getMessage()
    assert "198.51" not in caplog.text


@pytest.mark.parametrize("name", ["CF_RAY", "CF_CONNECTING_IP", "CF_IPCOUNTRY", "X_AMZ_CF_ID"])
def test_a_cdn_that_is_not_named_is_told_of_once(caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Its address is as global as a visitor's: its own header says that it is one."""
    with caplog.at_level(logging.WARNING, logger="django_octanist"):
        for _time in range(3):
            said = {f"HTTP_{name}": "198.51.100.1", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}
            headers(REMOTE_ADDR="173.245.48.5", **said)
    (record,) = caplog.records
    assert "a proxy (173.245.48.5) that OCTANIST_TRUSTED_PROXIES does not name" in record.getMessage()
    assert record.getMessage().endswith("Add the networks that your CDN publishes.")
    assert "198.51" not in caplog.text


def test_a_cdn_that_is_named(caplog: pytest.LogCaptureFixture, settings: Any) -> None:
    settings.OCTANIST_TRUSTED_PROXIES = ["173.245.48.0/20"]
    said = headers(REMOTE_ADDR="173.245.48.5", HTTP_CF_RAY="x", HTTP_X_FORWARDED_FOR="198.51.100.1")
    assert said["X-Octanist-Client-IP"] == "198.51.100.1"
    assert caplog.records == []


@pytest.mark.parametrize("meta", [{"REMOTE_ADDR": "8.8.8.8", "HTTP_X_FORWARDED_FOR": "x"}, {"REMOTE_ADDR": "10.1.2.3"}])
def test_a_visitors_own_header_is_no_proxy(caplog: pytest.LogCaptureFixture, meta: dict[str, str]) -> None:
    headers(**meta)
    assert caplog.records == []
