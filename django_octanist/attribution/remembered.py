"""A visitor's latest campaign, in one signed first-party cookie: no session row, no database.

Written only when a campaign arrives that it does not hold yet, by ``OCTANIST_REMEMBER``. A cookie that is forged,
expired, of another site or too long is ignored.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import http_date

from ..conf import conf
from ..text import clean_line
from ..vocabulary import BY_NAME, CAMPAIGN

COOKIE = "octanist_campaign"
SALT = "django_octanist.attribution.remembered"
MAX_COOKIE = 3_800
"""Characters of the cookie's value. Browsers drop a cookie of more than 4,096 bytes with its name and attributes."""
DAY = 24 * 60 * 60


def serialise(campaign: Mapping[str, str]) -> str:
    """Return ``campaign`` (API name → value) as the cookie's value, without its longest values if it is too long."""
    kept = dict(campaign)
    text = signing.dumps(kept, salt=SALT)
    while len(text) > MAX_COOKIE:
        del kept[max(kept, key=lambda name: len(kept[name]))]
        text = signing.dumps(kept, salt=SALT)
    return text


def parse(text: str, *, max_age: int) -> dict[str, str]:
    """Return the campaign in a cookie's value; nothing where it is not ours, or older than ``max_age`` seconds."""
    if not text or len(text) > MAX_COOKIE:
        return {}
    try:
        data: Any = signing.loads(text, salt=SALT, max_age=max_age)
    except (signing.BadSignature, ValueError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {name: data[name] for name in CAMPAIGN if isinstance(data.get(name), str) and data[name]}


def read(request: HttpRequest) -> dict[str, str]:
    """Return what is remembered of the visitor, by API name."""
    text = request.COOKIES.get(COOKIE, "")
    if not text or conf.remember == "never":
        return {}
    return {
        name: clean_line(value, max_length=BY_NAME[name].max_length)
        for name, value in parse(text, max_age=conf.remember_days * DAY).items()
    }


def write(request: HttpRequest, response: HttpResponseBase, campaign: Mapping[str, str]) -> None:
    """Set the cookie on ``response``, and keep shared caches from handing it to others."""
    days = conf.remember_days
    response.set_cookie(
        COOKIE,
        serialise(campaign),
        max_age=days * DAY,
        expires=_midnight(int(time.time()) // DAY + days + 1),
        httponly=True,
        samesite="Lax",
        secure=request.is_secure(),
    )
    _private(response)


@lru_cache(maxsize=8)
def _midnight(day: int) -> str:
    """The start of a day since 1970, as an HTTP date: for browsers that know no ``max-age``, made once a day."""
    return http_date(day * DAY)


def delete(response: HttpResponseBase) -> None:
    """Delete the cookie."""
    response.delete_cookie(COOKIE, samesite="Lax")
    _private(response)


def _private(response: HttpResponseBase) -> None:
    if "Vary" in response.headers or "Cache-Control" in response.headers:
        patch_vary_headers(response, ("Cookie",))
        patch_cache_control(response, private=True)
    else:
        # The same, without parsing what is not there.
        response.headers["Vary"], response.headers["Cache-Control"] = "Cookie", "private"
