from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.template import Context, Template
from django.test import Client

from django_octanist import process
from django_octanist.proxy import script, views

from ..loopback import Connection, Loopback, closed_port, respond
from .servers import SCRIPT, TYPE, octanist

Serve = Callable[..., Loopback]
NEW = b"window.OCT = {}; // a newer one\n"


def get(client: Client, **extra: str) -> Any:
    response = client.get("/oct/p", **extra)
    script.finish(20)
    return response


@pytest.fixture
def kept(serve: Serve, client: Client, no_test_run: None) -> Loopback:
    """A server whose script this process has."""
    server = serve()
    get(client)
    return server


@pytest.fixture
def old(kept: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    """One whose script has to be asked for again."""
    monkeypatch.setattr(script, "FRESH_SECONDS", -1.0)
    return kept


@pytest.mark.usefixtures("no_test_run")
def test_the_first_visitor_gets_an_empty_script_and_the_next_the_pixel(serve: Serve, client: Client) -> None:
    server = serve()
    first = get(client)
    assert (first.status_code, first.content) == (200, views.NOTHING)
    assert first["Cache-Control"] == "public, max-age=5"
    assert first["Content-Type"] == "text/javascript; charset=utf-8"
    second = get(client)
    assert (second.status_code, second.content) == (200, SCRIPT)
    assert second["Cache-Control"] == "public, max-age=300"
    assert second["Content-Type"] == "text/javascript; charset=utf-8"
    assert second["X-Content-Type-Options"] == "nosniff"
    assert not second.cookies
    assert len(server.requests) == 1


@pytest.mark.usefixtures("no_test_run")
def test_octanist_hears_nothing_of_the_visitor(serve: Serve, client: Client) -> None:
    server = serve()
    client.cookies["sessionid"] = "secret"
    get(client, HTTP_USER_AGENT="Mozilla/5.0", HTTP_REFERER="https://example.com/")
    (request,) = server.requests
    assert request.line == "GET /p HTTP/1.1"
    assert set(request.headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert request.headers["user-agent"].startswith("django-octanist/")


@pytest.mark.usefixtures("no_test_run")
def test_nobody_waits_while_it_is_fetched(serve: Serve, client: Client) -> None:
    """Ten visitors while the server says nothing: an empty script each, and one request."""
    go_on = threading.Event()

    def late(connection: Connection) -> None:
        connection.read_request()
        go_on.wait(20)
        connection.send(respond(200, SCRIPT, TYPE))

    server = serve(late)
    assert {client.get("/oct/p").content for _visitor in range(10)} == {views.NOTHING}
    go_on.set()
    script.finish(20)
    assert get(client).content == SCRIPT
    assert server.connections == 1


@pytest.mark.usefixtures("kept")
def test_etag_and_304(client: Client) -> None:
    etag = get(client)["ETag"]
    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = get(client, HTTP_IF_NONE_MATCH=sent)
        assert (response.status_code, response.content) == (304, b"")
        assert (response["ETag"], response["Cache-Control"]) == (etag, "public, max-age=300")
    assert get(client, HTTP_IF_NONE_MATCH='"other"').status_code == 200


@pytest.mark.usefixtures("kept")
def test_head(client: Client) -> None:
    response = client.head("/oct/p")
    assert (response.status_code, response.content) == (200, b"")
    assert response["ETag"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(client: Client, method: str) -> None:
    response = client.generic(method, "/oct/p")
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


def test_an_old_one_is_served_while_a_newer_one_is_fetched(old: Loopback, client: Client) -> None:
    old.script = octanist(NEW)
    response = get(client)
    assert response.content == SCRIPT
    assert response["Cache-Control"] == "public, max-age=60"
    assert get(client).content == NEW


def cut_off(connection: Connection) -> None:
    connection.read_request()
    connection.send(respond(200, SCRIPT, {**TYPE, "Content-Length": "1000"}))


def test_a_redirect_is_not_followed(old: Loopback, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with Loopback(octanist(NEW)) as other:
        old.script = octanist(NEW, status=302, headers={**TYPE, "Location": f"{other.url}/p"})
        assert get(client).content == SCRIPT
        assert get(client).content == SCRIPT
        assert other.connections == 0
    assert "HTTP 302" in caplog.text


BAD = {
    "an error": (octanist(NEW, status=500), "HTTP 500"),
    "nothing there": (octanist(NEW, status=404), "HTTP 404"),
    "no content": (octanist(b"", status=204), "HTTP 204"),
    "html": (octanist(b"<html>", headers={"Content-Type": "text/html"}), "something else than a script"),
    "no type": (octanist(NEW, headers={"Content-Type": ""}), "something else than a script"),
    "json": (octanist(b"{}", headers={"Content-Type": "application/json"}), "something else than a script"),
    "html as a script": (octanist(b"\n <!doctype html>"), "is no script"),
    "empty": (octanist(b" \n"), "is no script"),
    "no text": (octanist(b"\xff\xfe\x00"), "is no script"),
    "huge": (octanist(b"x" * (script.MAX_SCRIPT + 1)), "larger than"),
    "cut off": (cut_off, "cut off"),
    "no answer": (lambda connection: (connection.read_request(), connection.reset())[1], "no full answer"),
    "this site itself": (octanist(b"", status=508), "this site's own proxy"),
}


@pytest.mark.parametrize(("answer", "said"), BAD.values(), ids=BAD)
def test_what_is_no_script_changes_nothing(
    old: Loopback, client: Client, caplog: pytest.LogCaptureFixture, answer: Any, said: str
) -> None:
    old.script = answer
    assert get(client).content == SCRIPT
    asked = len(old.requests)
    assert get(client).content == SCRIPT
    assert len(old.requests) == asked, "it is not asked again at once"
    (record,) = caplog.records
    assert said in record.getMessage()
    assert "an older one is served" in record.getMessage()


def test_a_server_that_never_answers(
    old: Loopback, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(script, "FETCH_SECONDS", 0.2)
    old.script = lambda connection: (connection.read_request(), connection.hold())[1]
    assert get(client).content == SCRIPT
    assert "no full answer within 0.2 s" in caplog.text


@pytest.mark.usefixtures("no_test_run")
def test_a_server_that_is_away(client: Client, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.OCTANIST_PIXEL_URL = f"http://127.0.0.1:{closed_port()}/p"
    assert get(client).content == views.NOTHING
    assert get(client).content == views.NOTHING
    (record,) = caplog.records
    assert "no connection" in record.getMessage()
    assert "older" not in record.getMessage()


@pytest.mark.usefixtures("no_test_run")
def test_a_large_one_is_whole(serve: Serve, client: Client) -> None:
    body = b"x" * script.MAX_SCRIPT
    serve(octanist(body))
    get(client)
    assert get(client).content == body


def test_another_process_has_it_from_the_cache_at_once(kept: Loopback, client: Client) -> None:
    script.forget()
    assert get(client).content == SCRIPT
    assert len(kept.requests) == 1


def test_another_process_takes_what_is_newer(old: Loopback, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "FRESH_SECONDS", 300.0)
    (key,) = [script._key(f"{old.url}/p")]
    found = cache.get(key)
    cache.set(key, {**found, "body": NEW})
    script._keeper.script = script.Script(url=f"{old.url}/p", body=SCRIPT, fetched_at=0.0)
    assert get(client).content == SCRIPT
    assert get(client).content == NEW
    assert len(old.requests) == 1


@pytest.mark.parametrize("found", [None, "text", {"body": "text", "fetched_at": 1.0}, {"body": b"x"}])
def test_nonsense_in_the_cache_is_no_script(kept: Loopback, client: Client, found: object) -> None:
    script.forget()
    cache.set(script._key(f"{kept.url}/p"), found)
    assert get(client).content == views.NOTHING
    assert get(client).content == SCRIPT


@pytest.mark.usefixtures("no_test_run")
def test_without_a_cache_it_is_in_memory(
    serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_given: Any, **_named: Any) -> None:
        raise ConnectionError("redis://secret@cache")

    for name in ("get", "set"):
        monkeypatch.setattr(type(cache._connections["default"]), name, away)
    serve()
    assert get(client).content == views.NOTHING
    assert get(client).content == SCRIPT
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert not any("secret" in message for message in caplog.messages)


def test_another_address_is_another_script(kept: Loopback, serve: Serve, client: Client) -> None:
    serve(octanist(NEW))
    script._keeper.looks_at = 0.0
    assert get(client).content == views.NOTHING
    assert get(client).content == NEW


def test_no_thread_under_a_test_runner(serve: Serve, client: Client) -> None:
    server = serve()
    assert process.is_test_run()
    assert get(client).content == views.NOTHING
    assert server.connections == 0


@pytest.mark.usefixtures("no_test_run")
def test_the_tag_begins_to_fetch(serve: Serve, client: Client) -> None:
    serve()
    Template("{% load octanist %}{% octanist_pixel %}").render(Context())
    script.finish(20)
    assert get(client).content == SCRIPT


@pytest.mark.usefixtures("no_test_run")
def test_no_more_threads(serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    serve()

    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        assert get(client).content == views.NOTHING
    get(client)
    assert get(client).content == SCRIPT


def test_a_setting_that_is_wrong_is_no_error_on_the_page(
    client: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.OCTANIST_PIXEL_URL = "http://c.octani.st/p"
    assert get(client).content == views.NOTHING
    assert "OCTANIST_PIXEL_URL must be" in caplog.text


def test_it_does_not_serve_itself(client: Client) -> None:
    assert get(client, HTTP_USER_AGENT="django-octanist/1.0").status_code == 508


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_keeps_the_script_and_not_the_lock(kept: Loopback) -> None:
    with script._keeper.lock:
        script._keeper.is_fetching = True
        child = os.fork()
        if child == 0:
            keeper = script._keeper
            is_well = keeper.lock.acquire(timeout=5) and not keeper.is_fetching and keeper.script is not None
            os._exit(0 if is_well else 1)
    script._keeper.is_fetching = False
    assert os.waitpid(child, 0)[1] == 0


class TestClientId:
    def test_the_pixel_asks_for_a_cookie(self, client: Client) -> None:
        response = client.get("/oct/p?cookie=1")
        assert (response.status_code, response.content) == (204, b"")
        assert response["Cache-Control"] == "no-store"
        assert response.cookies["octa_cid"].value
        assert not client.get("/oct/p?cookie=1").cookies

    def test_nobody_else_gets_one(self, client: Client) -> None:
        for query in ("", "?cookie=0", "?cookies=1", "?cookie"):
            assert not client.get(f"/oct/p{query}").cookies

    @pytest.mark.parametrize(("choice", "given"), [(None, False), ("no", False), ("yes", True)])
    def test_where_consent_is_required_it_must_be_known(
        self, client: Client, settings: Any, choice: str | None, given: bool
    ) -> None:
        settings.OCTANIST_REQUIRE_CONSENT = True
        if choice:
            client.cookies["cookieyes-consent"] = f"consentid:x,consent:yes,action:yes,analytics:{choice}"
        assert bool(client.get("/oct/p?cookie=1").cookies) is given

    def test_a_setting_that_is_wrong(self, client: Client, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
        settings.OCTANIST_REQUIRE_CONSENT = "yes"
        response = client.get("/oct/p?cookie=1")
        assert (response.status_code, len(response.cookies)) == (204, 0)
        assert "OCTANIST_REQUIRE_CONSENT must be" in caplog.text
