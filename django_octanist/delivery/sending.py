"""Talking to Octanist about one claimed lead: look up if uncertain, then send. No database here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

from django.utils import timezone

from .. import client
from ..client import Created
from ..conf import conf
from ..exceptions import InvalidLeadError, OctanistError, RejectedError, UncertainError
from ..models import DeliveryAttempt, Lead
from .claims import Claim
from .decisions import Attempt, Outcome, Result, outcome_of

NO_SEARCH_TERM = (
    "An answer was lost, and this lead has no e-mail address, phone or name to look it up by at Octanist."
    " Look there, then send it again or cancel it."
)
OWN_CUSTOM = (
    "An answer was lost, and this lead's custom field is the site's own text, by which it cannot be recognised at"
    " Octanist. Look there, then send it again or cancel it."
)
HELD = "An answer was lost, and OCTANIST_WHEN_UNCERTAIN is 'hold'. Look at Octanist, then send it again or cancel it."


def send(claim: Claim, *, may_begin: Callable[[], bool] = lambda: True) -> Result:
    """Deliver ``claim``'s lead and return what became of it. Never raises for what Octanist or the network does.

    ``may_begin`` is asked before each request: where it says no, and where too little of the lease is left, the lead
    goes back.
    """
    lead, looked_up = claim.lead, False

    def may_go_on() -> bool:
        return claim.lasts(seconds=conf.timeout) and may_begin()

    if not may_go_on():
        return Result()
    if lead.uncertain and conf.when_uncertain != "resend":
        settled = _look_up(claim)
        if settled is not None:
            return settled
        looked_up = True
        if not may_go_on():
            return Result()
    return _create(claim, looked_up=looked_up, may_go_on=may_go_on)


def _look_up(claim: Claim) -> Result | None:
    """Return the result that settles the lead, or ``None`` where Octanist does not have it."""
    lead = claim.lead
    held = _reason_to_hold(lead)
    if held:
        return Result(held=held)
    watch = _Watch(claim, with_session=False)
    # Naive where the site has USE_TZ = False.
    since = (
        lead.created_at
        if timezone.is_aware(lead.created_at)
        else timezone.make_aware(lead.created_at, timezone.get_default_timezone())
    )
    try:
        found = client.find_lead(lead.search_term, submission_id=lead.submission_id, since=since, account=lead.account)
    except (InvalidLeadError, RejectedError) as error:
        # Refusals of a search, not of the lead.
        unclear = UncertainError("the look-up was refused", status=error.status, code=error.code)
        return Result(attempts=(watch.failed(unclear),))
    except OctanistError as error:
        return Result(attempts=(watch.failed(error),), retry_after=error.retry_after)
    if found is None:
        return None
    return Result(attempts=(watch.ended(Outcome.FOUND, request_id=found.request_id),), octanist_id=found.id)


def _reason_to_hold(lead: Lead) -> str:
    if conf.when_uncertain == "hold":
        return HELD
    if isinstance(lead.custom, str) and lead.custom:
        return OWN_CUSTOM
    return "" if lead.search_term else NO_SEARCH_TERM


def _create(claim: Claim, *, looked_up: bool, may_go_on: Callable[[], bool]) -> Result:
    """Create the lead; where a 400 may be about the session, at once again without it."""
    first, error = _try(claim, with_session=bool(claim.lead.session_id))
    if not (first.with_session and first.http_status == 400):
        return _result(first, outcome=error, looked_up=looked_up)
    refused = replace(first, outcome=Outcome.SESSION_REFUSED)
    if not may_go_on():
        return Result()
    second, error = _try(claim, with_session=False)
    return _result(refused, second, outcome=error, looked_up=looked_up)


def _try(claim: Claim, *, with_session: bool) -> tuple[Attempt, Created | OctanistError]:
    lead = claim.lead
    watch = _Watch(claim, with_session=with_session)
    try:
        created = client.create_lead(
            lead.payload(with_session=with_session),
            account=lead.account,
            idempotency_key=str(lead.submission_id),
            until=claim.ends,
        )
    except OctanistError as error:
        return watch.failed(error), error
    return watch.ended(Outcome.DELIVERED, request_id=created.request_id, http_status=201), created


def _result(*attempts: Attempt, outcome: Created | OctanistError, looked_up: bool) -> Result:
    if isinstance(outcome, Created):
        return Result(attempts=attempts, octanist_id=outcome.id, looked_up=looked_up)
    return Result(attempts=attempts, retry_after=outcome.retry_after, looked_up=looked_up)


class _Watch:
    """Times one request and turns its end into an :class:`Attempt`."""

    def __init__(self, claim: Claim, *, with_session: bool) -> None:
        self.with_session = with_session
        self.started_at = claim.now()
        self._start = perf_counter()

    def ended(
        self,
        outcome: DeliveryAttempt.Outcome,
        *,
        request_id: str = "",
        http_status: int | None = None,
        error_code: str = "",
        error: str = "",
    ) -> Attempt:
        return Attempt(
            started_at=self.started_at,
            duration_ms=round((perf_counter() - self._start) * 1000),
            outcome=outcome,
            with_session=self.with_session,
            http_status=http_status,
            error_code=error_code,
            error=error,
            request_id=request_id,
        )

    def failed(self, error: OctanistError) -> Attempt:
        return self.ended(
            outcome_of(error),
            request_id=error.request_id,
            http_status=error.status,
            error_code=error.code,
            error=": ".join(filter(None, [error.reason or error.summary, error.detail])),
        )
