"""The engine, tested against a sandbox on this machine, and what these tests share."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connections
from django.utils import timezone

from django_octanist.clock import Reading, elapsed
from django_octanist.delivery.claims import Claim
from django_octanist.models import AlertGroup, DeliveryAttempt, DeliveryPause, Lead

ROOT = Path(__file__).parent.parent.parent

SESSION = "550e8400-e29b-41d4-a716-446655440000"
UNREACHABLE = "http://127.0.0.1:9/api"
"""Port 9 is reserved for a service that nobody runs: connections are refused."""


def make_lead(**fields: Any) -> Lead:
    """Store a lead that is due."""
    lead = unsaved_lead(**fields)
    lead.save()
    return lead


def unsaved_lead(**fields: Any) -> Lead:
    values = {"email": "jo@example.com", "form": "contact", "custom": {"roof": "flat"}} | fields
    return Lead(**{"next_attempt_at": timezone.now() - timedelta(seconds=1)} | values)


def make_leads(number: int, **fields: Any) -> list[Lead]:
    """Store ``number`` leads that are due, the first one first."""
    start = timezone.now() - timedelta(hours=1)
    return Lead.objects.bulk_create(
        [
            unsaved_lead(
                **{"email": f"jo{index}@example.com", "next_attempt_at": start + timedelta(seconds=index)} | fields
            )
            for index in range(number)
        ]
    )


def claimed(lead: Lead, *, seconds: float = 60.0, probe: bool = False) -> Claim:
    """Return ``lead``, stored or not, as if it had just been claimed for ``seconds``."""
    lead.lease = uuid.uuid4()
    if lead.pk:
        lead.save(update_fields=["lease"])
    reading = Reading(timezone.now(), elapsed())
    return Claim(lead, lead.lease, reading.read_at + seconds, reading, probe)


def let_time_pass(*, seconds: float = 24 * 3600.0) -> None:
    """Move every due time, expiry of a lease and probe ``seconds`` closer."""
    for lead in Lead.objects.exclude(next_attempt_at=None):
        Lead.objects.filter(pk=lead.pk).update(next_attempt_at=lead.next_attempt_at - timedelta(seconds=seconds))
    for row in DeliveryPause.objects.all():
        DeliveryPause.objects.filter(pk=row.pk).update(probe_at=row.probe_at - timedelta(seconds=seconds))


def wait_until(condition: Callable[[], Any], *, what: str, seconds: float = 20.0) -> None:
    """Wait until ``condition`` holds; fail with ``what`` should have happened after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)


class RawServer:
    """Answers each request with the next of ``replies``, the last of them again and again, and closes.

    A reply is what is written after the request's head and body were read; ``None`` writes nothing and keeps the
    connection open until the server ends.
    """

    def __init__(self, *replies: bytes | None) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.api_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> RawServer:
        return self

    def __exit__(self, *_exception: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            with self._lock:
                self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=[connection], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            request = _read_request(connection)
            if not request:
                return
            with self._lock:
                self.requests.append(request)
            reply = self.answer(request)
            if reply is not None:
                connection.sendall(reply)
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, request: bytes) -> bytes | None:
        """Return the reply to ``request``; called in the connection's own thread."""
        with self._lock:
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def _read_request(connection: socket.socket) -> bytes:
    text = b""
    while b"\r\n\r\n" not in text:
        piece = connection.recv(65536)
        if not piece:
            return b""
        text += piece
    head, _, body = text.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def http(status: int, body: Any = b"", **headers: str) -> bytes:
    """Return an HTTP answer as bytes; ``body`` is JSON where it is no bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Length": str(len(content)), "Connection": "close"} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + content


CREATED = http(
    201, {"success": True, "data": {"id": "lead_1", "message": "Lead added"}, "meta": {"requestId": "req_1"}}
)


_PRELUDE = """
import json, os, sys
import django
from django.conf import settings
import tests.settings as site
values = {name: getattr(site, name) for name in dir(site) if name.isupper()}
settings.configure(**{**values, **json.loads(os.environ["SITE_SETTINGS"])})
django.setup()
from django.core.management import call_command
from django_octanist.capture import capture_lead
from django_octanist.models import Lead
"""


class Site:
    """A site of its own processes, which shares a database with the test: the test's own, or a file of SQLite."""

    def __init__(self, *, database_url: str, **octanist_settings: Any) -> None:
        self.database_url = database_url
        self.settings = {"OCTANIST_DISPATCH": "thread", **octanist_settings}
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, code: str, **octanist_settings: Any) -> subprocess.Popen[str]:
        """Start a process of the site that runs ``code``."""
        environment = {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "SITE_SETTINGS": json.dumps(self.settings | octanist_settings),
            "PYTHONUNBUFFERED": "1",
            # Development mode complains of the database connection that a process leaves which ends amid its work.
            "PYTHONDEVMODE": "",
        }
        process = subprocess.Popen(
            [sys.executable, "-c", _PRELUDE + code],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A group of its own, so that `end` reaches what it forks, too.
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def run(self, code: str, **octanist_settings: Any) -> str:
        """Run ``code`` in a process of the site to its end and return what it printed."""
        return finished(self.start(code, **octanist_settings))

    def end(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=20)


def finished(process: subprocess.Popen[str]) -> str:
    """Wait for ``process`` to end well, in silence on its standard error, and return what it printed."""
    output, errors = process.communicate(timeout=40)
    assert (process.returncode, errors) == (0, ""), errors
    return output


@contextmanager
def a_site(folder: Path, **octanist_settings: Any) -> Iterator[Site]:
    """Yield a :class:`Site`; end its processes afterwards. The test needs its database with ``transaction=True``."""
    with _shared_database(folder) as url:
        site = Site(database_url=url, **octanist_settings)
        try:
            yield site
        finally:
            site.end()


@contextmanager
def _shared_database(folder: Path) -> Iterator[str]:
    """Yield the URL of a database that this test and other processes use; instead of SQLite in memory, a file."""
    usual = connections["default"]
    entry = usual.settings_dict
    if usual.vendor != "sqlite":
        scheme = "postgres" if usual.vendor == "postgresql" else "mysql"
        login = entry["USER"] + (f":{entry['PASSWORD']}" if entry["PASSWORD"] else "")
        yield f"{scheme}://{login}@{entry['HOST']}:{entry['PORT']}/{entry['NAME']}"
        return
    # Many processes write here: they wait for each other longer than usual.
    file = type(usual)({**entry, "NAME": f"{folder}/site.sqlite3", "OPTIONS": {"timeout": 30}}, "default")
    connections["default"] = file
    try:
        with file.schema_editor() as editor:
            for model in (Lead, DeliveryAttempt, DeliveryPause, AlertGroup):
                editor.create_model(model)
        yield f"sqlite:///{folder}/site.sqlite3?timeout=30"
    finally:
        file.close()
        connections["default"] = usual
