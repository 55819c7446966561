"""Whatever a network, a proxy or a server does to one exchange: the lead is visibly somewhere, and once at Octanist.

Each fault meets a stored lead that is being delivered. Then Octanist works again, and the lead must be there once.
That each exchange is bounded is seen from the other side: the server still had much to say when the client hung up.
"""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import override_settings

from django_octanist import client
from django_octanist.delivery import drain
from django_octanist.models import DeliveryAttempt, DeliveryPause, Lead
from django_octanist.test import TestSandbox, octanist
from tests.delivery import SESSION, Site, a_site, let_time_pass, make_lead, make_leads, wait_until
from tests.loopback import CREATED, Connection, Loopback, Request, Script, answering, respond

try:
    import trustme
except ImportError:  # outside of `tox -e faults`
    trustme = None

__all__ = ["octanist"]

pytestmark = [pytest.mark.faults, pytest.mark.django_db]

Outcome = DeliveryAttempt.Outcome
Reason = DeliveryPause.Reason

SECONDS = 0.6
"""``OCTANIST_TIMEOUT`` where a fault takes as long as it may; what is dripped takes many times as long."""
LONG = b"x" * 600
"""Dripped, 30 seconds."""
MEGABYTE = b"x" * 1024 * 1024
LITTLE = 24
"""Megabytes that a worker with 8 requests in flight may need more, whatever is sent to it."""


@pytest.fixture(autouse=True)
def _own_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    client.close()
    yield
    client.close()


class Faulty(Loopback):
    """Runs ``script`` for each connection, and notes of which ones the client hung up before the script's end."""

    def __init__(self, script: Script, *, tls: bool = False) -> None:
        super().__init__(script, tls=tls)
        self.hung_up = 0

    def _serve(self, connection: Connection) -> None:
        usual = self.script

        def script(connection: Connection) -> None:
            try:
                usual(connection)
            except OSError:
                self.hung_up += not self.stopping.is_set()
                raise

        self.script = script
        try:
            super()._serve(connection)
        finally:
            self.script = usual


def deliver_to(server: Loopback, **octanist_settings: Any) -> None:
    """Deliver what is due to ``server``, in this thread."""
    with override_settings(**{"OCTANIST_API_URL": f"{server.url}/api", "OCTANIST_TIMEOUT": 10.0} | octanist_settings):
        drain()


def state(lead: Lead) -> tuple[Any, ...]:
    """Where ``lead`` stands, its last outcome, and why its account is paused."""
    lead.refresh_from_db()
    last = DeliveryAttempt.objects.filter(lead=lead).order_by("id").last()
    pause = DeliveryPause.objects.filter(account=lead.account).first()
    assert lead.lease is None
    return lead.status, lead.attempts, lead.uncertain, last and last.outcome, pause and pause.reason


UNCERTAIN = (Lead.Status.PENDING, 1, True, Outcome.UNCERTAIN, None)
UNREACHABLE = (Lead.Status.PENDING, 1, False, Outcome.UNREACHABLE, None)
DELIVERED = (Lead.Status.DELIVERED, 1, False, Outcome.DELIVERED, None)


def keep(octanist: TestSandbox, request: Request | None) -> None:
    """Octanist has the lead of ``request``, whatever becomes of the answer."""
    assert request is not None
    headers = {"X-API-KEY": octanist.api_key}
    requests.post(f"{octanist.api_url}/leads", json=request.json, headers=headers, timeout=10).raise_for_status()


def recovers(octanist: TestSandbox, *leads: Lead, by: tuple[str, ...]) -> None:
    """Octanist works again: after ``by`` (methods of requests) each of ``leads`` is delivered and there once."""
    before = len(octanist.exchanges)
    let_time_pass()
    drain()
    assert [exchange.method for exchange in octanist.exchanges[before:]] == list(by)
    for lead in leads:
        lead.refresh_from_db()
        (received,) = [item for item in octanist.leads if item.fields["email"] == lead.email]
        assert (lead.status, lead.octanist_id) == (Lead.Status.DELIVERED, received.id)
    assert not DeliveryPause.objects.exists()


# Answers that are cut off, never end, or are none


def sending(*parts: bytes) -> Script:
    """Read the request, send ``parts``, close."""

    def script(connection: Connection) -> None:
        connection.read_request()
        for part in parts:
            connection.send(part)

    return script


def dripping(before: bytes, slowly: bytes) -> Script:
    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(before)
        connection.drip(slowly)

    return script


def holding(connection: Connection) -> None:
    """Read the request and say nothing, until the client hangs up."""
    connection.read_request()
    if not connection.sock.recv(1):
        raise ConnectionResetError


def flooding(before: bytes, piece: bytes) -> Script:
    """Read the request, send ``before``, then ``piece`` again and again, until the client has had enough."""

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(before)
        while not connection.server.stopping.is_set():
            connection.send(piece)

    return script


def chunk(data: bytes, *, size: str | None = None) -> bytes:
    return (size or f"{len(data):x}").encode() + b"\r\n" + data + b"\r\n"


HEAD = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FULL = respond()
BODY = FULL.partition(b"\r\n\r\n")[2]

SLOW = {
    "nothing": holding,
    "status line": dripping(b"", HEAD + LONG),
    "one header": dripping(HEAD, b"X-Slow: " + LONG),
    "many headers": dripping(HEAD, b"A: b\r\n" * 100),
    "continue": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 24),
    "body of a length": dripping(HEAD + b"Content-Length: 600\r\n\r\n", LONG),
    "body until closed": dripping(HEAD + b"\r\n", LONG),
    "chunks": dripping(CHUNKED, chunk(b" ") * 100),
    "size of a chunk": dripping(CHUNKED + b"1;", LONG),
    "white space, then the answer": dripping(
        HEAD + b"Content-Length: %d\r\n\r\n" % (600 + len(BODY)), b" " * 600 + BODY
    ),
}
CUT_OFF = {
    "closed": sending(),
    "half a status line": sending(b"HTTP/1.1 20"),
    "half a head": sending(HEAD + b"Content-Le"),
    "no body": sending(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY)),
    "half a body": sending(FULL[:-10]),
    "all but a byte": sending(FULL[:-1]),
    "an answer that says it is longer": sending(HEAD + b"Content-Length: 4096\r\n\r\n", BODY.ljust(2048)),
    "no chunk": sending(CHUNKED),
    "half a chunk": sending(CHUNKED + chunk(BODY)[:-20]),
    "no last chunk": sending(CHUNKED + chunk(BODY)),
    "a chunk shorter than it says": sending(CHUNKED + chunk(BODY, size="ffff") + chunk(b"")),
    "a chunk longer than it says": sending(CHUNKED + chunk(BODY, size="5") + chunk(b"")),
    "a size that is no number": sending(CHUNKED + chunk(BODY, size="many") + chunk(b"")),
    "a negative size": sending(CHUNKED + chunk(BODY, size=f"-{len(BODY):x}") + chunk(b"")),
    "half a gzip": sending(
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(gzip.compress(BODY)) - 12),
        gzip.compress(BODY)[:-12],
    ),
}
ENDLESS = {
    "body until closed": flooding(HEAD + b"\r\n", MEGABYTE),
    "chunks": flooding(CHUNKED, chunk(MEGABYTE)),
    "white space": flooding(HEAD + b"\r\n", b" " * 65536),
    "size of a chunk": flooding(CHUNKED, b"1" * 65536),
    "trailers": flooding(CHUNKED + chunk(BODY) + b"0\r\n", b"A: " + b"x" * 60_000 + b"\r\n"),
    "one header": flooding(HEAD + b"X: ", MEGABYTE),
    "headers": flooding(HEAD, b"A: " + b"x" * 60_000 + b"\r\n"),
    "continue": flooding(b"", (b"HTTP/1.1 100 Continue\r\nA: " + b"x" * 60_000 + b"\r\n\r\n")),
    "status line": flooding(b"HTTP/1.1 ", MEGABYTE),
}
OTHER = {
    "empty 200": respond(200, b""),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "HTML": respond(200, b"<!doctype html><title>Welcome</title>", {"Content-Type": "text/html"}),
    "HTML that says JSON": respond(201, b"<!doctype html><title>Welcome</title>"),
    "HTML without a type": respond(201, b"<!doctype html><title>Welcome</title>", {"Content-Type": ""}),
    "success is false": respond(200, {"success": False, "error": {"code": "INTERNAL_ERROR", "message": "oh"}}),
    "success is a word": respond(201, CREATED | {"success": "true"}),
    "no success": respond(201, {"data": {"id": "lead_1"}}),
    "no id": respond(201, {"success": True, "data": {}}),
    "an empty id": respond(201, {"success": True, "data": {"id": ""}}),
    "a list": respond(201, [CREATED]),
    "null": respond(201, b"null"),
    "another charset": respond(
        201, BODY.decode().encode("utf-16"), {"Content-Type": "application/json; charset=utf-16"}
    )[:-1],
    "too deep": respond(201, b"[" * 60_000),
    "what says gzip and is none": respond(201, CREATED, {"Content-Encoding": "gzip"}),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
}


def losing(octanist: TestSandbox, script: Script) -> Script:
    """Let Octanist have the lead, then answer by ``script``: the worst that a lost answer may mean."""

    def wrapped(connection: Connection) -> None:
        usual = connection.read_request

        def read_request() -> Request | None:
            request = usual()
            keep(octanist, request)
            return request

        connection.read_request = read_request  # type: ignore[method-assign]
        script(connection)

    return wrapped


@pytest.mark.parametrize("script", SLOW.values(), ids=list(SLOW))
def test_slow_loris(octanist: TestSandbox, script: Script) -> None:
    lead = make_lead()
    with Faulty(losing(octanist, script)) as server:
        deliver_to(server, OCTANIST_TIMEOUT=SECONDS)
        wait_until(lambda: server.hung_up, what="the client hangs up")
        assert len(server.requests) == 1
    assert state(lead) == UNCERTAIN
    recovers(octanist, lead, by=("GET",))


@pytest.mark.parametrize("script", CUT_OFF.values(), ids=list(CUT_OFF))
def test_cut_off(octanist: TestSandbox, script: Script) -> None:
    lead = make_lead()
    with Faulty(losing(octanist, script)) as server:
        deliver_to(server)
        assert len(server.requests) == 1
    assert state(lead) == UNCERTAIN
    recovers(octanist, lead, by=("GET",))


@pytest.mark.parametrize("script", ENDLESS.values(), ids=list(ENDLESS))
def test_without_end(octanist: TestSandbox, script: Script) -> None:
    lead = make_lead()
    with Faulty(losing(octanist, script)) as server:
        deliver_to(server, OCTANIST_TIMEOUT=SECONDS)
        wait_until(lambda: server.hung_up, what="the client hangs up")
        assert len(server.requests) == 1
    assert state(lead) == UNCERTAIN
    recovers(octanist, lead, by=("GET",))


@pytest.mark.parametrize("answer", OTHER.values(), ids=list(OTHER))
def test_a_2xx_that_is_not_the_apis(octanist: TestSandbox, answer: bytes) -> None:
    lead = make_lead()
    with Faulty(losing(octanist, sending(answer))) as server:
        deliver_to(server)
        assert len(server.requests) == 1
    assert state(lead) == UNCERTAIN
    recovers(octanist, lead, by=("GET",))


@pytest.mark.parametrize("kind", ["text/html", "text/plain; charset=latin-1", "application/octet-stream", ""])
def test_an_answer_counts_by_what_it_says_not_by_its_content_type(octanist: TestSandbox, kind: str) -> None:
    lead = make_lead()
    with Faulty(sending(respond(201, CREATED, {"Content-Type": kind}))) as server:
        deliver_to(server)
    assert state(lead) == DELIVERED
    recovers(octanist, by=())


def test_what_octanist_never_had_is_sent_again_after_asking(octanist: TestSandbox) -> None:
    lead = make_lead()
    with Faulty(sending(FULL[:-1])) as server:
        deliver_to(server)
    assert state(lead) == UNCERTAIN
    recovers(octanist, lead, by=("GET", "POST"))


def test_a_refusal_whose_body_is_cut_off_is_no_reason_to_ask(octanist: TestSandbox) -> None:
    lead = make_lead()
    with Faulty(sending(respond(400, {"success": False, "error": {"code": "VALIDATION_ERROR"}})[:-5])) as server:
        deliver_to(server)
    assert state(lead)[0] == Lead.Status.INVALID
    recovers(octanist, by=())


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["{url}/api/leads", "//{host}/api/leads", "{url}"])
def test_nobody_hears_of_a_redirect(octanist: TestSandbox, status: int, location: str) -> None:
    leads = make_leads(3, session_id=SESSION)
    with Faulty(answering(respond())) as elsewhere:
        target = location.format(url=elsewhere.url, host=elsewhere.url.partition("//")[2])
        with Faulty(answering(respond(status, b"", {"Location": target}))) as server:
            deliver_to(server)
            # One request for all of them, and the probes after it.
            assert len(server.requests) == 1
            let_time_pass()
            deliver_to(server)
            assert len(server.requests) == 2
        assert (elsewhere.connections, elsewhere.requests) == (0, [])
    for lead in leads:
        status, _attempts, uncertain, _outcome, reason = state(lead)
        assert (status, uncertain, reason) == (Lead.Status.PENDING, False, Reason.ENDPOINT)
    # It may be about the first one alone. The probe cost nothing, nor did the wait.
    assert [lead.attempts for lead in leads[1:]] == [0, 0]
    recovers(octanist, *leads, by=("POST",) * 3)


def test_nobody_hears_of_a_look_ups_redirect(octanist: TestSandbox) -> None:
    lead = make_lead(uncertain=True)
    with Faulty(answering(respond())) as elsewhere:
        with Faulty(answering(respond(302, b"", {"Location": elsewhere.url}))) as server:
            deliver_to(server)
            assert [request.line[:4] for request in server.requests] == ["GET "]
        assert elsewhere.connections == 0
    status, _attempts, *others = state(lead)
    assert (status, others) == (Lead.Status.PENDING, [True, Outcome.ENDPOINT, Reason.ENDPOINT])
    recovers(octanist, lead, by=("GET", "POST"))


# TLS


class Secure(Faulty):
    """Speaks TLS with ``certificate`` under the name localhost."""

    def __init__(self, certificate: trustme.LeafCert, script: Script) -> None:
        super().__init__(script, tls=True)
        self._leaf = certificate

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def tls_context(self) -> Any:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._leaf.configure_cert(context)
        return context


def _a_day(sign: int) -> datetime:
    return datetime.now(timezone.utc) + timedelta(days=sign)


CERTIFICATES: dict[str, Callable[[trustme.CA], trustme.LeafCert]] = {
    "expired": lambda ca: ca.issue_cert("localhost", not_before=_a_day(-2), not_after=_a_day(-1)),
    "not valid yet": lambda ca: ca.issue_cert("localhost", not_before=_a_day(1), not_after=_a_day(2)),
    "another host's": lambda ca: ca.issue_cert("octanist.example"),
    "nobody's": lambda ca: trustme.CA().issue_cert("localhost"),
}


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that this machine trusts."""
    if trustme is None:
        pytest.skip("trustme is not installed")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return authority


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_a_server_that_is_not_octanist_hears_nothing(octanist: TestSandbox, authority: trustme.CA, kind: str) -> None:
    lead = make_lead()
    with Secure(CERTIFICATES[kind](authority), answering(respond())) as server:
        deliver_to(server)
        assert (server.connections, server.requests) == (1, [])
    assert state(lead) == UNREACHABLE
    # Nothing was created: nobody is asked.
    recovers(octanist, lead, by=("POST",))


def test_a_server_that_is_octanist_gets_the_lead(authority: trustme.CA) -> None:
    lead = make_lead()
    with Secure(authority.issue_cert("localhost"), answering(respond())) as server:
        deliver_to(server)
        assert len(server.requests) == 1
    assert state(lead) == DELIVERED


# Names


def test_a_name_that_does_not_exist(octanist: TestSandbox) -> None:
    lead = make_lead()
    # Reserved (RFC 2606): nobody answers for it.
    with override_settings(OCTANIST_API_URL="https://octanist.invalid/api"):
        drain()
    assert state(lead) == UNREACHABLE
    assert "octanist.invalid" in lead.error
    recovers(octanist, lead, by=("POST",))


RESOLVER = """
import socket, threading
usual, asked = socket.getaddrinfo, []
def getaddrinfo(host, *arguments, **named):
    if host == "localhost":
        asked.append(host)
        threading.Event().wait({seconds})
        host = "127.0.0.1"
    return usual(host, *arguments, **named)
socket.getaddrinfo = getaddrinfo
call_command("octanist_worker", "--once", "--concurrency=4")
assert asked
"""


@pytest.fixture
def site(tmp_path: Path, transactional_db: None) -> Iterator[Site]:
    with a_site(tmp_path, OCTANIST_DISPATCH="manual", OCTANIST_API_KEY="test-key") as site:
        yield site


def ended(site: Site, code: str, **octanist_settings: Any) -> str:
    """Run ``code`` to its end, whatever it logs, and return what it printed."""
    process = site.start(code, **octanist_settings)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output


@pytest.mark.parametrize(("seconds", "timeout", "status"), [(0.3, 5.0, DELIVERED), (3.0, 0.5, UNREACHABLE)])
def test_slow_names(site: Site, seconds: float, timeout: float, status: tuple[Any, ...]) -> None:
    """The operating system's resolver cannot be hurried. What it takes counts: too late, and nothing is sent."""
    leads = make_leads(4)
    with Faulty(answering(respond())) as server:
        url = f"http://localhost:{server.port}/api"
        ended(site, RESOLVER.format(seconds=seconds), OCTANIST_API_URL=url, OCTANIST_TIMEOUT=timeout)
        assert len(server.requests) == (4 if status is DELIVERED else 0)
        assert bool(server.connections) is (status is DELIVERED)
    assert [state(lead) for lead in leads] == [status] * 4
    if status is UNREACHABLE:
        # All four at once: a name that resolves slowly costs each sender its time, and no more.
        assert all(item.duration_ms >= 3000 for item in DeliveryAttempt.objects.all())


# Resets


def resetting(*, before: bool = True, answer: bytes = b"") -> Script:
    """Close with an RST: ``before`` the request is read or after it, with ``answer`` on its way."""

    def script(connection: Connection) -> None:
        if not before:
            connection.read_request()
            connection.send(answer)
        connection.reset()

    return script


RESETS = {
    "after the request": resetting(before=False),
    "in the status line": resetting(before=False, answer=HEAD[:10]),
    "in the head": resetting(before=False, answer=HEAD),
    "before the body": resetting(before=False, answer=FULL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"),
    "in the body": resetting(before=False, answer=FULL[:-10]),
    "in a chunk": resetting(before=False, answer=CHUNKED + chunk(BODY)[:-10]),
    "before the last chunk": resetting(before=False, answer=CHUNKED + chunk(BODY)),
}


@pytest.mark.parametrize("script", RESETS.values(), ids=list(RESETS))
def test_reset(octanist: TestSandbox, script: Script) -> None:
    lead = make_lead()
    with Faulty(losing(octanist, script)) as server:
        deliver_to(server)
        assert len(server.requests) == 1
    assert state(lead) == UNCERTAIN
    recovers(octanist, lead, by=("GET",))


def test_reset_before_the_request_was_read(octanist: TestSandbox) -> None:
    """Where bytes have left this machine, who read them cannot be known; the reset may also come before them."""
    lead = make_lead()
    with Faulty(resetting()) as server:
        deliver_to(server)
        assert server.connections == 1
    stands = state(lead)
    assert stands in (UNCERTAIN, UNREACHABLE)
    recovers(octanist, lead, by=("GET", "POST") if stands == UNCERTAIN else ("POST",))


def test_reset_after_the_body(octanist: TestSandbox) -> None:
    """The answer was whole. What follows on the same connection may meet the reset: then Octanist is asked."""
    leads = make_leads(3)
    with Faulty(losing(octanist, resetting(before=False, answer=FULL))) as server:
        deliver_to(server)
        states = [state(lead) for lead in leads]
        assert states[0] == DELIVERED
        assert {DELIVERED, UNCERTAIN} >= set(states)
    let_time_pass()
    drain()
    assert {state(lead)[0] for lead in leads} == {Lead.Status.DELIVERED}
    assert sorted(item.fields["email"] for item in octanist.leads) == sorted(lead.email for lead in leads)


# 429


def _date(seconds: int) -> str:
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (lambda: "120", 120),
        (lambda: "0", 30),
        (lambda: _date(90), 90),
        (lambda: _date(-90), 30),
        (lambda: "soon", 30),
        (lambda: "1.5", 30),
        (lambda: "-120", 30),
        (lambda: "86400", 3600),
        (lambda: "9" * 400, 30),
        (lambda: _date(10**8), 3600),
        (lambda: "Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        (lambda: "120, 60", 30),
        (None, 30),
    ],
    ids=[
        *("seconds", "zero", "a date", "a date that has passed", "nonsense", "a fraction", "negative", "a day"),
        *("a number too long", "a date in years", "the last date", "two", "none"),
    ],
)
def test_how_long_an_account_rests(octanist: TestSandbox, header: Callable[[], str] | None, seconds: int) -> None:
    leads = make_leads(4)
    before = datetime.now(timezone.utc)
    with Faulty(answering(respond(429, b"", {"Retry-After": header()} if header else {}))) as server:
        deliver_to(server)
        assert len(server.requests) == 1
    rest = DeliveryPause.objects.get().probe_at - before
    # A date counts whole seconds.
    assert timedelta(seconds=seconds - 2) <= rest <= timedelta(seconds=seconds + 15)
    assert {state(lead)[:3] for lead in leads} == {(Lead.Status.PENDING, 0, False)}
    assert state(leads[0])[3:] == (Outcome.RATE_LIMITED, Reason.RATE_LIMITED)
    drain()
    assert octanist.exchanges == ()
    recovers(octanist, *leads, by=("POST",) * 4)


# Memory


PEAK = """
import resource
from pathlib import Path
call_command("octanist_worker", "--once", "--concurrency=8")
status = Path("/proc/self/status")
if status.exists():
    # Of this program alone; what getrusage counts began before it, in the process that started it.
    kilobytes = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
print(kilobytes)
"""


def peak(site: Site, script: Script, **fields: Any) -> float:
    """Return the megabytes that a worker needed at most which delivered 8 leads at once to a server of ``script``."""
    Lead.objects.all().delete()
    DeliveryPause.objects.all().delete()
    make_leads(8, **fields)
    with Faulty(script) as server:
        output = ended(site, PEAK, OCTANIST_API_URL=f"{server.url}/api", OCTANIST_TIMEOUT=2.0)
        assert server.requests
    return int(output.split()[-1]) / 1024


def large(head: bytes, *, megabytes: int = 300, framed: Callable[[bytes], bytes] = bytes) -> Script:
    def script(connection: Connection) -> None:
        while connection.read_request() is not None:
            connection.send(head)
            for _ in range(megabytes):
                connection.send(framed(MEGABYTE))

    return script


def bomb(*, times: int, megabytes: int) -> Script:
    body = gzip.compress(b"0" * megabytes * 1024 * 1024, 9)
    for _ in range(times - 1):
        body = gzip.compress(body, 9)
    return answering(respond(201, body, {"Content-Encoding": ", ".join(["gzip"] * times)}))


HUGE: dict[str, Callable[[], Script]] = {
    "300 MB": lambda: large(HEAD + b"Content-Length: 314572800\r\n\r\n"),
    "300 MB in chunks": lambda: large(CHUNKED, framed=chunk),
    "300 MB of a 302": lambda: large(b"HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 314572800\r\n\r\n"),
    "300 MB of a 400": lambda: large(b"HTTP/1.1 400 X\r\nContent-Length: 314572800\r\n\r\n"),
    "a header of 300 MB": lambda: large(HEAD + b"X: "),
    "the size of a chunk": lambda: large(CHUNKED, framed=lambda piece: piece.replace(b"x", b"1")),
    "gzip of 300 MB": lambda: bomb(times=1, megabytes=300),
    "gzip of gzip of 300 MB": lambda: bomb(times=2, megabytes=300),
    "gzip of gzip of gzip of 300 MB": lambda: bomb(times=3, megabytes=300),
}


@pytest.fixture(scope="module")
def usual_peak() -> dict[str, float]:
    return {}


@pytest.mark.parametrize("kind", HUGE)
def test_memory_is_bounded(site: Site, usual_peak: dict[str, float], kind: str) -> None:
    if not usual_peak:
        usual_peak["megabytes"] = peak(site, answering(respond()))
    assert peak(site, HUGE[kind]()) < usual_peak["megabytes"] + LITTLE


def test_memory_is_bounded_where_leads_are_looked_up(site: Site, usual_peak: dict[str, float]) -> None:
    """A list of leads may be longer: 4 MiB of each are read, and decoded where they are whole."""
    usual = peak(site, answering(respond(200, {"success": True, "data": []})), uncertain=True)
    script = large(b"HTTP/1.1 200 OK\r\nContent-Length: 314572800\r\n\r\n")
    assert peak(site, script, uncertain=True) < usual + 3 * 8 * 4
