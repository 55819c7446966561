# ruff: noqa: E501 - cookies are long
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.conf import CONSENT_READERS
from django_octanist.consent import Consent, read_stored, readers
from tests.consent.test_tcf import GOOGLE, SPECIFICATION, string

BOTH = readers.by_category(marketing=True, statistics=True)
NEITHER = readers.by_category(marketing=False, statistics=False)
STATISTICS = readers.by_category(marketing=False, statistics=True)
UNKNOWN = Consent()

COOKIEBOT = (
    "{stamp:%27Zf0hQbWx==%27%2Cnecessary:true%2Cpreferences:false%2Cstatistics:true%2Cmarketing:MARKETING"
    "%2Cmethod:%27explicit%27%2Cver:1%2Cutc:1718000000000%2Cregion:%27nl%27}"
)
COOKIEYES = (
    "consentid:ZGVm,consent:yes,action:ACTION,necessary:yes,functional:yes,analytics:yes,performance:yes,"
    "advertisement:no,other:yes"
)
ONETRUST = (
    "isGpcEnabled=0&datestamp=Mon+Jun+10+2024+10%3A00%3A00+GMT%2B0200&version=202403.1.0&isIABGlobal=false"
    "&hosts=&consentId=abc&interactionCount=1&landingPath=NotLandingPage&groups=C0001%3A1%2CC0002%3A1%2CC0003%3A0%2C"
    "C0004%3A0&geolocation=NL%3BNH&AwaitingReconsent=false"
)
CLOSED = {"OptanonAlertBoxClosed": "2024-06-10T08:00:00.000Z"}


def quoted(value: Any) -> str:
    return quote(json.dumps(value))


def request_with(cookies: Mapping[str, str]) -> HttpRequest:
    request = RequestFactory().get("/")
    request.COOKIES = dict(cookies)
    return request


ROWS: list[tuple[str, dict[str, str], Consent]] = [
    ("cookiebot", {"CookieConsent": COOKIEBOT.replace("MARKETING", "false")}, STATISTICS),
    ("cookiebot", {"CookieConsent": COOKIEBOT.replace("MARKETING", "true")}, BOTH),
    (
        "cookiebot",
        {"CookieConsent": "{stamp:%27-1%27%2Cnecessary:true%2Cstatistics:true%2Cmarketing:true%2Cmethod:%27implied%27}"},
        UNKNOWN,
    ),
    ("cookiebot", {"CookieConsent": "0"}, UNKNOWN),
    ("cookiebot", {"CookieConsent": "{stamp:%27x%27%2Cnecessary:true%2Cnomarketing:true"}, UNKNOWN),
    ("cookieyes", {"cookieyes-consent": COOKIEYES.replace("ACTION", "yes")}, STATISTICS),
    ("cookieyes", {"cookieyes-consent": quote(COOKIEYES.replace("ACTION", "yes"))}, STATISTICS),
    ("cookieyes", {"cookieyes-consent": COOKIEYES.replace("ACTION", "")}, UNKNOWN),
    ("cookieyes", {"cookieyes-consent": "action:yes,advertisement:yes"}, readers.by_category(marketing=True, statistics=None)),
    ("onetrust", {"OptanonConsent": ONETRUST, **CLOSED}, STATISTICS),
    ("onetrust", {"OptanonConsent": ONETRUST.replace("C0004%3A0", "C0004%3A1"), **CLOSED}, BOTH),
    ("onetrust", {"OptanonConsent": ONETRUST}, UNKNOWN),
    ("onetrust", {"OptanonConsent": "groups=C0002%3Ax", **CLOSED}, UNKNOWN),
    ("complianz", {"cmplz_marketing": "deny", "cmplz_statistics": "allow"}, STATISTICS),
    ("complianz", {"cmplz_marketing": "allow"}, readers.by_category(marketing=True, statistics=None)),
    ("complianz", {"cmplz_consent_mode": "analytics_storage%2Cad_storage"}, Consent(
        ad_storage=True, ad_user_data=False, ad_personalization=False, analytics_storage=True)),
    ("complianz", {"cmplz_consent_mode": "revoked"}, NEITHER),
    ("complianz", {"cmplz_consent_mode": "perhaps"}, UNKNOWN),
    ("klaro", {"klaro": quoted({"google-ads": False, "meta-pixel": True, "google-analytics": True})}, STATISTICS),
    ("klaro", {"klaro": quoted({"google-ads": True, "google-analytics": "yes"})},
        readers.by_category(marketing=True, statistics=None)),
    ("klaro", {"klaro": quoted({"something": True})}, UNKNOWN),
    ("klaro", {"klaro": "%7Bnot json"}, UNKNOWN),
    ("iubenda", {"_iub_cs-12345678": quoted({"purposes": {"1": True, "4": True, "5": False}, "id": 1})}, STATISTICS),
    ("iubenda", {"_iub_cs-12345678": quoted({"consent": True})}, BOTH),
    ("iubenda", {"_iub_cs-1": quoted({"consent": True}), "_iub_cs-2": quoted({"consent": False})}, NEITHER),
    ("iubenda", {"_iub_cs-1": "[1]"}, UNKNOWN),
    ("axeptio", {"axeptio_cookies": quoted({"google_ads": False, "google_analytics": True, "$$completed": True})}, STATISTICS),
    ("axeptio", {"axeptio_cookies": quoted({"google_ads": True, "google_analytics": True})}, UNKNOWN),
    ("tcf", {"euconsent-v2": string()}, Consent(ad_storage=True, ad_user_data=True, ad_personalization=True)),
    ("tcf", {"euconsent-v2": string(purposes=[1, 3])}, Consent(
        ad_storage=True, ad_user_data=False, ad_personalization=False)),
    ("tcf", {"euconsent-v2": string(vendors=[(1, GOOGLE - 1)])}, Consent(
        ad_storage=False, ad_user_data=False, ad_personalization=False)),
    ("tcf", {"euconsent-v2": SPECIFICATION}, Consent(ad_storage=False, ad_user_data=False, ad_personalization=False)),
    ("tcf", {"euconsent-v2": string()[:-1]}, UNKNOWN),
    ("tcf", {"didomi_token": "eyJ1c2VyX2lkIjoiMSJ9", "euconsent-v2": string(purposes=[1, 7])}, Consent(
        ad_storage=True, ad_user_data=True, ad_personalization=False)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "cookies", "expected"), ROWS, ids=[f"{n}-{i}" for i, (n, *_r) in enumerate(ROWS)])
def test_a_platforms_cookie(name: str, cookies: dict[str, str], expected: Consent) -> None:
    assert getattr(readers, name)(request_with(cookies)) == expected
    found, source = read_stored(request_with(cookies))
    assert found == expected
    assert source == (name if expected.known else f"{name}: nothing known")


@pytest.mark.parametrize("path", CONSENT_READERS)
def test_without_its_cookie_a_reader_says_nothing(path: str) -> None:
    assert getattr(readers, path.rpartition(".")[2])(request_with({"other": "x", "_iub_cs-1-uspr": "x"})) is None


@pytest.mark.parametrize(
    ("setting", "value", "name", "cookies"),
    [
        (
            "OCTANIST_ONETRUST_GROUPS",
            {"marketing": ["ADS"], "statistics": ["STATS"]},
            "onetrust",
            {"OptanonConsent": "groups=ADS%3A1%2CSTATS%3A1%2CC0004%3A0", **CLOSED},
        ),
        (
            "OCTANIST_KLARO_SERVICES",
            {"marketing": ["bing"], "statistics": ["matomo"]},
            "klaro",
            {"klaro": quoted({"bing": True, "matomo": True, "google-ads": False})},
        ),
        (
            "OCTANIST_AXEPTIO_VENDORS",
            {"marketing": ["bing"], "statistics": ["matomo"]},
            "axeptio",
            {"axeptio_cookies": quoted({"bing": True, "matomo": True, "$$completed": True})},
        ),
    ],
)
def test_the_sites_own_names(settings: Any, setting: str, value: Any, name: str, cookies: dict[str, str]) -> None:
    setattr(settings, setting, value)
    assert getattr(readers, name)(request_with(cookies)) == BOTH


def test_klaros_cookie_may_have_another_name(settings: Any) -> None:
    settings.OCTANIST_KLARO_COOKIE = "consent"
    cookies = {"consent": quoted({"google-ads": True, "meta-pixel": True, "google-analytics": True})}
    assert readers.klaro(request_with(cookies)) == BOTH


@given(
    name=st.sampled_from(
        [
            *("CookieConsent", "cookieyes-consent", "OptanonConsent", "cmplz_marketing", "cmplz_consent_mode"),
            *("klaro", "_iub_cs-1", "axeptio_cookies", "euconsent-v2"),
        ]
    ),
    value=st.one_of(
        st.text(st.characters(codec=None), max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.text(max_size=5), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
        ).map(quoted),
    ),
)
def test_no_cookie_whatever_raises(name: str, value: str) -> None:
    read_stored(request_with({name: value, **CLOSED}))
