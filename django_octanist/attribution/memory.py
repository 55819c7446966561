"""When a campaign is remembered, and when it is forgotten: by ``OCTANIST_REMEMBER`` and the visitor's consent."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase

from ..conf import conf
from . import remembered
from .merge import brings_something_new, with_first_seen
from .page import may_bring_a_query
from .visit import Visit


def is_concerned(request: HttpRequest) -> bool:
    """Whether ``request`` may bring a campaign or has one remembered. The usual page view does neither."""
    meta = request.META
    return bool(meta.get("QUERY_STRING") or may_bring_a_query(meta) or remembered.COOKIE in meta.get("HTTP_COOKIE", ""))


def update(visit: Visit, request: HttpRequest, response: HttpResponseBase) -> None:
    """Remember on ``response`` the campaign that ``request`` brings, or forget what was remembered.

    Does nothing to a response whose request brings nothing new, so that page caches keep working.
    """
    mode, has_cookie = conf.remember, remembered.COOKIE in request.COOKIES
    if mode == "never" or (mode == "consent" and has_cookie and _is_withdrawn(visit)):
        if has_cookie:
            remembered.delete(response)
    elif brings_something_new(visit.arriving, remembered=visit.remembered) and _may_remember(visit, mode=mode):
        platforms = visit.platforms if "fbc" in visit.arriving else {}
        campaign = with_first_seen(visit.arriving, remembered=visit.remembered, cookies=platforms)
        remembered.write(request, response, {name: found.value for name, found in campaign.items()})


def _is_withdrawn(visit: Visit) -> bool:
    return visit.stored_consent.known and not visit.stored_consent.allows_attribution


def _may_remember(visit: Visit, *, mode: str) -> bool:
    return mode == "always" or visit.stored_consent.allows_attribution
