"""What the site's own consent banner says, read from its cookie: named in ``OCTANIST_CONSENT_READERS``."""

from __future__ import annotations

import re

from django.http import HttpRequest

from django_octanist.consent import Consent

COOKIE = "ridgeline_consent"
"""Written by ``static/roofer/consent.js``."""


def ridgeline_consent(request: HttpRequest) -> Consent | None:
    """Return the visitor's choice, or ``None`` before there is one. A cookie that makes no sense says nothing."""
    value = request.COOKIES.get(COOKIE)
    if value is None:
        return None
    choice = re.fullmatch(r"ads:([01])\.statistics:([01])", value)
    if choice is None:
        return Consent()
    ads, statistics = (digit == "1" for digit in choice.groups())
    return Consent(ad_storage=ads, ad_user_data=ads, ad_personalization=ads, analytics_storage=statistics)
