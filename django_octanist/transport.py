"""HTTP connections that keep one deadline for a whole exchange, and know whether the request has left.

``requests`` limits each socket operation: a server that drips a byte a second holds it for ever. Here every
operation gets what is left of the exchange's deadline: connecting (each address its share), the TLS handshake, the
request, the status line, the headers and the body. Name resolution is the operating system's and has its own limit.
"""

from __future__ import annotations

import io
import math
import socket
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ProtocolError
from urllib3.util.connection import create_connection

from .clock import elapsed


class Exchange(threading.local):
    """The exchange that the current thread is in: a thread has one at a time."""

    deadline = 0.0
    """On the clock of ``clock.elapsed()``, in seconds."""
    sent = False
    """Whether a byte of the request may have reached the server."""

    def begin(self, *, seconds: float, until: float = math.inf) -> None:
        """Start an exchange that may take ``seconds``, and not beyond ``until`` on the clock of ``clock.elapsed()``."""
        self.deadline = min(elapsed() + seconds, until)
        self.sent = False

    def left(self) -> float:
        """Return the seconds left; raise ``TimeoutError`` when there are none."""
        left = self.deadline - elapsed()
        if left <= 0:
            raise TimeoutError("the exchange's deadline has passed")
        return left


exchange = Exchange()

SLACK = 0.05
"""Seconds by which an operation may outlast its exchange."""


def _limit(sock: socket.socket) -> None:
    """Let the next operation on ``sock`` take no longer than what is left of the exchange, but for :data:`SLACK`.

    Each change is a system call, for which a thread lets go of the interpreter and has to wait for it again.
    """
    left, limit = exchange.left(), sock.gettimeout()
    if limit is None or not left <= limit <= left + SLACK:
        sock.settimeout(left)


class _Reader(io.RawIOBase):
    """The receiving half of a socket, each read limited by what is left of the exchange."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _limit(self._sock)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _ReadingSocket:
    """What ``http.client`` makes its response from: it asks for nothing but ``makefile``."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        raw: Any = self._sock.makefile(mode, buffering=0)  # type: ignore[call-overload]
        return io.BufferedReader(_Reader(self._sock, raw))


class _Deadline:
    """What the two kinds of connection share."""

    sock: Any
    host: str
    port: int
    _dns_host: str
    _holds = False
    _held = b""

    def _new_conn(self) -> socket.socket:
        connection: Any = self
        try:
            sock = _connect(self._dns_host, self.port, options=connection.socket_options)
            # For the TLS handshake, which follows.
            sock.settimeout(exchange.left())
            return sock
        except socket.gaierror as error:
            raise NameResolutionError(self.host, connection, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(connection, "connecting took too long") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a label of the name is empty or too long
            raise NewConnectionError(connection, "the connection was refused or failed") from error

    def response_class(self, sock: socket.socket, *arguments: Any, **named: Any) -> Any:
        parent: Any = super()
        return parent.response_class(_ReadingSocket(sock), *arguments, **named)

    def connect(self) -> None:
        parent: Any = super()
        held, self._held = self._held, b""
        try:
            parent.connect()
        finally:
            # What went to a proxy to open the tunnel was not the request.
            exchange.sent, self._held = False, held

    def endheaders(self, *arguments: Any, **named: Any) -> None:
        # The head waits for the body: one packet instead of two.
        self._holds = True
        parent: Any = super()
        try:
            parent.endheaders(*arguments, **named)
        finally:
            self._holds = False

    def send(self, data: Any) -> None:
        if self._holds and isinstance(data, bytes):
            self._held += data
            return
        if self.sock is None:
            self.connect()
        if self._held and isinstance(data, bytes):
            data, self._held = self._held + data, b""
        _limit(self.sock)
        # Once more, as the last thing: the thread, or its process, may have stood still while the limit was set.
        exchange.left()
        exchange.sent = True
        parent: Any = super()
        parent.send(data)

    def getresponse(self) -> Any:
        if self._held:
            self.send(b"")
        parent: Any = super()
        response = parent.getresponse()
        if response.status < 200:
            # Not the answer, which is still to come: on this connection it would be taken for the next lead's.
            raise ProtocolError("an interim response instead of the answer")
        return response

    def close(self) -> None:
        self._held = b""
        parent: Any = super()
        parent.close()


def _connect(host: str, port: int, *, options: Any) -> socket.socket:
    """Connect to the first address of ``host`` that answers, each getting its share of the time left."""
    addresses = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("the name has no address")
    for index, (*_, address) in enumerate(addresses):
        share = exchange.left() / (len(addresses) - index)
        try:
            return create_connection((str(address[0]), port), share, socket_options=options)
        except OSError as error:
            failure = error
    raise failure


class _DeadlineConnection(_Deadline, HTTPConnection):  # type: ignore[misc]
    pass


class _DeadlineTLSConnection(_Deadline, HTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _DeadlineConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _DeadlineTLSConnection


class DeadlineAdapter(HTTPAdapter):
    """A ``requests`` adapter whose connections keep the deadline of :data:`exchange`. It never retries.

    Each serves one host, always through the same proxies: it looks for its connections once.
    """

    def __init__(self, **named: Any) -> None:
        self._pools: dict[Any, Any] = {}
        super().__init__(**named)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        if verify not in self._pools:
            self._pools[verify] = super().get_connection_with_tls_context(request, verify, proxies, cert)
        return self._pools[verify]

    def close(self) -> None:
        self._pools.clear()
        super().close()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager
