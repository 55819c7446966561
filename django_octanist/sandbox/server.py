"""The sandbox as a server: HTTP on loopback, started and stopped at will.

::

    with Sandbox() as sandbox:
        requests.post(sandbox.api_url + "/leads", headers={"X-API-KEY": sandbox.api_key}, json={"email": "…"})
        assert sandbox.leads[0].fields["email"] == "…"
"""

from __future__ import annotations

import os
import socket
import socketserver
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from ..conf import is_loopback
from .contract import MAX_BODY, Refusal
from .message import Answer, Request, failure
from .routes import answer
from .store import Exchange, Fault, ReceivedEvent, ReceivedLead, Store

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
DEFAULT_KEY = "sandbox-key"

_STOP_SECONDS = 2.0
_DRAINED = 16 * MAX_BODY
_S = TypeVar("_S", bound="Sandbox")


class Sandbox:
    """A local Octanist. A context manager; :meth:`start` and :meth:`stop` do the same by hand.

    ``host`` is a loopback name or address, ``port`` 0 takes any free one. What arrived stays readable after
    :meth:`stop`, and a sandbox that is started again has the address it had. Raises ``ValueError`` for a host
    that others can reach, and ``OSError`` on starting where the port is taken.
    """

    def __init__(self, *, host: str = DEFAULT_HOST, port: int = 0, api_key: str = DEFAULT_KEY) -> None:
        if not is_loopback(host):
            raise ValueError(f"The sandbox listens on this machine only: host must be loopback, not {host!r}.")
        if not 0 <= port <= 65535:
            raise ValueError(f"port must be a number from 0 to 65535, not {port}.")
        self.host = host
        self.port = port
        self._store = Store(api_key=api_key)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self: _S) -> _S:
        """Listen, and answer in a daemon thread. Raises ``RuntimeError`` where it already does."""
        if self._server is not None:
            raise RuntimeError("The sandbox already runs.")
        self._server = server = _Server(self._store, host=self.host, port=self.port)
        self.port = server.server_port
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="octanist-sandbox", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening, close every connection and end the threads. Does nothing where it does not run."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is None or thread is None:
            return
        server.shutdown()
        thread.join()
        server.server_close()
        server.close_connections()

    def serve_forever(self) -> None:
        """Start where that has not been done, and return once :meth:`stop` was called or an exception arrived."""
        if self._server is None:
            self.start()
        thread = self._thread
        try:
            while thread is not None and thread.is_alive():
                # Without a timeout Windows would not see Ctrl-C.
                thread.join(0.5)
        finally:
            self.stop()

    def __enter__(self: _S) -> _S:
        return self.start() if self._server is None else self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The page's address, without a slash at its end. Raises ``RuntimeError`` before the first start."""
        if not self.port:
            raise RuntimeError("The sandbox has no address before it is started.")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def api_url(self) -> str:
        """What belongs in ``OCTANIST_API_URL``."""
        return f"{self.url}/api"

    @property
    def pixel_url(self) -> str:
        """What belongs in ``OCTANIST_PIXEL_URL``."""
        return f"{self.url}/p"

    @property
    def api_key(self) -> str:
        """The key that is accepted. Set it to change it while the sandbox runs."""
        return self._store.api_key

    @api_key.setter
    def api_key(self, value: str) -> None:
        self._store.api_key = value

    @property
    def leads(self) -> tuple[ReceivedLead, ...]:
        """The leads created, oldest first."""
        return self._store.leads

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The requests to the API and those that were refused, oldest first; the last 1,000."""
        return self._store.exchanges

    @property
    def events(self) -> tuple[ReceivedEvent, ...]:
        """The pixel's events, oldest first; the last 1,000."""
        return self._store.events

    def fail_next(
        self,
        *,
        status: int = 500,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        create: bool = False,
    ) -> None:
        """Answer the next ``times`` requests to create a lead with ``status``, after failures asked for before.

        ``status`` 0 closes the connection without an answer. ``body`` replaces the API's failure envelope.
        ``create``: the lead is created although the answer says otherwise. Raises ``ValueError`` for a status
        that ends no exchange.
        """
        content = body.encode() if isinstance(body, str) else body
        self._store.plan(Fault(status=status, times=times, headers=headers or {}, body=content, create=create))

    def clear(self) -> None:
        """Forget what arrived and the failures still to come."""
        self._store.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    # On Windows it would let two servers share a port; elsewhere it only skips the wait after a stop.
    allow_reuse_address = os.name != "nt"
    allow_reuse_port = False

    def __init__(self, store: Store, *, host: str, port: int) -> None:
        self.store = store
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connections: set[socket.socket] = set()
        self._idle = threading.Condition()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer would look up the host's full name, which may ask a name server.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._idle:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._idle:
            self._connections.discard(request)
            self._idle.notify_all()
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close connections that are kept alive, so that nobody is answered after the end."""
        with self._idle:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._idle.wait_for(lambda: not self._connections, timeout=_STOP_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes away is everyday life; anything else is a bug of the sandbox and must show.
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "OctanistSandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 120

    def do_GET(self) -> None:
        """Answer a request, whatever its method."""
        try:
            body, problem = self._read_body(), None
        except Refusal as refusal:
            self.close_connection = True
            body, problem = b"", refusal
        except EOFError:
            self.close_connection = True
            return
        parts = urlsplit(f"http://sandbox/{self.path.removeprefix('/')}")
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = unquote(parts.path)
        request = Request(method=self.command, path=path, query=parts.query, headers=headers, body=body)
        self._send(answer(self.server.store, request, problem=problem))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET  # noqa: N815

    def _read_body(self) -> bytes:
        """Return the request's body. Raises :class:`Refusal`, and ``EOFError`` where the client went away."""
        given = self.headers.get("Content-Length", "0").strip()
        if "Transfer-Encoding" in self.headers or not given.isdecimal() or len(given) > 15:
            raise Refusal("The request must say its Content-Length.", status=411)
        length = int(given)
        if length > MAX_BODY:
            self._drain(length)
            raise Refusal(f"The body must not be larger than {MAX_BODY} bytes.", status=413)
        body = self.rfile.read(length)
        if len(body) < length:
            raise EOFError
        return body

    def _drain(self, length: int) -> None:
        # A connection closed on unread data is reset, and the client never sees the answer.
        left = min(length, _DRAINED)
        while left > 0 and (chunk := self.rfile.read(min(left, 65536))):
            left -= len(chunk)

    def _send(self, reply: Answer) -> None:
        if not reply.status:
            self.close_connection = True
            return
        self.send_response_only(reply.status)
        for name, value in {**_COMMON, **reply.headers}.items():
            self.send_header(name, value)
        bodiless = reply.status in (204, 304)
        if not bodiless:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if not bodiless and self.command != "HEAD":
            self.wfile.write(reply.body)

    def send_error(self, code: int, message: str | None = None, _explain: str | None = None) -> None:
        """Refuse what is no request of HTTP, in the API's envelope."""
        self.close_connection = True
        refusal = Refusal(message or "The request is not HTTP.", status=code)
        self._send(failure(refusal, headers={"Connection": "close"}))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: paths and queries hold what people entered."""


_COMMON = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
