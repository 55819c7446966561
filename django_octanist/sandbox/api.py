"""The API's three endpoints: create a lead, list leads, check the key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from ..vocabulary import CONTACT, LEAD
from .contract import Refusal, accept, as_text, read_body
from .message import Answer, Request, failure, json_answer, success, timestamp
from .rules import rule_for
from .store import Fault, ReceivedLead, Store

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
LISTED = ("id", *LEAD, "createdAt")
"""The names that ``fields`` of ``GET /leads`` may ask for."""

_CODES = {400: "VALIDATION_ERROR", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 409: "CONFLICT"}


def create_lead(store: Store, request: Request) -> Answer:
    """``POST /leads``. A failure that was asked for comes before everything else."""
    fault = store.next_fault()
    if fault is None:
        return _create(store, request)
    if fault.create:
        _create(store, request)
    return _faulty(fault)


def list_leads(store: Store, request: Request) -> Answer:
    """``GET /leads``: newest first, by ``limit``, ``page``, ``search`` and ``fields``."""
    try:
        _check_key(store, request)
        query = {name: values[-1] for name, values in parse_qs(request.query).items()}
        limit = _number(query, name="limit", default=DEFAULT_LIMIT, most=MAX_LIMIT)
        page = _number(query, name="page", default=1, most=1_000_000)
        wanted = _wanted(query.get("fields", ""))
    except Refusal as refusal:
        return failure(refusal)
    found = _search(store.leads, query.get("search", ""))
    shown = found[(page - 1) * limit : page * limit]
    return success(
        [{name: value for name, value in listed(lead).items() if name in wanted} for lead in shown],
        pagination=_pagination(limit=limit, page=page, total=len(found)),
    )


def check(store: Store, request: Request) -> Answer:
    """``POST /check``: is the key valid?"""
    try:
        _check_key(store, request)
    except Refusal as refusal:
        return failure(refusal)
    return json_answer({"success": True})


def listed(lead: ReceivedLead) -> dict[str, Any]:
    """Return ``lead`` as ``GET /leads`` shows it: ``custom`` always a string, other absent fields ``null``."""
    fields = {name: lead.fields.get(name) for name in LEAD}
    return {"id": lead.id, **fields, "custom": as_text(lead.custom), "createdAt": timestamp(lead.received_at)}


def _create(store: Store, request: Request) -> Answer:
    try:
        _check_key(store, request)
        lead = accept(read_body(request.body))
        _apply_rules(store, email=lead.fields.get("email", ""))
    except Refusal as refusal:
        return failure(refusal)
    received = store.add(lead)
    return success({"id": received.id, "message": "Lead added"}, status=201)


def _check_key(store: Store, request: Request) -> None:
    key = request.headers.get("x-api-key", "")
    if not key:
        raise Refusal("The header X-API-KEY is missing.", status=401, code="UNAUTHORIZED")
    if key != store.api_key:
        raise Refusal("The API key is not that of this sandbox.", status=401, code="UNAUTHORIZED")


def _apply_rules(store: Store, *, email: str) -> None:
    rule = rule_for(email)
    if rule is not None and (not rule.once or store.is_first(email)):
        raise Refusal(rule.message, status=rule.status, code=rule.code)


def _faulty(fault: Fault) -> Answer:
    reason = "Asked for; the lead was created all the same." if fault.create else "Asked for; nothing was created."
    code = _CODES.get(fault.status, "INTERNAL_ERROR")
    answer = Answer(status=fault.status, reason=reason)
    if fault.status >= 400:
        answer = failure(Refusal("A failure that was asked for.", status=fault.status, code=code))
    return Answer(
        status=fault.status,
        body=answer.body if fault.body is None else fault.body,
        headers={**answer.headers, **fault.headers},
        code=answer.code,
        reason=reason,
    )


def _number(query: dict[str, str], *, name: str, default: int, most: int) -> int:
    text = query.get(name, str(default))
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= most:
        raise Refusal(f"{name} must be a number from 1 to {most}.", details={"fields": [name]})
    return number


def _wanted(fields: str) -> Sequence[str]:
    names = [name.strip() for name in fields.split(",") if name.strip()]
    unknown = [name[:80] for name in names if name not in LISTED]
    if unknown:
        raise Refusal(f"fields knows no {', '.join(unknown[:10])}; it knows {', '.join(LISTED)}.")
    return names or LISTED


def _search(leads: Sequence[ReceivedLead], text: str) -> list[ReceivedLead]:
    text = text.lower()
    return [lead for lead in reversed(leads) if any(text in lead.fields.get(name, "").lower() for name in CONTACT)]


def _pagination(*, limit: int, page: int, total: int) -> dict[str, int | bool]:
    pages = -(-total // limit)
    return {"limit": limit, "page": page, "totalPages": pages, "total": total, "hasMore": page < pages}
