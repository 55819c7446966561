"""``p`` and ``e``. Plain views: under ASGI each runs in a thread of its own request, and the event loop goes on.

Whatever goes wrong, a visitor's page sees an empty script or an empty answer, at once or within a second.
"""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.utils.cache import get_conditional_response
from django.views.decorators.csrf import csrf_exempt

from ..conf import conf
from ..consent import read_stored
from ..exceptions import OctanistConfigurationError
from . import cookies, events, limits, script, upstream, visitors

logger = logging.getLogger("django_octanist")

CONTENT_TYPE = "text/javascript; charset=utf-8"
NOTHING = b"/* Octanist: the pixel is not here yet. */\n"
FRESH_AGE = 300
OLD_AGE = 60
NOTHING_AGE = 5
"""Seconds for which a browser, or a cache on the way, may keep each."""


@login_not_required
@transaction.non_atomic_requests
def pixel(request: HttpRequest) -> HttpResponseBase:
    """Octanist's script, from a copy. With ``?cookie=1`` the pixel asks for its client id, as a cookie, instead."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if _is_own(request):
        return HttpResponse(status=script.LOOP)
    if request.GET.get("cookie") == "1":
        return _client_id(request)
    found = _script()
    if found is None:
        return _answer(NOTHING, age=NOTHING_AGE)
    response = _answer(found.body, age=FRESH_AGE if found.is_fresh else OLD_AGE)
    response["ETag"] = found.etag
    return get_conditional_response(request, etag=found.etag, response=response) or response


@csrf_exempt
@login_not_required
@transaction.non_atomic_requests
def event(request: HttpRequest) -> HttpResponseBase:
    """Take an event of the pixel's and forward it. 204, whether it arrived or not: nobody here could help it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if _is_own(request):
        return HttpResponse(status=script.LOOP)
    response = HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    try:
        response.status_code = _forward(request, response)
    except events.NoEventError as refused:
        response.status_code = refused.status
    except OctanistConfigurationError as error:
        logger.error("Octanist: an event of the pixel is dropped: %s", error)
    if response.status_code == 429:
        response["Retry-After"] = str(limits.WINDOW)
    return response


def _forward(request: HttpRequest, response: HttpResponse) -> int:
    address = visitors.address_of(request)
    if not limits.admits(address):
        return 429
    body = events.read(request)
    headers = visitors.headers_of(request, address=address)
    own = cookies.header_of(request)
    if own:
        headers["Cookie"] = own
    answered = upstream.forward(body, headers=headers)
    if answered:
        cookies.pass_on(answered, request, response, may_keep=_may_keep(request))
    return 204


def _script() -> script.Script | None:
    try:
        return script.current()
    except OctanistConfigurationError as error:
        logger.error("Octanist: no pixel is served: %s", error)
        return None


def _answer(body: bytes, *, age: int) -> HttpResponse:
    headers = {"Cache-Control": f"public, max-age={age}", "X-Content-Type-Options": "nosniff"}
    return HttpResponse(body, content_type=CONTENT_TYPE, headers=headers)


def _client_id(request: HttpRequest) -> HttpResponse:
    """The pixel asks once its visitor has consented."""
    response = HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    if _may_keep(request):
        cookies.give_client_id(request, response)
    return response


def _may_keep(request: HttpRequest) -> bool:
    """Whether the browser may keep the pixel's cookies: where the site insists on knowing consent itself, if it does.

    Else it is the pixel's own business.
    """
    try:
        return not conf.require_consent or read_stored(request)[0].allows_attribution
    except OctanistConfigurationError as error:
        logger.error("Octanist: the pixel keeps no cookie: %s", error)
        return False


def _is_own(request: HttpRequest) -> bool:
    """Whether this app itself is asking: OCTANIST_PIXEL_URL points at this site, and would go round in circles."""
    return str(request.META.get("HTTP_USER_AGENT", "")).startswith("django-octanist/")
