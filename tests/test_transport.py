"""The deadline over a whole exchange, and whether the request has left, seen through the client."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from urllib3.connection import HTTPConnection

from django_octanist import client, exchanges, transport
from django_octanist.client import check_key, create_lead, find_lead
from django_octanist.exceptions import InvalidLeadError, OctanistError, TransientError, UncertainError
from django_octanist.transport import Exchange, _DeadlineConnection, exchange

from .loopback import CREATED, Connection, Loopback, Script, answering, closed_port, respond

SECONDS = 0.8
"""The deadline in these tests."""
SLACK = 5.0
"""Seconds within which an exchange with that deadline must have ended, on a machine however busy."""
LEAD = {"email": "jo@example.com"}
KEY = "MARKER-key-7f3a"


@pytest.fixture(autouse=True)
def _own_connections(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    settings.OCTANIST_API_KEY = KEY
    settings.OCTANIST_TIMEOUT = SLACK
    client.close()
    yield
    client.close()


def refused(server: Loopback, settings: Any, *, seconds: float = SLACK) -> OctanistError:
    """Return how a lead was refused that was sent to ``server``."""
    settings.OCTANIST_API_URL = f"{server.url}/api"
    settings.OCTANIST_TIMEOUT = seconds
    try:
        with pytest.raises(OctanistError) as caught:
            create_lead(LEAD)
    finally:
        client.close()
    return caught.value


def dripping(before: bytes, slowly: bytes) -> Script:
    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(before)
        connection.drip(slowly)

    return script


HEAD = b"HTTP/1.1 201 Created\r\n"
LONG = b"x" * 200
"""Dripped, ten seconds."""


class TestDeadline:
    @pytest.mark.parametrize(
        ("script", "kind", "status"),
        [
            (Connection.hold, UncertainError, None),
            (dripping(b"", HEAD + LONG), UncertainError, None),
            (dripping(b"", b"\r\n" * 100), UncertainError, None),
            (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10), UncertainError, None),
            (dripping(HEAD, b"X-Slow: " + LONG), UncertainError, None),
            (dripping(HEAD, b"A: b\r\n" * 40), UncertainError, None),
            (dripping(HEAD + b"Content-Length: 200\r\n\r\n", LONG), UncertainError, 201),
            (dripping(HEAD + b"\r\n", LONG), UncertainError, 201),
            (dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 40), UncertainError, 201),
            (dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", LONG), UncertainError, 201),
            (dripping(b"HTTP/1.1 400 X\r\nContent-Length: 200\r\n\r\n", LONG), InvalidLeadError, 400),
        ],
        ids=[
            *(
                "nothing",
                "status line",
                "empty lines",
                "100 Continue",
                "one header",
                "many headers",
                "body of a length",
            ),
            *("body until closed", "chunks", "chunk size", "body of a 400"),
        ],
    )
    def test_ends_an_answer_that_drips(
        self, settings: Any, script: Script, kind: type[OctanistError], status: int | None
    ) -> None:
        with Loopback(script) as server:
            began = time.monotonic()
            error = refused(server, settings, seconds=SECONDS)
            assert time.monotonic() - began < SLACK
        assert (type(error), error.status) == (kind, status)

    def test_covers_the_answer_as_a_whole(self, settings: Any) -> None:
        """Status line, headers and body each within the deadline, and together far over it."""

        def script(connection: Connection) -> None:
            connection.read_request()
            connection.drip(respond())

        with Loopback(script) as server:
            assert type(refused(server, settings, seconds=SECONDS)) is UncertainError

    def test_is_anew_for_each_exchange_on_a_connection_that_is_kept(self, settings: Any) -> None:
        with Loopback() as server:
            settings.OCTANIST_API_URL = f"{server.url}/api"
            create_lead(LEAD)
            transport.exchange.begin(seconds=-1)
            create_lead(LEAD)
            client.close()
            assert (server.connections, len(server.requests)) == (1, 2)

    def test_ends_a_request_that_nobody_reads(self, settings: Any) -> None:
        with Loopback(Connection.hold) as server:
            settings.OCTANIST_API_URL = f"{server.url}/api"
            # Making so large a body takes its share of the deadline.
            settings.OCTANIST_TIMEOUT = 3 * SECONDS
            began = time.monotonic()
            with pytest.raises(UncertainError):
                create_lead({"note": "x" * 20_000_000})
            assert time.monotonic() - began < 2 * SLACK
            client.close()

    def test_ends_a_handshake_that_nobody_answers(self, settings: Any) -> None:
        with Loopback(Connection.hold) as server:
            settings.OCTANIST_API_URL = f"https://127.0.0.1:{server.port}/api"
            settings.OCTANIST_TIMEOUT = SECONDS
            began = time.monotonic()
            with pytest.raises(TransientError):
                create_lead(LEAD)
            assert time.monotonic() - began < SLACK

    def test_ends_a_handshake_that_drips(self, settings: Any) -> None:
        def script(connection: Connection) -> None:
            # A handshake record of 16,000 bytes to come.
            connection.drip(b"\x16\x03\x03\x3e\x80" + LONG)

        with Loopback(script) as server:
            settings.OCTANIST_API_URL = f"https://127.0.0.1:{server.port}/api"
            settings.OCTANIST_TIMEOUT = SECONDS
            began = time.monotonic()
            with pytest.raises(TransientError):
                create_lead(LEAD)
            assert time.monotonic() - began < SLACK


class TestConnecting:
    def test_each_address_gets_its_share_and_the_next_one_is_tried(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shares: list[float] = []
        connect = transport.create_connection

        def connecting(address: tuple[str, int], timeout: float, **named: Any) -> socket.socket:
            shares.append(timeout)
            if address[0] != "127.0.0.1":
                raise TimeoutError
            return connect(address, timeout, **named)

        addresses = ["192.0.2.1", "192.0.2.2", "127.0.0.1"]
        with Loopback() as server:
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, server.port)) for address in addresses]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: found)
            monkeypatch.setattr(transport, "create_connection", connecting)
            settings.OCTANIST_API_URL = f"http://localhost:{server.port}/api"
            settings.OCTANIST_TIMEOUT = 30.0
            assert create_lead(LEAD).id == "lead_1"
            client.close()
        assert [round(share) for share in shares] == [10, 15, 30]

    @pytest.mark.parametrize(
        "failure", [TimeoutError(), ConnectionRefusedError(), socket.gaierror(-2, "no"), OSError("no route")], ids=repr
    )
    def test_no_address_answers(self, settings: Any, monkeypatch: pytest.MonkeyPatch, failure: OSError) -> None:
        def connecting(*arguments: Any, **named: Any) -> socket.socket:
            raise failure

        monkeypatch.setattr(transport, "create_connection", connecting)
        settings.OCTANIST_API_URL = "http://127.0.0.1:9/api"
        with pytest.raises(TransientError):
            create_lead(LEAD)

    def test_a_name_without_addresses(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: [])
        settings.OCTANIST_API_URL = "http://localhost:9/api"
        with pytest.raises(TransientError):
            create_lead(LEAD)

    def test_an_ipv6_address(self, settings: Any) -> None:
        settings.OCTANIST_API_URL = f"http://[::1]:{closed_port()}/api"
        with pytest.raises(TransientError):
            create_lead(LEAD)


class TestTLS:
    def test_a_certificate_that_nobody_vouches_for_is_refused_and_nothing_sent(
        self, settings: Any, tmp_path: Path
    ) -> None:
        with Loopback(tls=True).with_certificate(tmp_path) as server:
            error = refused(server, settings)
            assert server.requests == []
            assert server.connections == 1
        assert type(error) is TransientError

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_the_environments_ca_bundle_is_honoured(
        self, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        with Loopback(tls=True).with_certificate(tmp_path) as server:
            monkeypatch.setenv(variable, str(tmp_path / "server.pem"))
            settings.OCTANIST_API_URL = f"{server.url}/api"
            assert create_lead(LEAD).id == "lead_1"
            assert create_lead(LEAD).id == "lead_1"
            client.close()
            assert (server.connections, len(server.requests)) == (1, 2)

    def test_a_bundle_that_is_not_there(self, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        with Loopback(tls=True).with_certificate(tmp_path) as server:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
            assert type(refused(server, settings)) is TransientError
            assert server.requests == []

    def test_another_hosts_certificate_is_refused(
        self, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
        with Loopback(tls=True).with_certificate(tmp_path) as server:
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: found)
            settings.OCTANIST_API_URL = f"https://octanist.example:{server.port}/api"
            with pytest.raises(TransientError):
                create_lead(LEAD)
            assert (server.connections, server.requests) == (1, [])

    def test_a_server_that_speaks_no_tls(self, settings: Any) -> None:
        with Loopback(lambda connection: connection.send(respond(400))) as server:
            settings.OCTANIST_API_URL = f"https://127.0.0.1:{server.port}/api"
            with pytest.raises(TransientError):
                create_lead(LEAD)

    def test_the_deadline_holds_under_tls(self, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Loopback(dripping(HEAD, b"X: " + LONG), tls=True).with_certificate(tmp_path) as server:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
            began = time.monotonic()
            assert type(refused(server, settings, seconds=SECONDS)) is UncertainError
            assert time.monotonic() - began < SLACK


class TestTunnel:
    """An https API through the environment's proxy: ``CONNECT``, then TLS."""

    @staticmethod
    def tunnel(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.start_tls()
        answering(respond())(connection)

    @pytest.fixture
    def through(self, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        def through(script: Script) -> Loopback:
            proxy = Loopback(script).with_certificate(tmp_path)
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
            # As if it were elsewhere: to this machine no proxy leads.
            monkeypatch.setattr(exchanges, "is_loopback", lambda host: False)
            settings.OCTANIST_API_URL = "https://localhost/api"
            settings.OCTANIST_TIMEOUT = SLACK
            return proxy

        return through

    def test_the_lead_and_the_key_go_through_it(self, through: Any) -> None:
        with through(self.tunnel) as proxy:
            assert create_lead(LEAD).id == "lead_1"
            client.close()
            connect, request = proxy.requests
        assert connect.line.startswith("CONNECT localhost:443 HTTP/1.")
        assert KEY not in str(connect.headers)
        assert request.json == LEAD
        assert request.headers["x-api-key"] == KEY

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n",
            b"SSH-2.0\r\n",
            b"",
        ],
        ids=["407", "503", "SSH", "nothing"],
    )
    def test_a_proxy_that_opens_none_has_sent_nothing(self, through: Any, answer: bytes) -> None:
        def script(connection: Connection) -> None:
            connection.read_request()
            connection.send(answer)

        with through(script), pytest.raises(TransientError):
            create_lead(LEAD)

    def test_a_proxy_that_never_answers_has_sent_nothing(self, through: Any, settings: Any) -> None:
        def script(connection: Connection) -> None:
            connection.read_request()
            connection.drip(b"HTTP/1.1 200 " + LONG)

        with through(script):
            settings.OCTANIST_TIMEOUT = SECONDS
            began = time.monotonic()
            with pytest.raises(TransientError):
                create_lead(LEAD)
            assert time.monotonic() - began < SLACK

    def test_an_answer_lost_in_it_is_uncertain(self, through: Any) -> None:
        def script(connection: Connection) -> None:
            connection.read_request()
            connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            connection.start_tls()
            connection.read_request()

        with through(script), pytest.raises(UncertainError):
            create_lead(LEAD)


class TestSent:
    def test_what_an_earlier_exchange_sent_does_not_count(self, settings: Any) -> None:
        with Loopback() as server:
            settings.OCTANIST_API_URL = f"{server.url}/api"
            create_lead(LEAD)
        settings.OCTANIST_API_URL = f"http://127.0.0.1:{closed_port()}/api"
        with pytest.raises(TransientError):
            create_lead(LEAD)

    def test_a_dropped_connection_and_then_no_new_one_has_sent_nothing(self, settings: Any) -> None:
        with Loopback(answering(respond(200, CREATED))) as server:
            settings.OCTANIST_API_URL = f"{server.url}/api"
            assert check_key()
        with pytest.raises(TransientError):
            create_lead(LEAD)


class TestExchange:
    def test_what_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        exchange = Exchange()
        monkeypatch.setattr(transport, "elapsed", lambda: 100.0)
        exchange.begin(seconds=10)
        monkeypatch.setattr(transport, "elapsed", lambda: 104.0)
        assert exchange.left() == 6.0
        monkeypatch.setattr(transport, "elapsed", lambda: 110.0)
        with pytest.raises(TimeoutError):
            exchange.left()

    def test_outside_of_one_no_time_is_left(self) -> None:
        with pytest.raises(TimeoutError):
            Exchange().left()

    def test_beginning_forgets_what_was_sent(self) -> None:
        exchange = Exchange()
        exchange.sent = True
        exchange.begin(seconds=1)
        assert exchange.sent is False


class TestOnePacket:
    """Head and body leave together; a request without a body leaves too."""

    @pytest.mark.parametrize("method", ["POST", "GET"])
    def test_one_write_for_a_request(self, method: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        written: list[bytes] = []
        usual = HTTPConnection.send

        def send(connection: Any, data: bytes) -> None:
            written.append(data)
            usual(connection, data)

        monkeypatch.setattr(HTTPConnection, "send", send)
        answer = respond(201, CREATED) if method == "POST" else respond(200, {"success": True, "data": []})
        with Loopback(answering(answer)) as server:
            settings.OCTANIST_API_URL = f"{server.url}/api"
            if method == "POST":
                create_lead(LEAD)
            else:
                find_lead(LEAD["email"], submission_id=uuid4(), since=datetime(2026, 3, 10, tzinfo=timezone.utc))
        assert [data[: len(method)].decode() for data in written] == [method]
        assert (b"jo@example.com" in written[0].partition(b"\r\n\r\n")[2]) == (method == "POST")

    def test_what_opens_a_tunnel_does_not_carry_the_request(self) -> None:
        """A proxy must not see the head, in which the key is."""
        connection = _DeadlineConnection("127.0.0.1")
        connection._held = b"POST / HTTP/1.1\r\nX-API-KEY: secret\r\n\r\n"
        seen: list[bytes] = []
        connection._new_conn = lambda: seen.append(connection._held)  # type: ignore[method-assign]
        connection.connect()
        assert seen == [b""]
        assert connection._held != b""

    def test_a_limit_is_changed_only_where_it_matters(self) -> None:
        exchange.begin(seconds=10)
        first, second = socket.socketpair()
        with first, second:
            for limit, changes in ((None, True), (10.01, False), (20.0, True), (5.0, True)):
                first.settimeout(limit)
                transport._limit(first)
                assert (first.gettimeout() != limit) is changes
                assert 9 < (first.gettimeout() or 0) <= 10.01

    @pytest.mark.parametrize("status", [102, 103])
    def test_an_interim_response_is_not_the_answer_of_the_next_lead(self, status: int, settings: Any) -> None:
        """On one connection it would shift every answer by one: a lead would count as another's."""
        interim = f"HTTP/1.1 {status} Early Hints\r\nLink: </x>\r\n\r\n".encode()

        def script(connection: Connection) -> None:
            connection.read_request()
            connection.send(interim)
            connection.read_request()
            connection.send(respond(201, CREATED))

        with Loopback(script) as server:
            settings.OCTANIST_API_URL = f"{server.url}/api"
            for _lead in range(2):
                with pytest.raises(UncertainError):
                    create_lead(LEAD)
