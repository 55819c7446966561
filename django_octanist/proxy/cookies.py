"""The pixel's own cookies, which begin with ``octa_``: only these go to Octanist, and only these come back.

What comes back is set for this site alone, whatever domain and path Octanist named, and carries nothing that is no
cookie's value (RFC 6265, section 4.1.1): no header can be made of it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from uuid import uuid4

from django.http import HttpRequest, HttpResponse

CLIENT_ID = "octa_cid"
MAX_AGE = 395 * 24 * 3600
"""Seconds. Browsers keep no cookie for longer than 400 days."""
MOST = 20
"""Cookies, each way."""
LONGEST_DATE = 64
"""Characters."""

_NAME = re.compile(r"octa_[A-Za-z0-9_-]{1,60}").fullmatch
_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{0,1024}").fullmatch
_SECONDS = re.compile(r"-?[0-9]{1,12}").fullmatch


def header_of(request: HttpRequest) -> str:
    """Return the ``Cookie`` header to send: the pixel's own cookies of ``request``; ``""`` where it has none."""
    own = [f"{name}={value}" for name, value in request.COOKIES.items() if _NAME(name) and _VALUE(value)]
    return "; ".join(own[:MOST])


def give_client_id(request: HttpRequest, response: HttpResponse) -> None:
    """Set the pixel's client id on ``response`` where the visitor has none: a random UUID."""
    if not request.COOKIES.get(CLIENT_ID):
        _set(response, CLIENT_ID, str(uuid4()), max_age=MAX_AGE, secure=request.is_secure(), httponly=False)


def pass_on(set_cookies: Iterable[str], request: HttpRequest, response: HttpResponse, *, may_keep: bool) -> None:
    """Set on ``response`` what of the values of ``Set-Cookie`` headers is the pixel's own.

    Unless the browser ``may_keep`` a cookie, only those that delete one.
    """
    for line in list(set_cookies)[:MOST]:
        pair, *rest = line.split(";")
        name, _, value = (part.strip() for part in pair.partition("="))
        if not _NAME(name) or not _VALUE(value):
            continue
        attributes = {key.strip().lower(): given.strip() for key, _, given in (item.partition("=") for item in rest)}
        age, httponly = _age(attributes), "httponly" in attributes
        if may_keep or age == 0:
            _set(response, name, value, max_age=age, secure=request.is_secure(), httponly=httponly)


def _age(attributes: Mapping[str, str]) -> int | None:
    """Return for how many seconds a cookie is kept: 0 deletes it; ``None``: for as long as the browser is open.

    ``Max-Age`` comes before ``Expires``, and what cannot be one does not count (RFC 6265, sections 5.2.1 to 5.3).
    """
    age = attributes.get("max-age", "")
    seconds = float(age) if _SECONDS(age) else _seconds_until(attributes.get("expires", ""))
    return None if seconds is None else int(min(max(seconds, 0), MAX_AGE))


def _seconds_until(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date[:LONGEST_DATE]).timestamp() - time.time()
    except (ArithmeticError, LookupError, TypeError, ValueError):  # no date, or none that there can be
        return None


def _set(response: HttpResponse, name: str, value: str, *, max_age: int | None, secure: bool, httponly: bool) -> None:
    response.set_cookie(name, max_age=max_age, path="/", secure=secure, httponly=httponly, samesite="Lax")
    # As it is: Django would put quotes around a slash, and the pixel read them.
    response.cookies[name].set(name, value, value)
