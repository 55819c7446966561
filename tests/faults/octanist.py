"""A fake Octanist in a process of its own: it misbehaves as it is told, and notes on disk what it created.

``python tests/faults/octanist.py --ledger FILE`` serves on a free port, prints the port, and ends with its standard
input. It needs the standard library only, so that nothing which breaks a site breaks it, too.

``POST /control`` with a JSON object changes how it answers from then on, see :class:`Behaviour`; ``GET /control`` gives
its counters. The ledger has one JSON line for each lead created, on disk before the answer is sent.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "test-key"


@dataclass
class Behaviour:
    """How requests are answered. Probabilities are from 0 to 1, drawn per request to create a lead, in this order."""

    key: str = KEY
    """The accepted key; any other is answered with 401."""
    latency: float | list[float] = 0.0
    """Seconds before each answer, after the lead was created; two numbers: evenly between them."""
    slow: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """A probability, and the further seconds that such a request takes."""
    replies: list[dict[str, Any]] = field(default_factory=list)
    """Answers to the next requests to create a lead, one each: ``status``, ``body`` (JSON), ``headers``; ``create``:
    the lead is created all the same; ``close``: no answer; ``raw``: the bytes to write (as latin-1) before closing;
    ``delay``: seconds."""
    status: int | None = None
    """Every API request is answered with it, and creates nothing."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers that go with ``status``."""
    search_status: int | None = None
    """The same for looking up alone."""
    poison: list[str] = field(default_factory=list)
    """Leads with one of these e-mail addresses are answered with 400."""
    error_before: float = 0.0
    """Probability of a 500 that creates nothing."""
    error_after: float = 0.0
    """Probability of a 500 although the lead was created."""
    lose_answer: float = 0.0
    """Probability of a closed connection after the lead was created."""
    hold: str = ""
    """``before`` or ``after``: requests to create wait there, before or after the creation, until this changes."""
    hidden: float = 0.0
    """Seconds until a lead that was created shows up in the list."""
    deduplicate: bool = False
    """Whether a second request with the same ``Idempotency-Key`` creates nothing. Off: a double send shows."""


class Octanist:
    """The state behind the requests."""

    def __init__(self, *, ledger: Path, seed: int) -> None:
        self.behaviour = Behaviour()
        self.chance = random.Random(seed)
        self.changed = threading.Condition()
        self.leads: list[dict[str, Any]] = []
        self.by_key: dict[str, str] = {}
        self._ledger = ledger.open("ab", buffering=0)
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.counts = {
            "requests": 0,
            "posts": 0,
            "searches": 0,
            "checks": 0,
            "unauthorized": 0,
            "created": 0,
            "max_in_flight": 0,
        }
        self.in_flight = 0
        self.creating: list[str] = []
        self.by_submission: dict[str, int] = {}

    def control(self, values: dict[str, Any]) -> None:
        with self.changed, self._lock:
            for name, value in values.items():
                if name == "seed":
                    self.chance = random.Random(value)
                elif name == "reset":
                    in_flight, creating = self.in_flight, self.creating
                    self.reset()
                    self.in_flight, self.creating = in_flight, creating
                elif name in {item.name for item in fields(Behaviour)}:
                    setattr(self.behaviour, name, value)
                else:
                    raise ValueError(f"no such control: {name}")
            self.changed.notify_all()

    def counters(self) -> dict[str, Any]:
        with self._lock:
            held = {"in_flight": self.in_flight, "creating": self.creating, "by_submission": self.by_submission}
            return json.loads(json.dumps(self.counts | held))

    def count(self, *names: str, submission: str = "") -> None:
        with self._lock:
            for name in names:
                self.counts[name] += 1
            if submission:
                self.by_submission[submission] = self.by_submission.get(submission, 0) + 1

    @contextmanager
    def under_way(self):  # type: ignore[no-untyped-def]
        with self._lock:
            self.in_flight += 1
            self.counts["max_in_flight"] = max(self.counts["max_in_flight"], self.in_flight)
        try:
            yield
        finally:
            with self._lock:
                self.in_flight -= 1

    @contextmanager
    def creates(self, submission: str):  # type: ignore[no-untyped-def]
        with self._lock:
            self.creating.append(submission)
        try:
            yield
        finally:
            with self._lock:
                self.creating.remove(submission)

    def drawn(self) -> float:
        with self._lock:
            return self.chance.random()

    def next_reply(self) -> dict[str, Any] | None:
        with self._lock:
            return self.behaviour.replies.pop(0) if self.behaviour.replies else None

    def wait(self) -> None:
        """Take as long as a request is to take."""
        latency = self.behaviour.latency
        low, high = latency if isinstance(latency, list) else (latency, latency)
        seconds = low + (high - low) * self.drawn() if high else 0.0
        often, further = self.behaviour.slow
        if often and self.drawn() < often:
            seconds += further
        if seconds:
            time.sleep(seconds)

    def wait_while_held(self, where: str) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.behaviour.hold != where, timeout=120)

    def create(self, lead: dict[str, Any], *, submission: str, idempotency_key: str) -> str:
        """Create ``lead`` and return its id, once it is on disk."""
        with self._lock:
            if self.behaviour.deduplicate and idempotency_key in self.by_key:
                return self.by_key[idempotency_key]
            number = f"lead_{len(self.leads) + 1}"
            now = datetime.now(timezone.utc)
            line = {
                "id": number,
                "submission_id": submission,
                "email": lead.get("email", ""),
                "time": now.isoformat(),
                "idempotency_key": idempotency_key,
            }
            self._ledger.write(json.dumps(line).encode() + b"\n")
            os.fsync(self._ledger.fileno())
            custom = lead.get("custom", "")
            self.leads.append(
                {
                    **{name: lead.get(name, "") for name in ("name", "email", "phone")},
                    "id": number,
                    "custom": custom if isinstance(custom, str) else json.dumps(custom),
                    "createdAt": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "monotonic": time.monotonic(),
                }
            )
            self.by_key.setdefault(idempotency_key, number)
            self.counts["created"] += 1
            return number

    def found(self, search: str) -> list[dict[str, Any]]:
        """Return the leads that carry ``search``, newest first."""
        visible = time.monotonic() - self.behaviour.hidden
        term = search.lower()
        with self._lock:
            leads = list(self.leads)
        return [
            lead
            for lead in reversed(leads)
            if lead["monotonic"] <= visible and any(term in lead[name].lower() for name in ("name", "email", "phone"))
        ]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 120
    server: Server

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        # What breaks a connection here is a client that went away.
        with suppress(OSError):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:
                # Whoever sent it was killed.
                self.close_connection = True
                return
            url = urlsplit(self.path)
            octanist = self.server.octanist
            if url.path == "/control":
                self._control(method, body)
                return
            with octanist.under_way():
                octanist.count("requests")
                route = {("POST", "/api/leads"): self._create, ("GET", "/api/leads"): self._list}
                if (method, url.path) == ("POST", "/api/check"):
                    octanist.count("checks")
                    self._allowed() and self._send(200, {"success": True})
                elif (method, url.path) in route:
                    route[method, url.path](body if method == "POST" else url.query)  # type: ignore[operator]
                else:
                    self._fail(404, "NOT_FOUND")

    def _control(self, method: str, body: bytes) -> None:
        if method == "POST":
            try:
                self.server.octanist.control(json.loads(body))
            except (TypeError, ValueError) as error:
                self._send(400, {"error": str(error)})
                return
        self._send(200, self.server.octanist.counters())

    def _allowed(self) -> bool:
        behaviour = self.server.octanist.behaviour
        if behaviour.status is not None:
            self._fail(behaviour.status, "INTERNAL_ERROR", headers=behaviour.headers)
            return False
        if self.headers.get("X-API-KEY") != behaviour.key:
            self.server.octanist.count("unauthorized")
            self._fail(401, "UNAUTHORIZED")
            return False
        return True

    def _create(self, body: bytes) -> None:
        lead = json.loads(body)
        submission = submission_of(lead)
        with self.server.octanist.creates(submission):
            self._answer_for(lead, submission=submission)

    def _answer_for(self, lead: dict[str, Any], *, submission: str) -> None:
        octanist = self.server.octanist
        behaviour = octanist.behaviour
        octanist.count("posts", submission=submission)
        reply = octanist.next_reply()

        def create() -> str:
            key = self.headers.get("Idempotency-Key") or ""
            return octanist.create(lead, submission=submission, idempotency_key=key)

        if reply is not None:
            self._reply(reply, create=create)
            return
        if not self._allowed():
            return
        if lead.get("email") in behaviour.poison:
            self._fail(400, "VALIDATION_ERROR")
            return
        octanist.wait_while_held("before")
        if behaviour.error_before and octanist.drawn() < behaviour.error_before:
            self._fail(500, "INTERNAL_ERROR")
            return
        number = create()
        octanist.wait_while_held("after")
        if behaviour.error_after and octanist.drawn() < behaviour.error_after:
            self._fail(500, "INTERNAL_ERROR")
        elif behaviour.lose_answer and octanist.drawn() < behaviour.lose_answer:
            self._hang_up()
        else:
            self._created(number)

    def _reply(self, reply: dict[str, Any], *, create: Any) -> None:
        number = create() if reply.get("create") else ""
        time.sleep(reply.get("delay", 0))
        if "raw" in reply:
            self.wfile.write(reply["raw"].encode("latin-1"))
            self.wfile.flush()
            self._hang_up()
        elif reply.get("close"):
            self._hang_up()
        elif number and "status" not in reply:
            self._created(number)
        elif "body" in reply:
            self._send(reply["status"], reply["body"], headers=reply.get("headers"))
        else:
            self._fail(reply["status"], reply.get("code", "INTERNAL_ERROR"), headers=reply.get("headers"))

    def _created(self, number: str) -> None:
        self._send(201, {"success": True, "data": {"id": number, "message": "Lead added"}, "meta": meta()})

    def _list(self, query: str) -> None:
        octanist = self.server.octanist
        octanist.count("searches")
        if octanist.behaviour.search_status is not None:
            self._fail(octanist.behaviour.search_status, "INTERNAL_ERROR")
            return
        if not self._allowed():
            return
        values = {name: items[-1] for name, items in parse_qs(query).items()}
        limit = min(int(values.get("limit", 50)), 100)
        page = int(values.get("page", 1))
        names = values.get("fields", "id,name,email,phone,custom,createdAt").split(",")
        found = octanist.found(values.get("search", ""))
        rows = [
            {name: lead[name] for name in names if name in lead} for lead in found[(page - 1) * limit : page * limit]
        ]
        pagination = {
            "limit": limit,
            "page": page,
            "total": len(found),
            "totalPages": -(-len(found) // limit),
            "hasMore": page * limit < len(found),
        }
        self._send(200, {"success": True, "data": rows, "meta": meta() | {"pagination": pagination}})

    def _fail(self, status: int, code: str, *, headers: dict[str, str] | None = None) -> None:
        error = {"code": code, "message": "as told", "details": {}}
        self._send(status, {"success": False, "error": error, "meta": meta()}, headers=headers)

    def _send(self, status: int, body: Any, *, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        if self.path != "/control":
            self.server.octanist.wait()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], *, octanist: Octanist) -> None:
        super().__init__(address, Handler)
        self.octanist = octanist

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Killed clients are what this is for."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def submission_of(lead: dict[str, Any]) -> str:
    """Return the ``submission_id`` inside ``custom``, or ``""``."""
    custom = lead.get("custom")
    if isinstance(custom, str):
        try:
            custom = json.loads(custom)
        except ValueError:
            return ""
    return str(custom.get("submission_id", "")) if isinstance(custom, dict) else ""


def meta() -> dict[str, Any]:
    return {"requestId": f"req_{time.monotonic_ns():x}", "timestamp": datetime.now(timezone.utc).isoformat()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--control", type=json.loads, default={}, help="as for POST /control")
    options = parser.parse_args()
    octanist = Octanist(ledger=options.ledger, seed=options.seed)
    octanist.control(options.control)
    server = Server(("127.0.0.1", options.port), octanist=octanist)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    # Whoever started it is gone when this ends.
    sys.stdin.read()


if __name__ == "__main__":
    main()
