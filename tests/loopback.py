"""A server on this machine that answers as a test wants: late, in part, or not at all."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

# Self-signed for localhost and 127.0.0.1, made for these tests alone; valid until 2126.
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZG3UV/x0VcbWGXHQ
s3eEDyWzWQbXzcmv5gPzoes7XqahRANCAARSbjL0+eOGcFzoXiGXvkpa561GgAdj
XpAOJtyNnOYnzHaE2vuwe3pqNtmQoo8GKLKc7RfH3jl2CcnojGQni+E2
-----END PRIVATE KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUX1CRQcrocMBCz40nda4gCDP1f40wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzAyNDUxM1oYDzIxMjYxMDMw
MDI0NTEzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARSbjL0+eOGcFzoXiGXvkpa561GgAdjXpAOJtyNnOYnzHaE2vuwe3pq
NtmQoo8GKLKc7RfH3jl2CcnojGQni+E2o28wbTAdBgNVHQ4EFgQU4JBAlSO5mb+7
so6/7pB5FGepO+UwHwYDVR0jBBgwFoAU4JBAlSO5mb+7so6/7pB5FGepO+UwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhALGqRcLrb/ti71/6lB/xMjBFgZAoNQuq/zZtHIBsjGZhAiEA
yqr/FYZAIuF1Sy7tFzmHRfasMv6j2iQ/XKtoCAP/f88=
-----END CERTIFICATE-----
"""

CREATED = {
    "success": True,
    "data": {"id": "lead_1", "message": "Lead added"},
    "meta": {"requestId": "req_1", "timestamp": "2026-03-10T12:00:00.000Z"},
}

Script = Callable[["Connection"], None]


@dataclass(frozen=True)
class Request:
    """A request as it came in; header names in lower case."""

    line: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    connection: int = 0

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One accepted connection, in a thread of its own."""

    def __init__(self, sock: socket.socket, *, number: int, server: Loopback) -> None:
        self.sock = sock
        self.number = number
        self.server = server

    def read_request(self) -> Request | None:
        """Return the next request and note it, or ``None`` where the client has hung up."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            if not byte:
                return None
            head += byte
        line, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (item.partition(": ") for item in lines)}
        body = b""
        while len(body) < int(headers.get("content-length", "0")):
            body += self.sock.recv(65536)
        request = Request(line, headers, body, self.number)
        self.server.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes) -> None:
        """Send ``data`` a byte at a time, with 50 ms between, until the client or the server has had enough."""
        for number in range(len(data)):
            self.sock.sendall(data[number : number + 1])
            if self.server.stopping.wait(0.05):
                return

    def hold(self) -> None:
        """Say nothing more until the server stops."""
        self.server.stopping.wait(30)

    def start_tls(self) -> None:
        self.sock = self.server.tls_context().wrap_socket(self.sock, server_side=True)

    def reset(self) -> None:
        """Close with an RST, as a crashed peer's machine does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.sock.close()


def respond(
    status: int | str = 201, body: Any = CREATED, headers: Mapping[str, str] | None = None, *, length: bool = True
) -> bytes:
    """Return the bytes of a response; ``body`` becomes JSON unless it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Type": "application/json", **({"Content-Length": str(len(raw))} if length else {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in (lines | dict(headers or {})).items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode("latin-1") + raw


def answering(*responses: bytes) -> Script:
    """Answer every request on a connection: with ``responses`` in turn, the last one over and over."""
    waiting = list(responses)

    def script(connection: Connection) -> None:
        while connection.read_request() is not None:
            connection.send(waiting.pop(0) if len(waiting) > 1 else waiting[0])

    return script


class Loopback:
    """Runs ``script`` for each connection. Use it as a context manager."""

    def __init__(self, script: Script = answering(respond()), *, tls: bool = False) -> None:  # noqa: B008
        self.script = script
        self.tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def tls_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        return context

    def __enter__(self) -> Loopback:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        # Wakes the accepting thread, which closing alone would not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._open):
            with suppress(OSError):  # closed already
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def with_certificate(self, directory: Path) -> Loopback:
        """Write key and certificate into ``directory``; a server that speaks TLS needs them."""
        self._certificate = directory / "server.pem"
        self._certificate.write_text(KEY + CERTIFICATE)
        return self

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(30)
            self.connections += 1
            self._open.append(sock)
            self._start(self._serve, Connection(sock, number=self.connections, server=self))

    def _serve(self, connection: Connection) -> None:
        try:
            if self.tls:
                connection.start_tls()
            self.script(connection)
        except OSError:
            pass  # the client hung up, or refused the certificate
        finally:
            connection.sock.close()


def closed_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
