from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.attribution import Visit
from django_octanist.attribution.remembered import COOKIE
from django_octanist.middleware import OctanistMiddleware


def test_sync(rf: RequestFactory) -> None:
    request = rf.get("/?gclid=x")
    response = OctanistMiddleware(lambda _request: HttpResponse("page"))(request)
    assert response.content == b"page"  # type: ignore[union-attr]
    assert isinstance(request.octanist, Visit)  # type: ignore[attr-defined]
    assert request.octanist.attribution["gclid"] == "x"  # type: ignore[attr-defined]


def test_async(rf: RequestFactory) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.octanist.path)  # type: ignore[attr-defined]

    middleware = OctanistMiddleware(view)
    assert asyncio.iscoroutinefunction(middleware) or middleware.async_capable

    async def serve() -> Any:
        return await middleware(rf.get("/contact/"))  # type: ignore[misc]

    assert asyncio.run(serve()).content == b"/contact/"


def test_each_request_has_a_visit_of_its_own(rf: RequestFactory) -> None:
    middleware = OctanistMiddleware(lambda _request: HttpResponse())
    one, two = rf.get("/?gclid=1"), rf.get("/?gclid=2")
    middleware(one)
    middleware(two)
    assert one.octanist.attribution["gclid"] == "1"  # type: ignore[attr-defined]


def test_the_first_request_of_a_process_wakes_the_dispatch(rf: RequestFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr("django_octanist.dispatch.first_request", lambda: calls.append(1))
    middleware = OctanistMiddleware(lambda _request: HttpResponse())
    middleware(rf.get("/"))
    middleware(rf.get("/"))
    assert calls == [1]


def test_nothing_of_the_request_is_read_before_it_is_asked_for(rf: RequestFactory) -> None:
    request = rf.post("/", {"a": "b"})
    OctanistMiddleware(lambda _request: HttpResponse())(request)
    assert not hasattr(request, "_post")
    assert request.body  # still readable: nobody took the stream


HEADER = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=80)


@given(
    query=HEADER | st.sampled_from(["gclid=x", "fbclid=y&utm_source=%ff", "next=/%3Fgclid%3Dx", "&" * 2000]),
    referer=HEADER | st.sampled_from(["http://testserver/?gclid=x", "http://[::1/?", "http://testserver:x/?a"]),
    host=HEADER | st.just("testserver"),
    cookies=st.dictionaries(
        st.sampled_from([COOKIE, "CookieConsent", "euconsent-v2", "_fbc", "_gcl_aw", "klaro", "OptanonConsent"]), HEADER
    ),
    remember=st.sampled_from(["consent", "always", "never"]),
)
def test_whatever_arrives_the_page_is_served_and_nothing_is_logged(
    query: str, referer: str, host: str, cookies: dict[str, str], remember: str
) -> None:
    request = RequestFactory().get("/")
    request.META |= {"QUERY_STRING": query, "HTTP_REFERER": referer, "HTTP_HOST": host}
    request.META["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    lines: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = lines.append  # type: ignore[method-assign]
    logging.getLogger("django_octanist").addHandler(handler)
    try:
        with override_settings(OCTANIST_REMEMBER=remember):
            response = OctanistMiddleware(lambda _request: HttpResponse("page"))(request)
    finally:
        logging.getLogger("django_octanist").removeHandler(handler)
    assert response.content == b"page"  # type: ignore[union-attr]
    assert not [line.getMessage() for line in lines]
