"""No test here may use the database: what sends never does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
from django.test import override_settings

from django_octanist import transport
from django_octanist.clock import elapsed
from django_octanist.delivery.claims import Claim
from django_octanist.delivery.decisions import Outcome, Result
from django_octanist.delivery.sending import HELD, NO_SEARCH_TERM, OWN_CUSTOM, send
from django_octanist.models import Lead
from django_octanist.test import TestSandbox, octanist, octanist_sandbox

from . import CREATED, SESSION, UNREACHABLE, RawServer, claimed, http, unsaved_lead

__all__ = ["octanist"]


def sent(lead: Lead, *, seconds: float = 60.0) -> Result:
    return send(claimed(lead, seconds=seconds))


def outcomes(result: Result) -> list[Outcome]:
    return [attempt.outcome for attempt in result.attempts]


def methods(sandbox: TestSandbox) -> list[str]:
    return [exchange.method for exchange in sandbox.exchanges]


def at_octanist(sandbox: TestSandbox, lead: Lead) -> str:
    """Let Octanist have ``lead``, as it does when the answer was lost. Return its id there."""
    url, headers = f"{sandbox.api_url}/leads", {"X-API-KEY": sandbox.api_key}
    answer = requests.post(url, json=lead.payload(), headers=headers, timeout=10)
    return str(answer.json()["data"]["id"])


def listed(*leads: dict[str, Any], more: bool = False) -> bytes:
    pagination = {"limit": 100, "page": 1, "totalPages": 1, "total": len(leads), "hasMore": more}
    return http(200, {"success": True, "data": list(leads), "meta": {"pagination": pagination, "requestId": "req_2"}})


# Creating


def test_delivered(octanist: TestSandbox) -> None:
    lead = unsaved_lead(name="Jo", session_id=SESSION)
    result = sent(lead)
    (received,) = octanist.leads
    assert received.fields == lead.payload()
    assert result.octanist_id == received.id
    (attempt,) = result.attempts
    assert (attempt.outcome, attempt.http_status, attempt.with_session) == (Outcome.DELIVERED, 201, True)
    assert attempt.request_id.startswith("req_")
    assert attempt.duration_ms >= 0
    assert abs(attempt.started_at - datetime.now(timezone.utc)) < timedelta(minutes=1)


@pytest.mark.parametrize("moment", ["before the exchange", "while the socket is made ready"])
def test_no_byte_leaves_once_the_lease_has_run_out(
    octanist: TestSandbox, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The process stood still after it had looked at the lease."""
    stood_still: list[float] = []

    def later() -> float:
        return elapsed() + sum(stood_still)

    def standing_still(usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            result = usual(*arguments, **named)
            stood_still.append(60.0)
            return result

        return call

    monkeypatch.setattr(transport, "elapsed", later)
    if moment == "before the exchange":
        monkeypatch.setattr(Lead, "payload", standing_still(Lead.payload))
    else:
        monkeypatch.setattr(transport, "_limit", standing_still(transport._limit))
    assert outcomes(sent(unsaved_lead(), seconds=30.0)) == [Outcome.UNREACHABLE]
    assert octanist.exchanges == ()


def test_the_submission_id_goes_along_as_idempotency_key(octanist: TestSandbox) -> None:
    lead = unsaved_lead()
    sent(lead)
    assert octanist.exchanges[0].headers["idempotency-key"] == str(lead.submission_id)


def test_a_refused_session_is_left_out_and_the_attribution_travels(octanist: TestSandbox) -> None:
    lead = unsaved_lead(session_id="expired", attribution={"gclid": "Cj0", "utm_source": "google"})
    result = sent(lead)
    assert outcomes(result) == [Outcome.SESSION_REFUSED, Outcome.DELIVERED]
    assert [attempt.with_session for attempt in result.attempts] == [True, False]
    assert [attempt.http_status for attempt in result.attempts] == [400, 201]
    bodies = [json.loads(exchange.body) for exchange in octanist.exchanges]
    assert [body.get("sessionId") for body in bodies] == ["expired", None]
    assert "gclid" not in bodies[0]
    (received,) = octanist.leads
    assert received.attribution == {"gclid": "Cj0", "utm_source": "google"}
    assert result.octanist_id == received.id


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        ({"status": 400}, Outcome.INVALID),
        ({"status": 403}, Outcome.REJECTED),
        ({"status": 401}, Outcome.UNAUTHORIZED),
        ({"status": 500}, Outcome.UNCERTAIN),
        ({"status": 0}, Outcome.UNCERTAIN),
    ],
)
def test_after_a_refused_session_the_second_answer_is_classified(
    octanist: TestSandbox, second: dict[str, Any], outcome: Outcome
) -> None:
    octanist.fail_next(status=400)
    octanist.fail_next(**second)
    assert outcomes(sent(unsaved_lead(session_id=SESSION))) == [Outcome.SESSION_REFUSED, outcome]
    assert len(octanist.exchanges) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 413, 422, 429, 500])
def test_only_a_400_may_be_about_the_session(octanist: TestSandbox, status: int) -> None:
    octanist.fail_next(status=status)
    assert len(sent(unsaved_lead(session_id=SESSION)).attempts) == 1


def test_a_400_without_a_session_is_final(octanist: TestSandbox) -> None:
    octanist.fail_next(status=400)
    (attempt,) = sent(unsaved_lead()).attempts
    assert (attempt.outcome, attempt.http_status, attempt.error_code) == (Outcome.INVALID, 400, "VALIDATION_ERROR")
    assert "A failure that was asked for." in attempt.error


def test_a_lead_with_nothing_to_send_makes_no_request(octanist: TestSandbox) -> None:
    (attempt,) = sent(unsaved_lead(email="", custom={}, form="", submission_id="")).attempts
    assert (attempt.outcome, attempt.http_status) == (Outcome.INVALID, None)
    assert octanist.exchanges == ()


def test_never_connected() -> None:
    with override_settings(OCTANIST_API_URL=UNREACHABLE):
        (attempt,) = sent(unsaved_lead()).attempts
    assert (attempt.outcome, attempt.http_status) == (Outcome.UNREACHABLE, None)
    assert attempt.error


@pytest.mark.parametrize(
    "reply",
    [
        None,
        b"",
        b"HTTP/1.1 201 Created\r\nContent-Le",
        CREATED[:-10],
        http(201, b"<html>welcome</html>"),
        http(200, b""),
        http(200, {"success": False}),
        http(200, {"success": True, "data": {}}),
        http(204),
    ],
    ids=[
        "no answer",
        "closed",
        "half a head",
        "half a body",
        "HTML",
        "empty",
        "no success",
        "no id",
        "no content",
    ],
)
def test_sent_and_no_full_answer(reply: bytes | None) -> None:
    with RawServer(reply) as server, override_settings(OCTANIST_API_URL=server.api_url, OCTANIST_TIMEOUT=0.3):
        assert outcomes(sent(unsaved_lead())) == [Outcome.UNCERTAIN]
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(octanist: TestSandbox, status: int) -> None:
    with TestSandbox() as elsewhere:
        octanist.fail_next(status=status, headers={"Location": f"{elsewhere.api_url}/leads"})
        assert outcomes(sent(unsaved_lead())) == [Outcome.ENDPOINT]
        assert elsewhere.exchanges == ()


@pytest.mark.parametrize(("value", "seconds"), [("90", 90.0), ("99999999", 3600.0), ("soon", None), ("-5", None)])
def test_retry_after(octanist: TestSandbox, value: str, seconds: float | None) -> None:
    octanist.fail_next(status=429, headers={"Retry-After": value})
    result = sent(unsaved_lead())
    assert outcomes(result) == [Outcome.RATE_LIMITED]
    assert result.retry_after == seconds


# The lease


def test_nothing_is_sent_when_too_little_of_the_lease_is_left(octanist: TestSandbox) -> None:
    for uncertain in (False, True):
        result = sent(unsaved_lead(uncertain=uncertain), seconds=9.9)
        assert result == Result()
    assert octanist.exchanges == ()


def test_a_look_up_that_used_up_the_lease_is_not_followed_by_a_request() -> None:
    class Slow(RawServer):
        def answer(self, request: bytes) -> bytes | None:
            ends[0] = 0.0
            return super().answer(request)

    class Shortened(Claim):
        def lasts(self, *, seconds: float) -> bool:
            return elapsed() + seconds < ends[0]

    ends = [elapsed() + 60]
    with Slow(listed()) as server, override_settings(OCTANIST_API_URL=server.api_url):
        assert send(Shortened(**vars(claimed(unsaved_lead(uncertain=True))))) == Result()
    assert [request[:4] for request in server.requests] == [b"GET "]


def test_nothing_more_is_begun_once_the_end_has_come() -> None:
    """A look-up may be followed by a request, and that by another without the session: each is asked for."""
    with RawServer(listed()) as server, override_settings(OCTANIST_API_URL=server.api_url):
        answers = iter([True, False])
        assert send(claimed(unsaved_lead(uncertain=True)), may_begin=lambda: next(answers)) == Result()
    assert [request[:4] for request in server.requests] == [b"GET "]
    with RawServer(http(400, {"success": False})) as server, override_settings(OCTANIST_API_URL=server.api_url):
        answers = iter([True, False])
        assert send(claimed(unsaved_lead(session_id=SESSION)), may_begin=lambda: next(answers)) == Result()
    assert len(server.requests) == 1


# Uncertain leads


def test_an_uncertain_lead_that_octanist_has_is_not_sent_again(octanist: TestSandbox) -> None:
    lead = unsaved_lead(uncertain=True)
    created = at_octanist(octanist, lead)
    result = sent(lead)
    assert (outcomes(result), result.octanist_id) == ([Outcome.FOUND], created)
    assert methods(octanist) == ["POST", "GET"]
    assert len(octanist.leads) == 1


def test_an_uncertain_lead_that_octanist_does_not_have_is_sent(octanist: TestSandbox) -> None:
    # The same visitor, another submission.
    at_octanist(octanist, unsaved_lead())
    result = sent(unsaved_lead(uncertain=True))
    assert (outcomes(result), result.looked_up) == ([Outcome.DELIVERED], True)
    assert methods(octanist) == ["POST", "GET", "POST"]
    assert len(octanist.leads) == 2


@pytest.mark.parametrize(
    "contact",
    [
        {"email": "jo@example.com", "phone": "+31612345678", "name": "Jo"},
        {"email": "", "phone": "+31612345678", "name": "Jo"},
        {"email": "", "name": "Jo van Dam"},
        {"email": "", "name": "Zoë Ünal & Söhne"},
    ],
)
def test_looked_up_by_email_else_phone_else_name(octanist: TestSandbox, contact: dict[str, str]) -> None:
    lead = unsaved_lead(uncertain=True, **contact)
    at_octanist(octanist, lead)
    assert outcomes(sent(lead)) == [Outcome.FOUND]


@pytest.mark.parametrize("custom", [{}, {"roof": "flat"}, ["flat", "red"], {"submission_id": "the site's own"}])
def test_found_by_the_submission_id_in_custom(octanist: TestSandbox, custom: Any) -> None:
    lead = unsaved_lead(uncertain=True, custom=custom)
    at_octanist(octanist, lead)
    assert outcomes(sent(lead)) == [Outcome.FOUND]


@pytest.mark.parametrize("aware", [True, False], ids=["USE_TZ", "no USE_TZ"])
def test_looked_up_through_several_pages(octanist: TestSandbox, aware: bool) -> None:
    with override_settings(USE_TZ=aware):
        lead = unsaved_lead(uncertain=True)
        assert (lead.created_at.tzinfo is not None) == aware
        at_octanist(octanist, lead)
        for _ in range(100):
            at_octanist(octanist, unsaved_lead())
        assert outcomes(sent(lead)) == [Outcome.FOUND]
        assert outcomes(sent(unsaved_lead(uncertain=True))) == [Outcome.DELIVERED]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (http(400, {"error": {"code": "INVALID_FILTER"}}), Outcome.UNCERTAIN),
        (http(401), Outcome.UNAUTHORIZED),
        (http(403, {"error": {"code": "FORBIDDEN"}}), Outcome.UNCERTAIN),
        (http(403), Outcome.LATER),
        (http(404), Outcome.ENDPOINT),
        (http(429, Retry_After="7"), Outcome.RATE_LIMITED),
        (http(500), Outcome.UNCERTAIN),
        (http(200, b"<html>"), Outcome.UNCERTAIN),
        (http(200, {"success": True, "data": {}}), Outcome.UNCERTAIN),
        (None, Outcome.UNCERTAIN),
    ],
    ids=["400", "401", "403", "firewall", "404", "429", "500", "HTML", "no list", "no answer"],
)
def test_a_look_up_that_fails_is_not_followed_by_a_request(reply: bytes | None, outcome: Outcome) -> None:
    with RawServer(reply) as server, override_settings(OCTANIST_API_URL=server.api_url, OCTANIST_TIMEOUT=0.5):
        result = sent(unsaved_lead(uncertain=True))
    assert outcomes(result) == [outcome]
    assert result.looked_up is False
    assert result.retry_after == (7.0 if outcome == Outcome.RATE_LIMITED else None)
    assert [request[:4] for request in server.requests] == [b"GET "]


@pytest.mark.parametrize(
    ("lead", "setting", "held"),
    [
        ({}, "hold", HELD),
        ({"custom": "the site's own"}, "hold", HELD),
        ({"custom": "the site's own"}, "look_up", OWN_CUSTOM),
        ({"email": ""}, "look_up", NO_SEARCH_TERM),
    ],
)
def test_held_for_a_person(octanist: TestSandbox, lead: dict[str, Any], setting: str, held: str) -> None:
    with override_settings(OCTANIST_WHEN_UNCERTAIN=setting):
        assert sent(unsaved_lead(uncertain=True, **lead)) == Result(held=held)
        assert octanist.exchanges == ()
        # Without doubt the same lead is sent.
        assert outcomes(sent(unsaved_lead(**lead))) == [Outcome.DELIVERED]


@pytest.mark.parametrize("lead", [{}, {"email": ""}, {"custom": "the site's own"}])
def test_resend_asks_nobody(lead: dict[str, Any]) -> None:
    with octanist_sandbox(OCTANIST_WHEN_UNCERTAIN="resend") as sandbox:
        assert outcomes(sent(unsaved_lead(uncertain=True, **lead))) == [Outcome.DELIVERED]
        assert methods(sandbox) == ["POST"]
