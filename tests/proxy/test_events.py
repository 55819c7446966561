from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client

from django_octanist import exchanges
from django_octanist.proxy import events, upstream
from django_octanist.proxy.breaker import FAILURES

from ..loopback import Connection, Loopback, closed_port, respond
from .servers import octanist

Serve = Callable[..., Loopback]
EVENT = {"mid": "OCT-1A2B3C4D", "type": "page_view", "url": "https://example.com/?email=jo.marker@example.com"}


def post(client: Client, body: Any = EVENT, *, kind: str = "application/json", **extra: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.generic("POST", "/oct/e", raw, content_type=kind, **extra)


def test_an_event_goes_up(serve: Serve, client: Client, settings: Any) -> None:
    server = serve()
    settings.OCTANIST_TRUSTED_PROXIES = ["127.0.0.1"]
    client.cookies.load({"basket": "secret", "octa_cid": "c-1", "theme": "dark"})
    response = post(
        client,
        HTTP_X_FORWARDED_FOR="6.6.6.6, 198.51.100.1",
        HTTP_CF_IPCOUNTRY="NL",
        HTTP_USER_AGENT="Mozilla/5.0",
        HTTP_REFERER="https://example.com/roofs/",
        HTTP_ACCEPT_LANGUAGE="nl",
        HTTP_AUTHORIZATION="Basic secret",
    )
    assert (response.status_code, response.content, response["Cache-Control"]) == (204, b"", "no-store")
    assert not response.cookies
    (request,) = server.requests
    assert request.line == "POST /e HTTP/1.1"
    assert request.json == EVENT
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": exchanges.USER_AGENT,
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "content-type": "application/json",
        "content-length": str(len(request.body)),
        "cookie": "octa_cid=c-1",
        "x-octanist-client-ip": "198.51.100.1",
        "x-octanist-client-country": "NL",
        "x-octanist-client-ua": "Mozilla/5.0",
        "x-octanist-client-referer": "https://example.com/roofs/",
        "x-octanist-client-accept-language": "nl",
    }


def test_only_the_pixels_cookies_come_back(serve: Serve, client: Client) -> None:
    def script(connection: Connection) -> None:
        connection.read_request()
        cookies = ("octa_cid=c-1; Max-Age=60; Domain=octani.st", "__cf_bm=x; Path=/", "octa_b=2")
        lines = "".join(f"Set-Cookie: {cookie}\r\n" for cookie in cookies)
        connection.send(f"HTTP/1.1 204 X\r\n{lines}\r\n".encode())

    serve(script)
    assert {name: cookie.value for name, cookie in post(client).cookies.items()} == {"octa_cid": "c-1", "octa_b": "2"}


@pytest.mark.parametrize(("choice", "kept"), [(None, False), ("no", False), ("yes", True)])
def test_where_consent_is_required_a_cookie_comes_back_only_with_it(
    serve: Serve, client: Client, settings: Any, choice: str | None, kept: bool
) -> None:
    serve(octanist(event_headers={"Set-Cookie": "octa_cid=c-1; Max-Age=34128000; Path=/"}))
    assert post(client).cookies["octa_cid"].value == "c-1"
    settings.OCTANIST_REQUIRE_CONSENT = True
    client.cookies.clear()
    if choice:
        client.cookies["cookieyes-consent"] = f"consentid:x,consent:yes,action:yes,analytics:{choice}"
    response = post(client)
    assert response.status_code == 204
    assert ("octa_cid" in response.cookies) is kept


def test_without_consent_a_cookie_may_still_be_deleted(serve: Serve, client: Client, settings: Any) -> None:
    serve(octanist(event_headers={"Set-Cookie": "octa_cid=; Max-Age=0; Path=/"}))
    settings.OCTANIST_REQUIRE_CONSENT = True
    assert post(client).cookies["octa_cid"]["max-age"] == 0


def test_a_wrong_setting_of_consent_costs_the_cookie_and_not_the_event(
    serve: Serve, client: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(octanist(event_headers={"Set-Cookie": "octa_cid=c-1; Max-Age=60"}))
    settings.OCTANIST_REQUIRE_CONSENT = "yes"
    response = post(client)
    assert (response.status_code, len(response.cookies), len(server.requests)) == (204, 0, 1)
    assert "keeps no cookie: OCTANIST_REQUIRE_CONSENT must be" in caplog.text


def test_it_is_not_changed_on_its_way(serve: Serve, client: Client) -> None:
    server = serve()
    raw = b' {"mid" : "OCT-2", "n":1.0, "t":"\\u00e9 \xc3\xa9"}\n'
    assert post(client, raw, kind="text/plain").status_code == 204
    assert server.requests[0].body == raw


def test_the_sites_pixel_is_named_where_none_is(serve: Serve, client: Client) -> None:
    server = serve()
    post(client, {"type": "page_view"})
    assert server.requests[0].json == {"type": "page_view", "mid": "OCT-1A2B3C4D"}


@pytest.mark.parametrize("raw", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 50_000, b'"text"'])
def test_what_is_no_event_goes_nowhere(serve: Serve, client: Client, raw: bytes) -> None:
    server = serve()
    assert post(client, raw).status_code == 400
    assert server.connections == 0


def test_64_kib_and_no_more(serve: Serve, client: Client) -> None:
    server = serve()
    frame = len(json.dumps({"mid": "M", "x": ""}))
    assert post(client, {"mid": "M", "x": "x" * (events.MAX_BODY - frame)}).status_code == 204
    assert post(client, {"mid": "M", "x": "x" * (events.MAX_BODY - frame + 1)}).status_code == 413
    assert post(client, b"x" * 20_000_000).status_code == 413
    assert len(server.requests) == 1


@pytest.mark.parametrize(("length", "status"), [("x", 400), ("-1", 400), ("65537", 413), ("9" * 5000, 413), ("²", 400)])
def test_a_length_that_is_none(client: Client, length: str, status: int) -> None:
    assert post(client, CONTENT_LENGTH=length).status_code == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(client: Client, method: str) -> None:
    response = client.generic(method, "/oct/e")
    assert (response.status_code, response["Allow"]) == (405, "POST")


def test_no_csrf_token_and_no_login_is_asked_for(serve: Serve, settings: Any) -> None:
    serve()
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    client = Client(enforce_csrf_checks=True)
    assert post(client).status_code == 204
    assert client.get("/oct/p").status_code == 200


@pytest.mark.django_db
def test_no_transaction_is_open_meanwhile(serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    serve()
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    before, seen = len(connection.savepoint_ids), []
    send = exchanges.send

    def sees(*given: Any, **named: Any) -> Any:
        seen.append(len(connection.savepoint_ids) - before)
        return send(*given, **named)

    monkeypatch.setattr(upstream.exchanges, "send", sees)
    post(client)
    assert seen == [0]


def test_too_many_of_one_address(serve: Serve, client: Client, settings: Any) -> None:
    settings.OCTANIST_EVENTS_PER_MINUTE = 5
    server = serve()
    answers = [post(client) for _event in range(12)]
    # The minute may turn once meanwhile.
    assert 5 <= len(server.requests) <= 10
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) == 12 - len(server.requests)
    assert {answer["Retry-After"] for answer in refused} == {"60"}
    assert post(client, REMOTE_ADDR="203.0.113.9").status_code == 204


@pytest.mark.parametrize("status", [200, 202, 204, 400, 403, 413, 422])
def test_an_event_that_is_taken_or_refused_is_no_failure(serve: Serve, client: Client, status: int) -> None:
    server = serve(octanist(event_status=status))
    assert {post(client).status_code for _event in range(FAILURES + 2)} == {204}
    assert len(server.requests) == FAILURES + 2


@pytest.mark.parametrize("status", [302, 404, 405, 408, 429, 500, 503])
def test_octanist_fails(
    serve: Serve, client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    server = serve(octanist(event_status=status, event_headers={"Set-Cookie": "octa_x=1", "Location": "/elsewhere"}))
    caplog.set_level(logging.INFO, logger="django_octanist")
    for _event in range(FAILURES + 2):
        response = post(client)
        assert (response.status_code, len(response.cookies)) == (204, 0)
    assert [request.line for request in server.requests] == ["POST /e HTTP/1.1"] * FAILURES
    (record,) = caplog.records
    assert f"HTTP {status}" in record.getMessage()
    assert "jo.marker" not in caplog.text
    later(monkeypatch)
    server.script = octanist()
    exchanges.close()
    post(client)
    post(client)
    assert len(server.requests) == FAILURES + 2
    assert caplog.messages[-1] == "Octanist: the pixel's events are forwarded again."


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the rest be over."""
    now = upstream.elapsed() + upstream.REST_SECONDS
    monkeypatch.setattr(upstream, "elapsed", lambda: now)


def test_octanist_does_not_answer(serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert upstream.EVENT_SECONDS == 1.0
    monkeypatch.setattr(upstream, "EVENT_SECONDS", 0.1)
    serve(lambda connection: (connection.read_request(), connection.hold())[1])
    assert {post(client).status_code for _event in range(FAILURES + 3)} == {204}
    assert upstream._way.breaker.failures == FAILURES, "what came later was not sent"


def test_octanist_drips(
    serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upstream, "EVENT_SECONDS", 0.2)
    serve(lambda connection: (connection.read_request(), connection.drip(respond(204, b"x" * 10_000)))[1])
    assert {post(client).status_code for _event in range(FAILURES)} == {204}
    assert "no full answer within 0.2 s" in caplog.text


def test_octanist_answers_without_end(serve: Serve, client: Client) -> None:
    server = serve(octanist(event_status=200))
    sent: list[int] = []

    def endless(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 X\r\n\r\n")
        for number in range(100_000):
            connection.send(b"x" * 10_000)
            sent.append(number)

    server.script = endless
    assert post(client).status_code == 204
    exchanges.close()
    assert len(sent) < 100_000


def test_octanist_is_away(client: Client, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.OCTANIST_PIXEL_URL = f"http://127.0.0.1:{closed_port()}/p"
    assert {post(client).status_code for _event in range(FAILURES + 1)} == {204}
    assert "no connection" in caplog.text


def test_a_slow_octanist_takes_a_few_threads_of_the_site(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """While so many wait as may, whoever comes next is answered at once."""
    monkeypatch.setattr(upstream, "EVENT_SECONDS", 20.0)
    go_on, arrived = threading.Event(), threading.Semaphore(0)

    def slow(connection: Connection) -> None:
        connection.read_request()
        arrived.release()
        go_on.wait(20)
        connection.send(respond(204, b""))

    server = serve(slow)
    statuses: list[int] = []

    def visit() -> None:
        statuses.append(post(Client()).status_code)
        exchanges.close()

    visitors = [threading.Thread(target=visit) for _visitor in range(upstream.MOST_AT_ONCE)]
    for visitor in visitors:
        visitor.start()
    assert all(arrived.acquire(timeout=20) for _visitor in visitors)
    assert post(Client()).status_code == 204
    assert statuses == []
    go_on.set()
    for visitor in visitors:
        visitor.join(20)
    assert statuses == [204] * upstream.MOST_AT_ONCE
    assert server.connections == upstream.MOST_AT_ONCE
    post(Client())
    assert server.connections == upstream.MOST_AT_ONCE + 1


def test_a_bug_of_ours_gives_the_place_back(serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    client.raise_request_exception = False
    with monkeypatch.context() as patched:
        patched.setattr(upstream.exchanges, "send", lambda *_given, **_named: 1 / 0)
        for _event in range(2):
            post(client)
    for _event in range(upstream.MOST_AT_ONCE):
        post(client)
    assert len(server.requests) == upstream.MOST_AT_ONCE


def test_a_setting_that_is_wrong_is_no_error_on_the_page(
    client: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.OCTANIST_TRUSTED_PROXIES = ["everyone"]
    assert post(client).status_code == 204
    assert "OCTANIST_TRUSTED_PROXIES must be" in caplog.text


def reads_afterwards(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A site's middleware that looks at the body once the view has answered."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["X-Read"] = f"{len(request.body)} {len(request.POST)}"
        return response

    return middleware


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_middleware_that_reads_the_body_afterwards(serve: Serve, client: Client, settings: Any, kind: str) -> None:
    serve()
    settings.MIDDLEWARE = [f"{__name__}.reads_afterwards", *settings.MIDDLEWARE]
    response = post(client, kind=kind)
    assert response.status_code == 204
    assert response["X-Read"].startswith(str(len(json.dumps(EVENT))))
    assert post(client, b"no event").status_code == 400


def test_a_middleware_that_reads_the_body_afterwards_over_asgi(serve: Serve, settings: Any) -> None:
    serve()
    settings.MIDDLEWARE = [f"{__name__}.reads_afterwards"]
    response = async_to_sync(AsyncClient().post)("/oct/e", json.dumps(EVENT), content_type="application/json")
    assert (response.status_code, response["X-Read"]) == (204, f"{len(json.dumps(EVENT))} 0")


def test_it_does_not_forward_to_itself(client: Client) -> None:
    assert post(client, HTTP_USER_AGENT=exchanges.USER_AGENT).status_code == 508


def test_urllib3_logs_no_visitor(serve: Serve, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    serve()
    caplog.set_level(logging.DEBUG)
    post(client, HTTP_USER_AGENT="jo.marker")
    assert "jo.marker" not in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_knows_of_no_failures_and_holds_no_lock() -> None:
    upstream._way.breaker = upstream._way.breaker.failed(now=0).failed(now=0).failed(now=0)
    with upstream._way.lock:
        child = os.fork()
        if child == 0:
            way = upstream._way
            os._exit(0 if way.lock.acquire(timeout=5) and not way.breaker.is_open else 1)
    assert os.waitpid(child, 0)[1] == 0
