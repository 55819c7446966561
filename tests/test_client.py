from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import traceback
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from django_octanist import __version__, client, exchanges
from django_octanist.client import ERRORS, MAX_ANSWER, MAX_PAGES, Created, check_key, create_lead, find_lead
from django_octanist.exceptions import (
    AuthenticationError,
    EndpointError,
    InvalidLeadError,
    OctanistError,
    RejectedError,
    TransientError,
    UncertainError,
)

from .loopback import CREATED, Connection, Loopback, Script, answering, closed_port, respond

ID = UUID("12345678-1234-5678-1234-567812345678")
NOW = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
API = "https://octanist.example/api"
KEY = "MARKER-key-7f3a"
MARKER = "jo.marker@example.com"
LEAD = {"email": MARKER}
FAILURE = {
    "success": False,
    "error": {"code": "VALIDATION_ERROR", "message": "email is wrong", "details": {"field": "email"}},
    "meta": {"requestId": "req_9"},
}


@pytest.fixture(autouse=True)
def _own_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has connections of its own, and an environment without proxies and certificates."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    client.close()
    yield
    client.close()


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.OCTANIST_API_KEY = KEY
    settings.OCTANIST_API_URL = API
    settings.OCTANIST_TIMEOUT = 5.0


@pytest.fixture
def serve(settings: Any) -> Iterator[Any]:
    """Run a loopback server that the settings point at."""
    running: list[Loopback] = []

    def serve(script: Script | bytes = respond()) -> Loopback:  # noqa: B008
        server = Loopback(answering(script) if isinstance(script, bytes) else script).__enter__()
        running.append(server)
        settings.OCTANIST_API_URL = f"{server.url}/api"
        return server

    yield serve
    client.close()
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture
def _unresolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name has an address."""
    monkeypatch.setattr(socket, "getaddrinfo", unresolved)


def unresolved(*arguments: Any, **named: Any) -> Any:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.fixture
def octanist() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def refused() -> OctanistError:
    with pytest.raises(OctanistError) as caught:
        create_lead(LEAD)
    return caught.value


class TestStatus:
    """One table from status to exception."""

    @pytest.mark.parametrize("status", [200, 201, 202])
    def test_success(self, octanist: responses.RequestsMock, status: int) -> None:
        octanist.post(f"{API}/leads", json=CREATED, status=status)
        assert create_lead(LEAD) == Created("lead_1", "req_1")

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            *((status, kind) for status, kind in ERRORS.items() if status != 403),
            *((status, EndpointError) for status in (300, 301, 302, 303, 305, 307, 308)),
            *((status, EndpointError) for status in (402, 406, 411, 415, 418, 426, 451, 499)),
            *((status, UncertainError) for status in (500, 501, 502, 503, 504, 520, 599, 600, 999)),
        ],
    )
    def test_failure(self, octanist: responses.RequestsMock, status: int, kind: type[OctanistError]) -> None:
        octanist.post(f"{API}/leads", json=FAILURE, status=status)
        error = refused()
        assert type(error) is kind
        assert (error.status, error.code, error.request_id) == (status, "VALIDATION_ERROR", "req_9")

    def test_the_table_is_that_of_the_design(self) -> None:
        assert {
            kind: sorted(status for status in ERRORS if ERRORS[status] is kind) for kind in set(ERRORS.values())
        } == {
            InvalidLeadError: [400, 413, 422],
            AuthenticationError: [401],
            RejectedError: [403],
            EndpointError: [404, 405, 410],
            TransientError: [408, 425, 429],
            UncertainError: [409],
        }

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (json.dumps({"success": False, "error": {"code": "FORBIDDEN", "message": "x"}}), RejectedError),
            (json.dumps({"success": False, "error": {"code": "forbidden"}}), TransientError),
            (json.dumps({"success": False, "error": {"code": "BLOCKED"}}), TransientError),
            (json.dumps({"error": "FORBIDDEN"}), TransientError),
            ("<html>403 Forbidden</html>", TransientError),
            ("", TransientError),
        ],
        ids=["documented", "other case", "other code", "older form", "HTML", "empty"],
    )
    def test_403_is_final_only_with_the_documented_code(
        self, octanist: responses.RequestsMock, body: str, kind: type[OctanistError]
    ) -> None:
        octanist.post(f"{API}/leads", body=body, status=403)
        assert type(refused()) is kind

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "<html>Welcome</html>",
            "null",
            "[]",
            '"lead_1"',
            "{}",
            json.dumps({**CREATED, "success": False}),
            json.dumps({**CREATED, "success": "true"}),
            json.dumps({**CREATED, "success": 1}),
            json.dumps({**CREATED, "data": {}}),
            json.dumps({**CREATED, "data": {"id": None}}),
            json.dumps({**CREATED, "data": {"id": ""}}),
            json.dumps({**CREATED, "data": {"id": {"a": 1}}}),
            json.dumps({**CREATED, "data": ["lead_1"]}),
            json.dumps({**CREATED, "data": "lead_1"}),
            json.dumps(CREATED)[:-1],
            "[" * 60_000,
            "\udcff".encode("utf-8", "surrogateescape"),
        ],
        ids=lambda body: f"{body[:60]!a}",
    )
    def test_2xx_that_is_not_the_apis_success_is_uncertain(self, octanist: responses.RequestsMock, body: Any) -> None:
        octanist.post(f"{API}/leads", body=body, status=201)
        error = refused()
        assert type(error) is UncertainError
        assert error.status == 201

    def test_an_id_that_is_a_number(self, octanist: responses.RequestsMock) -> None:
        octanist.post(f"{API}/leads", json={"success": True, "data": {"id": 17}})
        assert create_lead(LEAD) == Created("17", "")

    def test_an_id_is_cut_and_cleaned(self, octanist: responses.RequestsMock) -> None:
        octanist.post(f"{API}/leads", json={"success": True, "data": {"id": "a\x00\ud800" + "x" * 500}})
        assert create_lead(LEAD).id == "a" + "x" * 99

    @pytest.mark.parametrize("request_id", ["two words", MARKER, "<b>", "x" * 101, 5, None, ["a"]], ids=str)
    def test_a_request_id_that_does_not_look_like_one_is_left_out(
        self, octanist: responses.RequestsMock, request_id: Any
    ) -> None:
        octanist.post(f"{API}/leads", json={**CREATED, "meta": {"requestId": request_id}})
        assert create_lead(LEAD).request_id == ""


class TestErrorBody:
    @pytest.mark.parametrize(
        ("body", "code", "detail"),
        [
            (json.dumps(FAILURE), "VALIDATION_ERROR", 'email is wrong {"field": "email"}'),
            (json.dumps({"error": {"code": "X", "message": "a\nb"}}), "X", "a b"),
            (json.dumps({"error": {"code": "X", "details": ["ë"]}}), "X", '["ë"]'),
            (json.dumps({"error": "older text"}), "", "older text"),
            (json.dumps({"error": None}), "", ""),
            (json.dumps({"error": ["a"]}), "", "['a']"),
            (json.dumps({"error": {"code": MARKER}}), "", ""),
            (json.dumps({"error": {"code": 5, "message": None}}), "", ""),
            (json.dumps({"error": {"code": "X", "message": "m" * 5000}}), "X", "m" * 500),
            ("<html>Bad Request</html>", "", ""),
            ("", "", ""),
        ],
        ids=[
            *("documented", "no details", "details alone", "older", "null", "list", "code is none", "wrong types"),
            *("long", "HTML", "empty"),
        ],
    )
    def test_both_documented_forms_are_read(
        self, octanist: responses.RequestsMock, body: str, code: str, detail: str
    ) -> None:
        octanist.post(f"{API}/leads", body=body, status=400)
        error = refused()
        assert (type(error), error.code, error.detail) == (InvalidLeadError, code, detail)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("1", 1.0),
            (" 120 ", 120.0),
            ("3600", 3600.0),
            ("3601", 3600.0),
            ("999999999", 3600.0),
            ("0", None),
            ("-5", None),
            ("1.5", None),
            ("1e3", None),
            ("", None),
            ("soon", None),
            ("NaN", None),
            ("9" * 5000, None),
            (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
            (format_datetime(NOW + timedelta(days=90), usegmt=True), 3600.0),
            (format_datetime(NOW - timedelta(seconds=1), usegmt=True), None),
            ("Tue, 10 Mar 2026 13:00:30 +0100", 30.0),
            ("Tue, 10 Mar 2026 12:00:30 -0000", 30.0),
            ("Tue, 99 Mar 2026 12:00:00 GMT", None),
            ("Tue, 10 Mar 99999 12:00:00 GMT", None),
            ("Tue, 10 Mar 2026 12:00:30 +9999", None),
        ],
        ids=lambda value: f"{value!s:.35}",
    )
    def test_seconds_or_a_date(self, header: str, seconds: float | None) -> None:
        assert client.parse_retry_after(header, now=NOW) == seconds

    @given(st.text(max_size=60) | st.from_regex(r"\w{3}, \d\d? (Jan|Dec) \d{1,5} \d\d:\d\d:\d\d [+-]\d{4}"))
    def test_nonsense_is_ignored(self, header: str) -> None:
        seconds = client.parse_retry_after(header, now=NOW)
        assert seconds is None or 0 < seconds <= 3600

    def test_it_stands_in_the_error(self, octanist: responses.RequestsMock) -> None:
        octanist.post(f"{API}/leads", status=429, headers={"Retry-After": "17"})
        error = refused()
        assert (type(error), error.retry_after) == (TransientError, 17.0)

    @pytest.mark.parametrize("days", [-1, 0, 1])
    def test_a_date_is_by_the_servers_clock(self, serve: Any, days: int) -> None:
        sent = NOW + timedelta(days=days)
        dates = {"Date": format_datetime(sent), "Retry-After": format_datetime(sent + timedelta(seconds=600))}
        serve(respond(429, {}, dates))
        with pytest.raises(TransientError) as caught:
            create_lead(LEAD)
        assert caught.value.retry_after == 600


class TestRequest:
    def test_what_is_sent(self, serve: Any) -> None:
        server = serve()
        create_lead({"email": "Zoë@example.com", "custom": {"a": 1}}, idempotency_key=str(ID))
        (request,) = server.requests
        assert request.line == "POST /api/leads HTTP/1.1"
        assert request.json == {"email": "Zoë@example.com", "custom": {"a": 1}}
        expected = {
            "x-api-key": KEY,
            "idempotency-key": str(ID),
            "user-agent": f"django-octanist/{__version__}",
            "content-type": "application/json",
            "accept": "application/json",
        }
        assert expected.items() <= request.headers.items()
        assert not request.headers.keys() & {"authorization", "cookie"}

    def test_without_an_idempotency_key(self, serve: Any) -> None:
        server = serve()
        create_lead(LEAD)
        assert "idempotency-key" not in server.requests[0].headers

    def test_each_account_has_its_own_key(self, serve: Any, settings: Any) -> None:
        settings.OCTANIST_API_KEYS = {"shop": "shop-key"}
        server = serve()
        create_lead(LEAD, account="shop")
        create_lead(LEAD)
        assert [request.headers["x-api-key"] for request in server.requests] == ["shop-key", KEY]

    def test_cookies_are_not_kept(self, serve: Any) -> None:
        server = serve(respond(headers={"Set-Cookie": "visitor=1; Path=/"}))
        create_lead(LEAD)
        create_lead(LEAD)
        assert [request.headers.get("cookie") for request in server.requests] == [None, None]

    def test_netrc_is_not_read(self, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login jo password secret\ndefault login jo password secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        server = serve()
        create_lead(LEAD)
        assert "authorization" not in server.requests[0].headers

    def test_the_connection_is_kept(self, serve: Any) -> None:
        server = serve()
        for _ in range(3):
            create_lead(LEAD)
        assert (server.connections, len(server.requests)) == (1, 3)

    def test_each_thread_has_its_own(self, serve: Any) -> None:
        server = serve()

        def twice() -> None:
            create_lead(LEAD)
            create_lead(LEAD)
            client.close()

        threads = [threading.Thread(target=twice) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(server.requests) == 6
        assert sorted(request.connection for request in server.requests) == [1, 1, 2, 2, 3, 3]

    def test_another_url_gets_another_connection(self, serve: Any, settings: Any) -> None:
        first, second = serve(), serve()
        create_lead(LEAD)
        settings.OCTANIST_API_URL = f"{first.url}/api"
        create_lead(LEAD)
        settings.OCTANIST_API_URL = f"{second.url}/v2"
        create_lead(LEAD)
        assert [request.line for request in first.requests] == ["POST /api/leads HTTP/1.1"]
        assert [request.line for request in second.requests] == ["POST /api/leads HTTP/1.1", "POST /v2/leads HTTP/1.1"]

    def test_a_connection_that_lay_idle_is_not_trusted(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        server = serve()
        create_lead(LEAD)
        monkeypatch.setattr(exchanges, "IDLE_SECONDS", -1.0)
        create_lead(LEAD)
        assert [request.connection for request in server.requests] == [1, 2]

    def test_a_connection_that_the_server_closed_is_opened_again(self, serve: Any) -> None:
        closed = threading.Event()

        def once(connection: Connection) -> None:
            connection.read_request()
            connection.send(respond())
            connection.sock.close()
            closed.set()

        server = serve(once)
        assert create_lead(LEAD).id == "lead_1"
        assert closed.wait(5)
        assert create_lead(LEAD).id == "lead_1"
        assert [request.connection for request in server.requests] == [1, 2]

    def test_close_can_be_called_at_any_time(self, serve: Any) -> None:
        client.close()
        serve()
        create_lead(LEAD)
        client.close()
        client.close()
        assert create_lead(LEAD).id == "lead_1"


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize(
        "call", [lambda: create_lead(LEAD), check_key, lambda: look_up()], ids=["create", "check", "find"]
    )
    def test_are_never_followed(self, serve: Any, status: int, call: Any) -> None:
        with Loopback() as elsewhere:
            serve(respond(status, b"", {"Location": f"{elsewhere.url}/api/leads"}))
            with pytest.raises(EndpointError) as caught:
                call()
            assert elsewhere.connections == 0
        assert caught.value.status == status

    def test_not_modified_is_no_answer_of_the_api(self, serve: Any) -> None:
        serve(respond(304, b"", length=False))
        assert type(refused()) is EndpointError

    def test_not_even_to_the_same_server(self, serve: Any) -> None:
        server = serve(respond(307, b"", {"Location": "/api/v2/leads"}))
        assert type(refused()) is EndpointError
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        "location", ["http://[", "\xff", "//", "http://a:b/", "", "mailto:x", "http://%zz"], ids=ascii
    )
    def test_a_location_that_is_none_changes_nothing(self, serve: Any, location: str) -> None:
        serve(respond(302, b"", {"Location": location}))
        assert type(refused()) is EndpointError

    def test_their_bodies_are_capped_too(self, serve: Any) -> None:
        serve(respond(302, gzip.compress(bytes(50_000_000)), {"Location": "/", "Content-Encoding": "gzip"}))
        error, peak = measured()
        assert type(error) is EndpointError
        assert peak < 10_000_000


def measured() -> tuple[OctanistError, int]:
    """Return how a lead was refused and the most memory that it took, in bytes."""
    tracemalloc.start()
    try:
        return refused(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def padded(length: int) -> bytes:
    """Return a success of exactly ``length`` bytes."""
    empty = len(json.dumps({**CREATED, "pad": ""}))
    return json.dumps({**CREATED, "pad": "x" * (length - empty)}).encode()


class TestBody:
    def test_gzip(self, serve: Any) -> None:
        serve(respond(body=gzip.compress(json.dumps(CREATED).encode()), headers={"Content-Encoding": "gzip"}))
        assert create_lead(LEAD).id == "lead_1"

    def test_chunked(self, serve: Any) -> None:
        body = json.dumps(CREATED).encode()
        chunks = b"5\r\n" + body[:5] + b"\r\n" + f"{len(body) - 5:x}\r\n".encode() + body[5:] + b"\r\n0\r\n\r\n"
        server = serve(respond(body=chunks, headers={"Transfer-Encoding": "chunked"}, length=False))
        assert create_lead(LEAD).id == "lead_1"
        assert create_lead(LEAD).id == "lead_1"
        assert server.connections == 1

    def test_until_the_server_closes(self, serve: Any) -> None:
        def script(connection: Connection) -> None:
            connection.read_request()
            connection.send(respond(length=False))

        serve(script)
        assert create_lead(LEAD).id == "lead_1"

    def test_the_cap_itself_is_read_and_no_more(self, serve: Any) -> None:
        serve(answering(respond(body=padded(MAX_ANSWER)), respond(body=padded(MAX_ANSWER + 1))))
        assert create_lead(LEAD).id == "lead_1"
        assert type(refused()) is UncertainError

    @pytest.mark.parametrize("times", [1, 2])
    def test_a_gzip_bomb_is_capped(self, serve: Any, times: int) -> None:
        body = json.dumps(CREATED)[:-1].encode() + b', "pad": "' + b"0" * 50_000_000 + b'"}'
        for _ in range(times):
            body = gzip.compress(body)
        serve(respond(body=body, headers={"Content-Encoding": ", ".join(["gzip"] * times)}))
        error, peak = measured()
        assert (type(error), error.status) == (UncertainError, 201)
        assert peak < 10_000_000

    def test_what_says_gzip_and_is_none(self, serve: Any) -> None:
        serve(respond(headers={"Content-Encoding": "gzip"}))
        assert type(refused()) is UncertainError

    @pytest.mark.parametrize(
        ("status", "kind"), [(201, UncertainError), (400, InvalidLeadError), (401, AuthenticationError)]
    )
    @pytest.mark.parametrize("framing", ["length", "chunked"])
    def test_cut_off_the_status_stands(self, serve: Any, status: int, kind: type[OctanistError], framing: str) -> None:
        body = json.dumps(CREATED).encode()
        headers = {"length": {"Content-Length": str(len(body) + 1)}, "chunked": {"Transfer-Encoding": "chunked"}}[
            framing
        ]
        chunk = body if framing == "length" else f"{len(body):x}\r\n".encode() + body + b"\r\n"

        def script(connection: Connection) -> None:
            connection.read_request()
            connection.send(respond(status, chunk, headers, length=False))

        serve(script)
        assert type(refused()) is kind

    def test_an_endless_body_ends_at_the_cap(self, serve: Any) -> None:
        def script(connection: Connection) -> None:
            connection.read_request()
            connection.send(respond(400, b"{", length=False))
            while not connection.server.stopping.is_set():
                connection.send(b" " * 65536)

        serve(script)
        assert type(refused()) is InvalidLeadError


class TestFaults:
    def test_refused_connections(self, settings: Any) -> None:
        settings.OCTANIST_API_URL = f"http://127.0.0.1:{closed_port()}/api"
        assert type(refused()) is TransientError

    @pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
    def test_names_that_cannot_be_one(self, settings: Any, host: str) -> None:
        settings.OCTANIST_API_URL = f"https://{host}/api"
        assert type(refused()) is TransientError

    @pytest.mark.usefixtures("_unresolved")
    def test_names_without_an_address(self) -> None:
        assert type(refused()) is TransientError

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 20",
            b"HTTP/1.1 201 Created\r\nContent-Type: app",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"HTTP/1.1 abc X\r\n\r\n",
            b"HTTP/1.1 201 " + b"x" * 100_000 + b"\r\n\r\n",
            b"HTTP/1.1 201 X\r\n" + b"A: b\r\n" * 200 + b"\r\n",
            b"\x00\xff" * 50,
        ],
        ids=["nothing", "cut status", "cut headers", "SSH", "no status", "long line", "many headers", "binary"],
    )
    def test_the_request_left_and_no_answer_can_be_read(self, serve: Any, answer: bytes) -> None:
        def script(connection: Connection) -> None:
            connection.read_request()
            connection.send(answer)

        server = serve(script)
        error = refused()
        assert type(error) is UncertainError
        assert error.status in (None, 201)
        assert len(server.requests) == 1

    def test_a_reset_after_the_request(self, serve: Any) -> None:
        def script(connection: Connection) -> None:
            connection.read_request()
            connection.reset()

        server = serve(script)
        assert type(refused()) is UncertainError
        assert len(server.requests) == 1

    def test_nothing_is_sent_twice(self, serve: Any) -> None:
        def script(connection: Connection) -> None:
            connection.read_request()

        server = serve(script)
        for _ in range(3):
            assert type(refused()) is UncertainError
        assert len(server.requests) == 3

    def test_a_failure_does_not_spoil_the_next_call(self, serve: Any) -> None:
        def first_breaks(connection: Connection) -> None:
            connection.read_request()
            connection.send(b"HTTP/1.1 2" if connection.number == 1 else respond())

        serve(first_breaks)
        assert type(refused()) is UncertainError
        assert create_lead(LEAD).id == "lead_1"

    def test_responses_connection_errors_are_no_answer(self, octanist: responses.RequestsMock) -> None:
        octanist.post(f"{API}/leads", body=responses.ConnectionError())
        assert type(refused()) is TransientError


class TestProxies:
    @pytest.fixture
    def elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if the server were not on this machine."""
        monkeypatch.setattr(exchanges, "is_loopback", lambda host: False)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_none_is_shown_what_is_for_this_machine(
        self, serve: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, host: str
    ) -> None:
        with Loopback() as proxy:
            server = serve()
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            settings.OCTANIST_API_URL = f"http://{host}:{server.port}/api"
            create_lead(LEAD)
            assert (proxy.connections, len(server.requests)) == (0, 1)

    @pytest.mark.usefixtures("elsewhere")
    def test_of_the_environment_are_used(self, serve: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        with Loopback() as proxy:
            server = serve()
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            assert create_lead(LEAD).id == "lead_1"
            client.close()
            assert [request.line for request in proxy.requests] == [f"POST {server.url}/api/leads HTTP/1.1"]
            assert server.connections == 0

    @pytest.mark.usefixtures("elsewhere")
    def test_no_proxy_is_honoured(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        with Loopback() as proxy:
            server = serve()
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            create_lead(LEAD)
            assert (proxy.connections, len(server.requests)) == (0, 1)

    @pytest.mark.usefixtures("elsewhere")
    def test_they_are_resolved_anew_for_another_url(
        self, serve: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Loopback() as proxy:
            server = serve()
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            settings.OCTANIST_API_URL = f"http://localhost:{server.port}/api"
            create_lead(LEAD)
            settings.OCTANIST_API_URL = f"{server.url}/api"
            create_lead(LEAD)
            client.close()
            assert (len(proxy.requests), len(server.requests)) == (1, 1)

    @pytest.mark.usefixtures("elsewhere")
    def test_one_that_refuses_connections(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        serve()
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
        assert type(refused()) is TransientError


class TestCheckKey:
    @pytest.mark.parametrize(
        ("status", "body", "result"),
        [(200, {"success": True}, True), (401, {"success": False}, False), (401, {}, False)],
    )
    def test_answers(self, serve: Any, status: int, body: Any, result: bool) -> None:
        server = serve(respond(status, body))
        assert check_key() is result
        (request,) = server.requests
        assert (request.line, request.body, request.headers["x-api-key"]) == ("POST /api/check HTTP/1.1", b"", KEY)

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (200, {"success": False}, EndpointError),
            (200, b"<html>", EndpointError),
            (204, b"", EndpointError),
            (404, {}, EndpointError),
            (403, {}, TransientError),
            (429, {}, TransientError),
            (500, {}, UncertainError),
        ],
        ids=str,
    )
    def test_answers_that_do_not_tell(self, serve: Any, status: int, body: Any, kind: type[OctanistError]) -> None:
        serve(respond(status, body))
        with pytest.raises(OctanistError) as caught:
            check_key()
        assert type(caught.value) is kind

    def test_no_longer_than_asked_for(self, serve: Any) -> None:
        serve(lambda connection: connection.read_request() and connection.hold())
        with pytest.raises(UncertainError, match=r"no full answer within 0\.1 s"):
            check_key(seconds=0.1)


def look_up() -> Created | None:
    return find_lead(MARKER, submission_id=ID, since=NOW)


def page(*leads: Any, more: bool = False) -> bytes:
    return respond(
        200, {"success": True, "data": list(leads), "meta": {"requestId": "req_2", "pagination": {"hasMore": more}}}
    )


def row(number: int, *, custom: Any = "", created: Any = "2026-03-10T12:00:00Z") -> dict[str, Any]:
    return {"id": f"lead_{number}", "custom": custom, "createdAt": created}


MINE = json.dumps({"form": "contact", "submission_id": str(ID)})


class TestFindLead:
    @pytest.mark.parametrize(
        "custom",
        [MINE, {"submission_id": str(ID)}, json.dumps(MINE), f"text {ID}"],
        ids=["text", "object", "twice", "in text"],
    )
    def test_the_lead_with_the_submission_id(self, serve: Any, custom: Any) -> None:
        server = serve(page(row(1), row(2, custom=custom), row(3)))
        assert look_up() == Created("lead_2", "req_2")
        line = server.requests[0].line
        assert line.startswith("GET /api/leads?")
        for part in ("search=jo.marker%40example.com", "limit=100", "page=1", "fields=id%2Ccustom%2CcreatedAt"):
            assert part in line

    @pytest.mark.parametrize(
        "rows",
        [[], [row(1)], [row(1, custom=None)], ["x", None, 5], [{"id": "a"}]],
        ids=["none", "other", "null", "no rows", "bare"],
    )
    def test_octanist_has_none(self, serve: Any, rows: list[Any]) -> None:
        serve(page(*rows))
        assert look_up() is None

    def test_further_pages_are_read(self, serve: Any) -> None:
        server = serve(answering(page(row(1), more=True), page(row(2), more=True), page(row(3, custom=MINE))))
        assert look_up() == Created("lead_3", "req_2")
        assert [request.line.count(f"page={number}&") for number, request in enumerate(server.requests, 1)] == [1, 1, 1]

    @pytest.mark.parametrize(
        ("created", "pages"),
        [
            ("2026-03-10T10:59:59.000Z", 1),
            ("2026-03-10T11:00:01.000Z", 2),
            ("2026-03-10T10:59:59", 1),
            ("2026-03-10T11:59:59+01:00", 1),
            ("yesterday", 2),
            (None, 2),
            (1741600000, 2),
        ],
    )
    def test_until_the_leads_are_older_than_this_one(self, serve: Any, created: Any, pages: int) -> None:
        older = row(2, created="2026-03-09T10:00:00.000Z")
        server = serve(answering(page(row(1, created=created), older, more=True), page()))
        assert look_up() is None
        assert len(server.requests) == pages

    def test_the_order_is_not_taken_for_granted(self, serve: Any) -> None:
        """The API does not promise that the newest come first."""
        old = [row(number, created=f"2026-03-0{number}T10:00:00.000Z") for number in range(1, 9)]
        serve(answering(page(*old, more=True), page(row(9, custom=MINE, created="2026-03-10T12:00:00.000Z"))))
        assert look_up() == Created("lead_9", "req_2")

    def test_a_list_without_end_is_not_read_for_ever(self, serve: Any) -> None:
        server = serve(page(row(1), more=True))
        with pytest.raises(UncertainError):
            look_up()
        assert len(server.requests) == MAX_PAGES

    def test_a_long_page_is_read(self, serve: Any) -> None:
        serve(page(*(row(number, custom="x" * 5000) for number in range(100)), row(100, custom=MINE)))
        assert look_up() == Created("lead_100", "req_2")

    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>", [], {}, {"success": False, "data": []}, {"success": True, "data": {}}, {"success": True}],
        ids=str,
    )
    def test_a_list_that_cannot_be_read_is_no_empty_list(self, serve: Any, body: Any) -> None:
        serve(respond(200, body))
        with pytest.raises(UncertainError):
            look_up()

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, InvalidLeadError),
            (401, AuthenticationError),
            (404, EndpointError),
            (500, UncertainError),
            (204, UncertainError),
        ],
    )
    def test_failures(self, serve: Any, status: int, kind: type[OctanistError]) -> None:
        serve(respond(status, FAILURE if status != 204 else b""))
        with pytest.raises(OctanistError) as caught:
            look_up()
        assert type(caught.value) is kind

    def test_a_lead_without_an_id_is_still_found(self, serve: Any) -> None:
        serve(page({"id": None, "custom": MINE}))
        found = look_up()
        assert found is not None
        assert found.id != "None"


def everything_said(error: BaseException) -> str:
    """Return all that a log or an error tracker could show of ``error`` and what lies behind it."""
    said, chain = [], [error]
    while chain:
        item = chain.pop()
        said += [str(item), repr(item), repr(item.args), *traceback.format_exception(item)]
        chain += [cause for cause in (item.__cause__, item.__context__) if cause is not None]
    return "\n".join(said)


class TestPrivacy:
    """Neither the key nor a person's data stands in an exception or a log."""

    def drop(connection: Connection) -> None:  # noqa: N805
        connection.read_request()

    def garbage(connection: Connection) -> None:  # noqa: N805
        connection.read_request()
        connection.send(f"{MARKER} {KEY}\r\n\r\n".encode())

    ECHO = {
        "success": False,
        "error": {"code": MARKER, "message": MARKER, "details": {"key": KEY}},
        "meta": {"requestId": MARKER},
    }
    SCRIPTS = {
        "created": answering(respond()),
        "dropped": drop,
        "garbage": garbage,
        "400 that echoes": answering(respond(400, ECHO)),
        "403 that echoes": answering(respond(403, ECHO)),
        "500 that echoes": answering(respond(500, MARKER.encode())),
        "200 that echoes": answering(respond(200, ECHO)),
        "redirect": answering(respond(302, b"", {"Location": f"/login?next={MARKER}"})),
        "defective headers": answering(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n: nothing\r\n\r\n"),
    }

    @pytest.mark.parametrize("case", [*SCRIPTS, "refused", "unresolved", "proxy refused"])
    @pytest.mark.parametrize(
        "call",
        [lambda: create_lead(LEAD, idempotency_key=str(ID)), look_up, check_key],
        ids=["create", "find", "check"],
    )
    def test_no_failure_says_more_than_it_may(
        self,
        serve: Any,
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        case: str,
        call: Any,
    ) -> None:
        if case == "unresolved":
            monkeypatch.setattr(socket, "getaddrinfo", unresolved)
        elif case == "refused":
            settings.OCTANIST_API_URL = f"http://127.0.0.1:{closed_port()}/api"
        else:
            serve(self.SCRIPTS.get(case, answering(respond())))
        if case == "proxy refused":
            monkeypatch.setattr(exchanges, "is_loopback", lambda host: False)
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
        said = ""
        with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="urllib3"):
            try:
                call()
            except OctanistError as error:
                said = everything_said(error)
        logged = "\n".join(f"{record.getMessage()} {record.args!r} {record.exc_text}" for record in caplog.records)
        assert any(record.name.startswith("urllib3") for record in caplog.records)
        for secret in (KEY, MARKER, MARKER.replace("@", "%40"), "jo.marker"):
            assert secret not in said
            assert secret not in logged
            assert secret not in caplog.text

    def test_the_rest_of_urllib3s_lines_stays(self, serve: Any, caplog: pytest.LogCaptureFixture) -> None:
        serve(page())
        with caplog.at_level(logging.DEBUG, logger="urllib3"):
            look_up()
        assert "search=…" in caplog.text
        assert "limit=100" in caplog.text

    def test_an_answer_shows_neither_headers_nor_text(self) -> None:
        answer = client.Answer(status=400, headers={"X": MARKER}, text=MARKER.encode(), whole=True)
        assert MARKER not in repr(answer)

    def test_what_octanist_said_stands_in_the_detail_alone(self, octanist: responses.RequestsMock) -> None:
        octanist.post(f"{API}/leads", json={"error": {"code": "X", "message": MARKER}}, status=400)
        error = refused()
        assert error.detail == MARKER
        assert MARKER not in everything_said(error)
