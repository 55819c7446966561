"""What consent platforms leave in cookies, one reader each: request → :class:`Consent`, or ``None`` without a cookie.

Marketing drives ``ad_storage``, ``ad_user_data`` and ``ad_personalization``; statistics drives ``analytics_storage``.
A cookie that is there but says nothing (no choice yet, unreadable, cut off) gives a consent of which nothing is
known, which is never granted. The formats are the vendors' own, seen in real cookie headers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from django.apps import apps
from django.http import HttpRequest
from django.utils.module_loading import import_string

from ..conf import conf
from ..transactions import savepoints
from . import tcf as iab
from .words import Consent, read_word

UNKNOWN = Consent()

_COOKIEBOT = re.compile(r"\b(\w+):(true|false)\b")


def by_category(*, marketing: bool | None, statistics: bool | None) -> Consent:
    """Return the four fields that the two usual categories stand for."""
    return Consent(
        ad_storage=marketing, ad_user_data=marketing, ad_personalization=marketing, analytics_storage=statistics
    )


def cookiebot(request: HttpRequest) -> Consent | None:
    """Cookiebot: ``CookieConsent={stamp:'…',necessary:true,statistics:true,marketing:false,method:'explicit',…}``.

    Not JSON. ``stamp:'-1'`` with ``method:'implied'`` is no choice of the visitor's.
    """
    text = _cookie(request, "CookieConsent")
    if text is None:
        return None
    if "stamp:'-1'" in text and "method:'implied'" in text:
        return UNKNOWN
    found = {name: value == "true" for name, value in _COOKIEBOT.findall(text)}
    return by_category(marketing=found.get("marketing"), statistics=found.get("statistics"))


def cookieyes(request: HttpRequest) -> Consent | None:
    """CookieYes: ``cookieyes-consent=consentid:…,consent:yes,action:yes,…,analytics:yes,advertisement:yes``.

    An empty ``action`` means undecided.
    """
    text = _cookie(request, "cookieyes-consent")
    if text is None:
        return None
    pairs = (pair.partition(":") for pair in text.split(","))
    found = {name.strip(): value.strip() for name, _colon, value in pairs}
    if not found.get("action"):
        return UNKNOWN
    return by_category(marketing=read_word(found.get("advertisement")), statistics=read_word(found.get("analytics")))


def onetrust(request: HttpRequest) -> Consent | None:
    """OneTrust: ``OptanonConsent=…&groups=C0001:1,C0002:0,…``, which counts once ``OptanonAlertBoxClosed`` is there.

    Which groups are marketing and statistics is for ``OCTANIST_ONETRUST_GROUPS`` to say.
    """
    raw = request.COOKIES.get("OptanonConsent")
    if raw is None:
        return None
    if "OptanonAlertBoxClosed" not in request.COOKIES:
        return UNKNOWN
    groups = dict(_pairs(raw)).get("groups", "")
    found = {
        name: {"1": True, "0": False}.get(bit) for name, _colon, bit in (g.partition(":") for g in groups.split(","))
    }
    return _by_names({name: value for name, value in found.items() if value is not None}, conf.onetrust_groups)


def complianz(request: HttpRequest) -> Consent | None:
    """Complianz: ``cmplz_marketing`` and ``cmplz_statistics`` are ``allow`` or ``deny``.

    Else ``cmplz_consent_mode``: the granted signals by their own names, comma-separated, or ``revoked``.
    """
    categories = [_cookie(request, f"cmplz_{name}") for name in ("marketing", "statistics")]
    if any(value is not None for value in categories):
        marketing, statistics = ({"allow": True, "deny": False}.get(value or "") for value in categories)
        return by_category(marketing=marketing, statistics=statistics)
    text = _cookie(request, "cmplz_consent_mode")
    if text is None:
        return None
    granted = {signal.strip() for signal in text.split(",")}
    known = granted & UNKNOWN.as_dict().keys()
    if not known and "revoked" not in granted:
        return UNKNOWN
    return Consent(**{name: name in known for name in UNKNOWN.as_dict()})


def klaro(request: HttpRequest) -> Consent | None:
    """Klaro: a JSON object of service → boolean, in the cookie ``OCTANIST_KLARO_COOKIE``.

    Which services are marketing and statistics is for ``OCTANIST_KLARO_SERVICES`` to say.
    """
    text = _cookie(request, conf.klaro_cookie)
    return None if text is None else _by_names(_object(text), conf.klaro_services)


def iubenda(request: HttpRequest) -> Consent | None:
    """Iubenda: ``_iub_cs-<digits>``, a JSON object with ``purposes`` (5 marketing, 4 statistics), else ``consent``.

    Of several such cookies the most careful one counts.
    """
    names = [name for name in request.COOKIES if re.fullmatch(r"_iub_cs-\d+", name)]
    if not names:
        return None
    found = [_iubenda(_object(_cookie(request, name) or "")) for name in names]
    fields = {name: [consent.as_dict()[name] for consent in found] for name in UNKNOWN.as_dict()}
    return Consent(**{name: _least(values) for name, values in fields.items()})


def _iubenda(choice: Mapping[str, Any]) -> Consent:
    purposes = choice.get("purposes")
    if isinstance(purposes, Mapping):
        return by_category(marketing=_boolean(purposes.get("5")), statistics=_boolean(purposes.get("4")))
    both = _boolean(choice.get("consent"))
    return by_category(marketing=both, statistics=both)


def axeptio(request: HttpRequest) -> Consent | None:
    """Axeptio: ``axeptio_cookies``, a JSON object of vendor → boolean, which counts once ``$$completed``.

    Which vendors are marketing and statistics is for ``OCTANIST_AXEPTIO_VENDORS`` to say.
    """
    text = _cookie(request, "axeptio_cookies")
    if text is None:
        return None
    choice = _object(text)
    return _by_names(choice, conf.axeptio_vendors) if choice.get("$$completed") is True else UNKNOWN


def tcf(request: HttpRequest) -> Consent | None:
    """IAB TCF 2.x, and Didomi, which keeps it: ``euconsent-v2``, by Google's mapping of purposes.

    Purpose 1 is ``ad_storage``, 1 and 7 ``ad_user_data``, 3 and 4 ``ad_personalization``, each for Google (vendor
    755). ``analytics_storage`` is not mapped, and stays unknown.
    """
    text = _cookie(request, "euconsent-v2")
    if text is None:
        return None
    try:
        read = iab.decode(text)
    except iab.TCFError:
        return UNKNOWN
    return Consent(ad_storage=read.allows(1), ad_user_data=read.allows(1, 7), ad_personalization=read.allows(3, 4))


def django_cookie_consent(request: HttpRequest) -> Consent | None:
    """django-cookie-consent, where it is installed: by the groups of ``OCTANIST_COOKIE_CONSENT_GROUPS``."""
    if not apps.is_installed("cookie_consent"):
        return None
    choices_in = import_string("cookie_consent.util.get_cookie_dict_from_request")
    value_of = import_string("cookie_consent.util.get_cookie_value_from_request")
    if not choices_in(request):
        return None
    groups = conf.cookie_consent_groups
    with savepoints():
        values = {name: value_of(request, name) for names in groups.values() for name in names}
    known = {name: value for name, value in values.items() if value is not None}
    return _by_names(known, groups) if known else None


def _cookie(request: HttpRequest, name: str) -> str | None:
    """Return a cookie, percent-decoded once: Django does not."""
    raw = request.COOKIES.get(name)
    return None if raw is None else unquote(raw)


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, max_num_fields=200)
    except ValueError:
        return []


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _by_names(choice: Mapping[str, Any], groups: Mapping[str, Any]) -> Consent:
    """Return the consent that services, vendors or groups by name stand for."""
    return by_category(
        marketing=_least(_boolean(choice.get(name)) for name in groups["marketing"] if name in choice),
        statistics=_least(_boolean(choice.get(name)) for name in groups["statistics"] if name in choice),
    )


def _least(values: Iterable[bool | None]) -> bool | None:
    """Granted where all are; denied where one is; unknown where there is none, or one is unknown."""
    listed = list(values)
    if False in listed:
        return False
    return True if listed and None not in listed else None
