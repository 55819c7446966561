"""The engine end to end: leads in the database, Octanist on loopback."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError, connection
from django.test import override_settings
from django.utils import timezone

from django_octanist import client, signals, transactions
from django_octanist.delivery import Engine, drain, pauses
from django_octanist.delivery.claims import claim
from django_octanist.delivery.decisions import OUTAGE_STREAK, Outcome
from django_octanist.delivery.due import seconds_until_due
from django_octanist.delivery.sending import send
from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import DeliveryAttempt, DeliveryPause, Lead
from django_octanist.test import TestSandbox, octanist, octanist_sandbox

from . import CREATED, SESSION, UNREACHABLE, RawServer, http, let_time_pass, make_lead, make_leads, wait_until

__all__ = ["octanist"]

pytestmark = pytest.mark.django_db

Status = Lead.Status
Reason = DeliveryPause.Reason
ATTRIBUTION = {"website": "https://example.com", "gclid": "Cj0"}


@pytest.fixture(params=[0, 4], ids=["in the calling thread", "with senders"])
def deliver(request: pytest.FixtureRequest) -> Callable[..., int]:
    """Deliver what is due, once without threads and once with them."""

    def run(*arguments: Any, **named: Any) -> int:
        with Engine(senders=request.param) as engine:
            return engine.drain(*arguments, **named)

    return run


def outcomes() -> list[str]:
    return list(DeliveryAttempt.objects.values_list("outcome", flat=True))


def the_lead() -> Lead:
    return Lead.objects.get()


def settled(lead: Lead) -> bool:
    """Whether nobody holds ``lead`` and its row says what is next."""
    return lead.lease is None and (lead.status == Status.PENDING) == (lead.next_attempt_at is not None)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What Octanist does with a lead, and what becomes of it."""

    name: str
    answer: dict[str, Any]
    outcome: Outcome
    status: Status = Status.PENDING
    attempts: int = 1
    uncertain: bool = False
    pause: Reason | None = None
    lead: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case(name="400", answer={"status": 400}, outcome=Outcome.INVALID, status=Status.INVALID),
    Case(name="413", answer={"status": 413}, outcome=Outcome.INVALID, status=Status.INVALID),
    Case(name="422", answer={"status": 422}, outcome=Outcome.INVALID, status=Status.INVALID),
    Case(
        name="401",
        answer={"status": 401},
        outcome=Outcome.UNAUTHORIZED,
        attempts=0,
        pause=Reason.UNAUTHORIZED,
    ),
    Case(name="403", answer={"status": 403}, outcome=Outcome.REJECTED, status=Status.REJECTED),
    Case(name="403 of a firewall", answer={"status": 403, "body": "<html>"}, outcome=Outcome.LATER),
    *[
        Case(
            name=f"{status}",
            answer={"status": status, "headers": {"Location": "http://127.0.0.1:9/"}},
            outcome=Outcome.ENDPOINT,
            pause=Reason.ENDPOINT,
        )
        for status in (301, 302, 307, 308, 404, 405, 410)
    ],
    Case(name="408", answer={"status": 408}, outcome=Outcome.LATER),
    Case(name="425", answer={"status": 425}, outcome=Outcome.LATER),
    Case(
        name="429",
        answer={"status": 429, "headers": {"Retry-After": "90"}},
        outcome=Outcome.RATE_LIMITED,
        attempts=0,
        pause=Reason.RATE_LIMITED,
    ),
    Case(name="500", answer={"status": 500}, outcome=Outcome.UNCERTAIN, uncertain=True),
    Case(name="503", answer={"status": 503}, outcome=Outcome.UNCERTAIN, uncertain=True),
    Case(name="no answer", answer={"status": 0}, outcome=Outcome.UNCERTAIN, uncertain=True),
    Case(name="200 in HTML", answer={"status": 200, "body": "<html>"}, outcome=Outcome.UNCERTAIN, uncertain=True),
    Case(
        name="201 without success",
        answer={"status": 201, "body": '{"success": false}'},
        outcome=Outcome.UNCERTAIN,
        uncertain=True,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_came_back_and_what_happens(case: Case, octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_lead(**case.lead)
    octanist.fail_next(**case.answer)
    assert deliver() == 1
    lead = the_lead()
    assert (lead.status, lead.attempts, lead.uncertain) == (case.status, case.attempts, case.uncertain)
    assert settled(lead)
    assert outcomes() == [case.outcome]
    assert list(DeliveryPause.objects.values_list("reason", flat=True)) == ([case.pause] if case.pause else [])
    assert len(octanist.exchanges) == 1
    # Whatever it was, nothing is sent again at once.
    assert deliver() == 0
    assert len(octanist.exchanges) == 1


def test_delivered(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_lead(session_id=SESSION, attribution=ATTRIBUTION)
    assert deliver() == 1
    lead, (received,) = the_lead(), octanist.leads
    assert (lead.status, lead.octanist_id, lead.attempts) == (Status.DELIVERED, received.id, 1)
    assert settled(lead)
    assert (received.session_id, received.attribution) == (SESSION, {})


def test_a_refused_session_is_two_attempts(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_lead(session_id="expired", attribution=ATTRIBUTION)
    deliver()
    assert the_lead().status == Status.DELIVERED
    assert the_lead().attempts == 1
    assert outcomes() == [Outcome.SESSION_REFUSED, Outcome.DELIVERED]
    assert list(DeliveryAttempt.objects.values_list("with_session", flat=True)) == [True, False]
    assert octanist.leads[0].attribution == ATTRIBUTION
    # It is not linked to the session, and says so.
    assert (the_lead().session_id, the_lead().sources) == ("", {"sessionId": "refused: by Octanist"})


def test_a_refused_lead_keeps_its_session(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    """Refused without the session too: it was something else."""
    make_lead(session_id=SESSION, email="jo@invalid.example")
    deliver()
    assert outcomes() == [Outcome.SESSION_REFUSED, Outcome.INVALID]
    assert the_lead().session_id == SESSION


def test_unreachable(deliver: Callable[..., int]) -> None:
    make_lead()
    with override_settings(OCTANIST_API_URL=UNREACHABLE):
        assert deliver() == 1
    lead = the_lead()
    assert (lead.status, lead.attempts, lead.uncertain) == (Status.PENDING, 1, False)
    assert outcomes() == [Outcome.UNREACHABLE]


def test_too_slow(deliver: Callable[..., int]) -> None:
    make_lead()
    with RawServer(None) as server, override_settings(OCTANIST_API_URL=server.api_url, OCTANIST_TIMEOUT=0.2):
        assert deliver() == 1
    assert the_lead().uncertain
    assert outcomes() == [Outcome.UNCERTAIN]


# Uncertain leads


@pytest.mark.parametrize("status", [0, 200, 409, 500, 504])
def test_a_lost_answer_is_asked_for_and_the_lead_is_not_sent_twice(
    octanist: TestSandbox, deliver: Callable[..., int], status: int
) -> None:
    make_lead()
    octanist.fail_next(status=status, body="", create=True)
    deliver()
    assert the_lead().uncertain
    let_time_pass(seconds=29)
    assert deliver() == 0
    let_time_pass()
    assert deliver() == 1
    lead, (received,) = the_lead(), octanist.leads
    assert (lead.status, lead.octanist_id, lead.uncertain, lead.attempts) == (Status.DELIVERED, received.id, False, 1)
    assert outcomes() == [Outcome.UNCERTAIN, Outcome.FOUND]


def test_what_octanist_does_not_have_is_sent(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_lead()
    octanist.fail_next(status=500)
    deliver()
    let_time_pass()
    deliver()
    assert the_lead().status == Status.DELIVERED
    assert [exchange.method for exchange in octanist.exchanges] == ["POST", "GET", "POST"]
    assert outcomes() == [Outcome.UNCERTAIN, Outcome.DELIVERED]


def test_a_lead_in_the_hands_of_a_sender_that_never_came_back(octanist: TestSandbox) -> None:
    make_lead()
    (item,) = claim("default", limit=1, senders=1)
    send(item)
    assert drain() == 0
    let_time_pass()
    assert drain() == 1
    assert the_lead().status == Status.DELIVERED
    assert len(octanist.leads) == 1


def test_hold(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_lead()
    octanist.fail_next(create=True)
    with override_settings(OCTANIST_WHEN_UNCERTAIN="hold"):
        deliver()
        let_time_pass()
        deliver()
        lead = the_lead()
        assert (lead.status, lead.error_code) == (Status.FAILED, "UNCERTAIN")
        assert settled(lead)
        assert len(octanist.exchanges) == 1
        # A person has looked, and decides.
        assert Lead.objects.replay() == 1
        deliver()
    assert the_lead().status == Status.DELIVERED
    assert len(octanist.leads) == 2


@pytest.mark.parametrize("lead", [{"email": ""}, {"custom": "the site's own"}], ids=["nobody", "own custom"])
def test_what_cannot_be_looked_up_is_held_until_a_person_decides(
    octanist: TestSandbox, deliver: Callable[..., int], lead: dict[str, Any]
) -> None:
    make_lead(**lead)
    octanist.fail_next()
    deliver()
    let_time_pass()
    deliver()
    assert (the_lead().status, the_lead().error_code) == (Status.FAILED, "UNCERTAIN")
    assert Lead.objects.replay() == 1
    deliver()
    assert the_lead().status == Status.DELIVERED
    assert [exchange.method for exchange in octanist.exchanges] == ["POST", "POST"]


def test_resend(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_lead()
    octanist.fail_next(create=True)
    with override_settings(OCTANIST_WHEN_UNCERTAIN="resend"):
        deliver()
        let_time_pass()
        deliver()
    assert the_lead().status == Status.DELIVERED
    assert len(octanist.leads) == 2


# Giving up


@override_settings(OCTANIST_MAX_ATTEMPTS=3)
def test_max_attempts_and_a_replay(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_lead()
    octanist.fail_next(status=408, times=3)
    for attempts in (1, 2, 3):
        let_time_pass()
        assert deliver() == 1
        assert the_lead().attempts == attempts
    lead = the_lead()
    assert lead.status == Status.FAILED
    assert settled(lead)
    let_time_pass()
    assert deliver() == 0
    assert Lead.objects.replay() == 1
    assert deliver() == 1
    lead = the_lead()
    assert (lead.status, lead.attempts, lead.error) == (Status.DELIVERED, 1, "")


# Pauses


def test_300_leads_behind_a_wrong_key(octanist: TestSandbox, sent_alerts: Callable[[], None]) -> None:
    make_leads(300)
    with Engine(senders=8) as engine:
        with override_settings(OCTANIST_API_KEY="wrong", OCTANIST_ALERT_EMAILS=["ops@example.com"]):
            engine.drain()
            # As many as were under way when the first answer came, and no more.
            assert 1 <= len(octanist.exchanges) <= 8
            assert engine.drain() == 0
            before = len(octanist.exchanges)
            for _probe in range(3):
                let_time_pass(seconds=3600)
                engine.drain()
            assert len(octanist.exchanges) == before + 3
            sent_alerts()
        assert len(mail.outbox) == 1
        assert set(Lead.objects.values_list("status", "attempts", "uncertain", "lease")) == {
            (Status.PENDING, 0, False, None)
        }
        assert DeliveryPause.objects.get().reason == Reason.UNAUTHORIZED
        let_time_pass(seconds=3600)
        engine.drain()
    assert not DeliveryPause.objects.exists()
    assert set(Lead.objects.values_list("status", flat=True)) == {Status.DELIVERED}
    assert len({lead.fields["email"] for lead in octanist.leads}) == len(octanist.leads) == 300


@pytest.mark.parametrize("answer", [{"status": 401}, {"status": 404}, {"status": 429}])
def test_leads_claimed_before_the_pause_go_back_unsent(octanist: TestSandbox, answer: dict[str, Any]) -> None:
    make_leads(10)
    octanist.fail_next(**answer)
    drain()
    assert len(octanist.exchanges) == 1
    assert set(Lead.objects.values_list("status", "lease")) == {(Status.PENDING, None)}
    # A 404 may be about the lead that was sent, and costs that one an attempt.
    assert sum(Lead.objects.values_list("attempts", flat=True)) == (1 if answer["status"] == 404 else 0)
    assert DeliveryAttempt.objects.count() == 1


def test_an_outage_costs_the_leads_that_were_not_sent_nothing(octanist: TestSandbox) -> None:
    make_leads(20)
    octanist.fail_next(times=1000)
    drain()
    assert len(octanist.exchanges) == OUTAGE_STREAK
    assert DeliveryPause.objects.get().reason == Reason.OUTAGE
    assert Lead.objects.filter(attempts=0, lease=None, status=Status.PENDING).count() == 20 - OUTAGE_STREAK


def test_an_outage_with_senders_costs_those_under_way(octanist: TestSandbox) -> None:
    """However long it takes to write what came back: here, no result is written before ten have come."""
    make_leads(200)
    octanist.fail_next(times=1000)
    with Engine(senders=4) as engine:
        usual = engine._record_finished

        def later() -> int:
            come = engine._done.qsize() + len(engine._unwritten)
            return usual() if come >= min(10, engine.under_way) else 0

        engine._record_finished = later  # type: ignore[method-assign]
        engine.drain()
    assert OUTAGE_STREAK <= len(octanist.exchanges) <= OUTAGE_STREAK + 4
    assert DeliveryPause.objects.count() == 1
    assert Lead.objects.filter(attempts=0).count() == 200 - len(octanist.exchanges)
    assert not Lead.objects.exclude(lease=None).exists()


def test_probes_are_one_request_each_and_cost_nothing(octanist: TestSandbox) -> None:
    make_leads(20)
    octanist.fail_next(times=1000)
    drain()
    attempts = sum(Lead.objects.values_list("attempts", flat=True))
    for probe in range(1, 8):
        before = len(octanist.exchanges)
        let_time_pass(seconds=3600)
        assert drain() == 1
        creations = [item for item in octanist.exchanges[before:] if item.method == "POST"]
        assert len(creations) == 1
        assert DeliveryPause.objects.get().failures == probe
        assert drain() == 0
    assert sum(Lead.objects.values_list("attempts", flat=True)) == attempts
    octanist.clear()
    let_time_pass(seconds=3600)
    drain()
    assert not DeliveryPause.objects.exists()
    let_time_pass()
    drain()
    assert set(Lead.objects.values_list("status", flat=True)) == {Status.DELIVERED}
    assert len(octanist.leads) == 20


def test_no_probe_where_nothing_is_due(octanist: TestSandbox) -> None:
    then = timezone.now() - timedelta(hours=1)
    DeliveryPause.objects.create(account="default", reason=Reason.OUTAGE, probe_at=then)
    make_lead(next_attempt_at=timezone.now() + timedelta(hours=1))
    assert drain() == 0
    assert DeliveryPause.objects.get().probe_at == then


class Picky(RawServer):
    """Answers 500 to leads that say ``poison``, has none of them, and takes the others."""

    def __init__(self) -> None:
        super().__init__(CREATED)
        self.taken: list[str] = []

    def answer(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        if head.startswith(b"GET"):
            return http(200, {"success": True, "data": [], "meta": {"pagination": {"hasMore": False}}})
        email = json.loads(body)["email"]
        if "poison" in email:
            return http(500)
        self.taken.append(email)
        return CREATED


@pytest.mark.parametrize(("poison", "good"), [(0, 1), (1, 0), (3, 3)], ids=["fresher", "older", "as old"])
def test_a_lead_that_always_fails_does_not_keep_the_others_waiting(poison: int, good: int) -> None:
    make_lead(email="poison@example.com", attempts=poison)
    for index in range(3):
        make_lead(email=f"good{index}@example.com", attempts=good)
    DeliveryPause.objects.create(account="default", reason=Reason.OUTAGE, probe_at=timezone.now())
    with Picky() as server, override_settings(OCTANIST_API_URL=server.api_url):
        for _ in range(2):
            # The times between probes, as they really are.
            let_time_pass(seconds=75)
            drain()
    assert sorted(server.taken) == ["good0@example.com", "good1@example.com", "good2@example.com"]
    assert not DeliveryPause.objects.exists()


def test_poison_among_good_leads_ends_as_failed() -> None:
    make_lead(email="poison@example.com")
    with Picky() as server, override_settings(OCTANIST_API_URL=server.api_url, OCTANIST_MAX_ATTEMPTS=4):
        for index in range(5):
            make_lead(email=f"good{index}@example.com")
            drain()
            let_time_pass()
    assert Lead.objects.get(email="poison@example.com").status == Status.FAILED
    assert len(server.taken) == 5


# Accounts


def test_no_key_means_that_leads_wait(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_lead()
    with override_settings(OCTANIST_API_KEY=""):
        assert deliver() == 0
        assert seconds_until_due() is None
    lead = the_lead()
    assert (lead.status, lead.attempts, lead.lease) == (Status.PENDING, 0, None)
    assert octanist.exchanges == ()
    assert deliver() == 1


def test_accounts_do_not_wait_for_each_other(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_leads(5)
    make_leads(5, account="shop", form="shop")
    make_leads(5, account="gone")
    with override_settings(OCTANIST_API_KEY="wrong", OCTANIST_API_KEYS={"shop": octanist.api_key, "later": ""}):
        deliver()
    assert set(Lead.objects.filter(account="shop").values_list("status", flat=True)) == {Status.DELIVERED}
    assert Lead.objects.exclude(account="shop").filter(status=Status.PENDING, attempts=0, lease=None).count() == 10
    assert [row.account for row in DeliveryPause.objects.all()] == ["default"]
    assert {lead.custom["form"] for lead in octanist.leads if isinstance(lead.custom, dict)} == {"shop"}


def test_one_account_only(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_lead()
    make_lead(account="shop")
    with override_settings(OCTANIST_API_KEYS={"shop": octanist.api_key}):
        assert deliver("shop") == 1
    assert Lead.objects.get(status=Status.DELIVERED).account == "shop"


def test_at_most(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    make_leads(12)
    assert deliver(at_most=5) == 5
    assert len(octanist.leads) == 5
    assert not Lead.objects.exclude(lease=None).exists()


# The machine


def test_many_leads_once_each(octanist: TestSandbox) -> None:
    make_leads(150)
    with Engine(senders=8) as engine:
        assert engine.drain() == 150
        assert engine.delivered == 150
    assert len({lead.fields["email"] for lead in octanist.leads}) == len(octanist.leads) == 150


def test_as_many_requests_at_once_as_there_are_senders() -> None:
    class Together(RawServer):
        def answer(self, request: bytes) -> bytes | None:
            together.wait(10)
            return CREATED

    together = threading.Barrier(4)
    make_leads(8)
    with Together(CREATED) as server, override_settings(OCTANIST_API_URL=server.api_url), Engine(senders=4) as engine:
        engine.drain()
    assert set(Lead.objects.values_list("status", flat=True)) == {Status.DELIVERED}


def test_a_slow_answer_holds_up_nothing_but_its_own_lead() -> None:
    class Slow(RawServer):
        def answer(self, request: bytes) -> bytes | None:
            if b"jo0@" in request:
                assert others_written.wait(10)
            return CREATED

    def count(**named: Any) -> None:
        written.append(named["lead"].email)
        if len(written) == 29:
            others_written.set()

    others_written, written = threading.Event(), list[str]()
    make_leads(30)
    signals.lead_delivered.connect(count)
    try:
        with Slow(CREATED) as server, override_settings(OCTANIST_API_URL=server.api_url), Engine(senders=2) as engine:
            engine.drain()
    finally:
        signals.lead_delivered.disconnect(count)
    assert written[-1] == "jo0@example.com"
    assert set(Lead.objects.values_list("status", flat=True)) == {Status.DELIVERED}


@pytest.mark.parametrize("senders", [0, 1])
def test_a_stop_finishes_what_is_under_way_and_gives_the_rest_back(senders: int) -> None:
    class Stopping(RawServer):
        def answer(self, request: bytes) -> bytes | None:
            engine.stop.set()
            return CREATED

    make_leads(6)
    with Stopping(CREATED) as server, override_settings(OCTANIST_API_URL=server.api_url):
        with Engine(senders=senders) as engine:
            engine.drain()
        assert len(server.requests) == 1
        assert engine.delivered == 1
        rest = Lead.objects.exclude(status=Status.DELIVERED)
        assert set(rest.values_list("status", "attempts", "uncertain", "lease")) == {(Status.PENDING, 0, False, None)}
        assert rest.due(now=timezone.now()).count() == 5
        # What was given back is there for the next.
        with Engine(senders=senders) as engine:
            engine.drain()
        assert len(server.requests) == 2


def test_once_stopped_nothing_is_claimed(octanist: TestSandbox) -> None:
    make_lead()
    stop = threading.Event()
    stop.set()
    with Engine(senders=2, stop=stop) as engine:
        assert engine.drain() == 0
    assert the_lead().lease is None
    assert octanist.exchanges == ()


@contextmanager
def refusing(statement: str, *, times: int) -> Iterator[None]:
    """Let the database refuse the first ``times`` statements that begin with ``statement``."""

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(statement) and refused.append(sql) is None and len(refused) <= times:
            raise OperationalError("the database is going away")
        return execute(sql, params, many, context)

    refused: list[str] = []
    with connection.execute_wrapper(wrapper):
        yield


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("senders", [0, 4])
def test_a_result_that_the_database_does_not_take_is_written_later(
    octanist: TestSandbox, senders: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "PAUSES", ())
    make_leads(3)
    with Engine(senders=senders) as engine, refusing("INSERT", times=2):
        for _ in range(2):
            with pytest.raises(OperationalError):
                engine.drain()
        assert not Lead.objects.filter(status=Status.DELIVERED).exists()
        engine.drain()
    assert set(Lead.objects.values_list("status", "attempts", "lease")) == {(Status.DELIVERED, 1, None)}
    assert len(octanist.leads) == DeliveryAttempt.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_claimed_is_not_sent(
    octanist: TestSandbox, deliver: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "PAUSES", ())
    make_lead()
    with refusing("UPDATE", times=1), pytest.raises(OperationalError):
        deliver()
    assert octanist.exchanges == ()
    assert (the_lead().lease, the_lead().uncertain) == (None, False)
    assert deliver() == 1


def test_an_error_of_our_own_costs_no_thread_and_no_lead(
    octanist: TestSandbox,
    deliver: Callable[..., int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lead = make_lead()
    with monkeypatch.context() as broken:
        broken.setattr(client, "create_lead", lambda *_arguments, **_named: {}["jo@example.com"])
        assert deliver() == 1
    assert f"sending lead {lead.pk} (contact) broke: KeyError" in caplog.text
    assert "jo@example.com" not in caplog.text
    assert (the_lead().uncertain, the_lead().error) == (True, "KeyError")
    let_time_pass()
    assert deliver() == 1
    assert the_lead().status == Status.DELIVERED


@pytest.mark.parametrize(
    ("name", "value"),
    [("API_URL", "nonsense"), ("MAX_ATTEMPTS", "20"), ("WHEN_UNCERTAIN", "lookup"), ("TIMEOUT", "10")],
)
def test_a_wrong_setting_stops_deliveries_before_they_begin(
    octanist: TestSandbox, deliver: Callable[..., int], name: str, value: Any
) -> None:
    make_lead(uncertain=True)
    with override_settings(**{f"OCTANIST_{name}": value}), pytest.raises(OctanistConfigurationError, match=name):
        deliver()
    assert octanist.exchanges == ()
    assert (the_lead().lease, the_lead().attempts, outcomes()) == (None, 0, [])
    assert deliver() == 1


@pytest.mark.django_db(transaction=True)
def test_it_shows_that_it_lives_while_the_database_is_away(
    octanist: TestSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is ended for want of a heartbeat would lose what came of the requests that it has made."""
    monkeypatch.setattr(transactions, "PAUSES", ())
    make_lead()
    beats: list[int] = []
    with Engine(senders=1, beat=lambda: beats.append(1)) as engine, refusing("INSERT", times=3):
        for _ in range(3):
            before = len(beats)
            with pytest.raises(OperationalError):
                engine.drain()
            assert len(beats) > before
        engine.drain()
    assert the_lead().status == Status.DELIVERED


def test_a_refused_session_whose_second_answer_was_lost(octanist: TestSandbox, deliver: Callable[..., int]) -> None:
    """Octanist has the lead, without the session: it is not linked to it."""
    make_lead(session_id="expired", attribution=ATTRIBUTION)
    octanist.fail_next(status=400)
    octanist.fail_next(status=0, create=True)
    deliver()
    let_time_pass()
    deliver()
    assert outcomes() == [Outcome.SESSION_REFUSED, Outcome.UNCERTAIN, Outcome.FOUND]
    assert (the_lead().session_id, the_lead().linked) == ("", Lead.Linked.REFUSED)
    assert the_lead().sources == {"sessionId": "refused: by Octanist"}


def test_a_lead_that_is_found_keeps_the_session_that_it_was_sent_with(
    octanist: TestSandbox, deliver: Callable[..., int]
) -> None:
    make_lead(session_id=SESSION)
    octanist.fail_next(status=0, create=True)
    deliver()
    let_time_pass()
    deliver()
    assert outcomes() == [Outcome.UNCERTAIN, Outcome.FOUND]
    assert (the_lead().session_id, the_lead().linked) != ("", Lead.Linked.REFUSED)


def test_without_further_threads_the_calling_one_sends(octanist: TestSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("octanist-sender"):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        usual(thread)

    usual = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    make_leads(5)
    with Engine(senders=4) as engine:
        assert engine.drain() == 5
    assert set(Lead.objects.values_list("status", flat=True)) == {Status.DELIVERED}


def test_senders_end_with_the_engine(octanist: TestSandbox) -> None:
    def running() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("octanist-sender")]

    make_leads(20)
    wait_until(lambda: not running(), what="senders of earlier tests end")
    with Engine(senders=3) as engine:
        engine.drain()
        assert sorted(running()) == ["octanist-sender-0", "octanist-sender-1", "octanist-sender-2"]
    wait_until(lambda: not running(), what="the senders end")


def test_few_leads_start_few_senders(octanist: TestSandbox) -> None:
    make_lead()
    with Engine(senders=8) as engine:
        engine.drain()
        assert len(engine._threads) == 1


# The end


@pytest.mark.django_db(transaction=True)
def test_what_waits_for_a_busy_sender_is_given_back_at_once() -> None:
    make_leads(20)
    free: list[int] = []
    with Hanging() as server, override_settings(OCTANIST_API_URL=server.api_url, OCTANIST_TIMEOUT=30.0):
        Lead.objects.update(email="slow@example.com")

        def beat() -> None:
            if len(server.requests) == 2 and not engine.stop.is_set():
                engine.stop.set()
                engine.nudge()
            elif engine.stop.is_set() and not free:
                free.append(Lead.objects.filter(lease=None).count())
                if free == [0]:
                    free.clear()
                else:
                    server.let_go.set()

        with Engine(senders=2, beat=beat) as engine:
            engine.drain()
    assert free == [18]
    assert Lead.objects.filter(status=Status.DELIVERED).count() == 2
    assert Lead.objects.filter(lease=None, uncertain=False, attempts=0).count() == 18


@pytest.mark.django_db(transaction=True)
def test_an_engine_that_is_closed_amid_its_work_begins_nothing_more() -> None:
    """As where a queue ends a task by an exception: nobody would write what came of it."""

    class EndedError(Exception):
        pass

    make_leads(40)

    def beat() -> None:
        if server.requests:
            raise EndedError

    with RawServer(CREATED) as server, override_settings(OCTANIST_API_URL=server.api_url):
        with pytest.raises(EndedError), Engine(senders=2, beat=beat) as engine:
            engine.drain()
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("octanist-sender")]
        for thread in threads:
            thread.join(20)
        assert engine.stop.is_set()
        assert len(server.requests) < 40


# The pipeline


class Hanging(RawServer):
    """Answers the lead ``slow@example.com`` when it is let go, the others at once."""

    def __init__(self) -> None:
        super().__init__(CREATED)
        self.let_go = threading.Event()

    def answer(self, request: bytes) -> bytes | None:
        if b"slow@example.com" in request:
            self.let_go.wait(20)
        return CREATED


@pytest.mark.django_db(transaction=True)
def test_what_becomes_due_beside_a_slow_answer_is_sent_meanwhile() -> None:
    slow = make_lead(email="slow@example.com", next_attempt_at=timezone.now() - timedelta(days=1))
    make_leads(30)
    late: list[Lead] = []

    def beat() -> None:
        count = Lead.objects.filter(status=Status.DELIVERED).count()
        if count == 30 and not late:
            late.append(make_lead(email="late@example.com"))
            engine.nudge()
        if count == 31:
            server.let_go.set()

    with Hanging() as server, override_settings(OCTANIST_API_URL=server.api_url, OCTANIST_BATCH_SIZE=4):
        with Engine(senders=2, beat=beat) as engine:
            assert engine.drain() == 32
        assert server.let_go.is_set()
    slow.refresh_from_db()
    assert slow.status == Status.DELIVERED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_no_more_is_claimed_than_the_senders_and_a_batch_need(octanist: TestSandbox, batch: int) -> None:
    senders, most = 4, [0]
    make_leads(120)

    def beat() -> None:
        most[0] = max(most[0], engine.under_way)

    with override_settings(OCTANIST_BATCH_SIZE=batch), Engine(senders=senders, beat=beat) as engine:
        assert engine.drain() == 120
    # In flight, waiting for a sender, a batch in reserve, one just claimed, and as much that is being written.
    assert most[0] <= 2 * senders + 3 * max(senders, min(batch, 4 * senders))


def test_a_long_queue_of_one_account_does_not_hold_up_the_others(octanist: TestSandbox) -> None:
    class Both(RawServer):
        order: list[str] = []

        def answer(self, request: bytes) -> bytes | None:
            self.order.append("shop" if b"shop@example.com" in request else "default")
            return CREATED

    make_leads(40)
    make_lead(account="shop", email="shop@example.com", next_attempt_at=timezone.now())
    settings = {"OCTANIST_API_KEYS": {"shop": "key"}, "OCTANIST_BATCH_SIZE": 4}
    with Both(CREATED) as server, override_settings(OCTANIST_API_URL=server.api_url, **settings):
        assert drain() == 41
    assert server.order.index("shop") <= 8


def test_counts_by_status(octanist: TestSandbox) -> None:
    make_leads(4)
    octanist.fail_next(status=403)
    octanist.fail_next(status=400)
    octanist.fail_next(status=500)
    with Engine(senders=0) as engine:
        engine.drain()
    assert engine.counts == {"delivered": 1, "rejected": 1, "invalid": 1, "pending": 1}


# Another key


def test_another_key_is_tried_at_once(octanist: TestSandbox) -> None:
    make_leads(3)
    with override_settings(OCTANIST_API_KEY="wrong"):
        drain()
        before = len(octanist.exchanges)
        assert drain() == 0
    assert DeliveryPause.objects.get().reason == Reason.UNAUTHORIZED
    assert seconds_until_due() is not None
    assert drain() == 3
    assert len(octanist.exchanges) == before + 3
    assert not DeliveryPause.objects.exists()


def test_another_key_that_is_wrong_too_is_tried_once(octanist: TestSandbox) -> None:
    make_leads(3)
    with override_settings(OCTANIST_API_KEY="wrong"):
        drain()
    with override_settings(OCTANIST_API_KEY="wrong-too"):
        assert drain() == 1
        assert drain() == 0
    assert DeliveryPause.objects.get().failures == 1
    assert sum(Lead.objects.values_list("attempts", flat=True)) == 0


def test_keys_of_different_processes_do_not_probe_for_ever(octanist: TestSandbox) -> None:
    """While keys are exchanged: each process sees that the other's key is another."""
    make_leads(3)
    for _round in range(5):
        for key in ("wrong", "wrong-too"):
            with override_settings(OCTANIST_API_KEY=key):
                known = dict(REFUSED.get(key, {}))
                pauses._refused.clear()
                pauses._refused.update(known)
                drain()
                REFUSED[key] = dict(pauses._refused)
    assert len(octanist.exchanges) == 2


def test_a_stale_key_does_not_pause_what_a_good_one_delivers_again_and_again(octanist: TestSandbox) -> None:
    make_leads(1)
    with override_settings(OCTANIST_API_KEY="stale"):
        drain()
        # Another process, with the good key, has probed and gone on.
        DeliveryPause.objects.all().delete()
        for _round in range(5):
            drain()
    assert len(octanist.exchanges) == 1
    assert not DeliveryPause.objects.exists()
    assert drain() == 1


REFUSED: dict[str, dict[str, tuple[str, float]]] = {}


def test_another_key_ends_no_outage(octanist: TestSandbox) -> None:
    make_lead()
    probe_at = timezone.now() + timedelta(minutes=5)
    DeliveryPause.objects.create(account="default", reason=Reason.OUTAGE, probe_at=probe_at, key_fingerprint="before")
    assert drain() == 0
    assert octanist.exchanges == ()


def test_the_key_cannot_be_read_from_the_pause(octanist: TestSandbox) -> None:
    make_lead()
    with override_settings(OCTANIST_API_KEY="wrong"):
        drain()
        row = DeliveryPause.objects.get()
        assert row.key_fingerprint == pauses.fingerprint("default")
        assert "wrong" not in f"{vars(row)}"
    with override_settings(OCTANIST_API_KEY="wrong", SECRET_KEY="another"):
        assert row.key_fingerprint != pauses.fingerprint("default")


# When to look again


@pytest.mark.parametrize(
    ("due", "probe", "least", "most"),
    [
        (None, None, None, None),
        (-100, None, -102, -100),
        (40, None, 38, 40),
        (-100, 50, 48, 50),
        (40, 20, 38, 40),
        (-100, -50, -52, -50),
        (None, 50, None, None),
    ],
)
def test_seconds_until_due(due: float | None, probe: float | None, least: float | None, most: float | None) -> None:
    now = timezone.now()
    make_lead(status=Status.DELIVERED, next_attempt_at=None)
    make_lead(account="no key")
    if due is not None:
        make_lead(next_attempt_at=now + timedelta(seconds=due))
    if probe is not None:
        probe_at = now + timedelta(seconds=probe)
        DeliveryPause.objects.create(account="default", reason=Reason.OUTAGE, probe_at=probe_at)
    seconds = seconds_until_due()
    if least is None or most is None:
        assert seconds is None
    else:
        assert seconds is not None
        assert least <= seconds <= most


def test_the_account_that_is_due_first_counts() -> None:
    now = timezone.now()
    make_lead(next_attempt_at=now + timedelta(seconds=500))
    make_lead(account="shop", next_attempt_at=now + timedelta(seconds=100))
    with override_settings(OCTANIST_API_KEYS={"shop": "key"}):
        seconds = seconds_until_due()
    assert seconds is not None
    assert 98 <= seconds <= 100


# What stands in the log

PERSON = {
    "name": "Zebulon Quagmire",
    "email": "zebulon.quagmire@example.com",
    "phone": "+31698765432",
    "note": "my secret disease",
    "custom": {"iban": "NL91ABNA0417164300"},
}
PRIVATE = ["ebulon", "uagmire", "98765432", "secret disease", "NL91", "sk-private"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_personal_data_and_no_key_in_the_log(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3")
    quoting = {"success": False, "error": {"code": "NO", "message": f"refused: {PERSON['email']} {PERSON['note']}"}}
    with octanist_sandbox(OCTANIST_API_KEY="sk-private", OCTANIST_MAX_ATTEMPTS=2) as sandbox:
        sandbox.api_key = "sk-private"
        make_lead(**PERSON, session_id=SESSION)
        make_lead(**PERSON, form="second")
        sandbox.fail_next(**case.answer, times=2)
        sandbox.fail_next(status=case.answer["status"] or 500, times=1, body=json.dumps(quoting))
        for _ in range(3):
            drain()
            let_time_pass()
    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    for record in caplog.records:
        text = f"{record.getMessage()} {record.args!r} {record.exc_text or ''} {record.exc_info!r}"
        assert not [word for word in PRIVATE if word in text], record
    assert not [word for word in PRIVATE if any(word in row.error for row in DeliveryPause.objects.all())]
