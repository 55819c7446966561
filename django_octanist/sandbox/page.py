"""The page that shows what arrived, and the files it is made of.

Rendered by an engine of its own, autoescaped: a site's template settings, directories and context processors
play no part, and a lead full of markup shows as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from django.template import Context, Engine, Template

from .contract import as_text
from .events import described
from .message import JSON_TYPE, Answer, Request, timestamp
from .rules import RULES
from .store import Exchange, ReceivedLead, Store

SHOWN_LEADS = 100
SHOWN_REFUSALS = 20
SHOWN_EVENTS = 20
MEASUREMENT_ID = "OCT-SANDBOX1"

# Nothing but the page's own files loads, and nobody frames its buttons.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}


def inbox(store: Store, request: Request) -> Answer:
    """``GET /``: what arrived, newest first. Answers 304 to the ``ETag`` of what has not changed."""
    etag = f'"{store.version}"'
    if request.headers.get("if-none-match") == etag:
        return Answer(status=304, headers={"ETag": etag})
    context = Context(page_data(store, host=request.host), autoescape=True, use_l10n=False, use_tz=False)
    return Answer(body=_template().render(context).encode(), headers={**_PAGE_HEADERS, "ETag": etag})


def leads(store: Store, _request: Request) -> Answer:
    """``GET /sandbox/leads.json``: every lead with all that is known of it, newest first."""
    data = [_as_json(lead) for lead in reversed(store.leads)]
    return Answer(
        body=json.dumps({"leads": data}, indent=1).encode(),
        headers={"Content-Type": JSON_TYPE, "Cross-Origin-Resource-Policy": "same-origin"},
    )


def file(name: str, *, content_type: str) -> Callable[[Store, Request], Answer]:
    """Return what answers with the file ``name`` of this package."""

    def serve(_store: Store, _request: Request) -> Answer:
        return Answer(body=_read(name).encode(), headers={"Content-Type": f"{content_type}; charset=utf-8"})

    return serve


pixel = file("pixel.js", content_type="application/javascript")
script = file("inbox.js", content_type="application/javascript")
style = file("inbox.css", content_type="text/css")


def page_data(store: Store, *, host: str) -> dict[str, Any]:
    """Return what the page's template shows; ``host`` is the name and port that the browser asked for."""
    received = store.leads
    refused = [exchange for exchange in store.exchanges if exchange.status >= 400 or exchange.status == 0]
    return {
        "version": store.version,
        "host": host,
        "settings": settings_for(f"http://{host}", api_key=store.api_key),
        "total": len(received),
        "shown": SHOWN_LEADS,
        "leads": [_lead(lead) for lead in reversed(received[-SHOWN_LEADS:])],
        "refused": [_refusal(exchange) for exchange in reversed(refused[-SHOWN_REFUSALS:])],
        "event_count": store.event_count,
        "shown_events": SHOWN_EVENTS,
        "events": [{**described(event), "time": _clock(event.at)} for event in reversed(store.events[-SHOWN_EVENTS:])],
        "faults": store.faults,
        "rules": RULES,
    }


def settings_for(url: str, *, api_key: str) -> str:
    """Return the lines of a Django settings module that point a site at the sandbox at ``url``."""
    values = {
        "OCTANIST_API_URL": f"{url}/api",
        "OCTANIST_API_KEY": api_key,
        "OCTANIST_PIXEL_URL": f"{url}/p",
        "OCTANIST_PIXEL_ID": MEASUREMENT_ID,
    }
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())


def _lead(lead: ReceivedLead) -> dict[str, Any]:
    contact = [lead.fields[name] for name in ("name", "email", "phone") if name in lead.fields]
    return {
        "id": lead.id,
        "at": timestamp(lead.received_at),
        "time": _clock(lead.received_at),
        "title": contact[0] if contact else "No name, email or phone",
        "contact": contact[1:],
        "email": lead.fields.get("email", ""),
        "note": lead.fields.get("note", ""),
        "custom": _rows(lead.custom),
        "session_id": lead.session_id,
        "attribution": lead.attribution,
        "ignored": lead.ignored,
        "consent": [(name, granted) for name, granted in lead.consent.items() if name in lead.fields],
        "unsent": [name for name in lead.consent if name not in lead.fields],
    }


def _rows(custom: Any) -> Sequence[tuple[str, str]]:
    if isinstance(custom, dict):
        return [(name, as_text(value)) for name, value in custom.items()]
    if isinstance(custom, list):
        return [(str(number), as_text(value)) for number, value in enumerate(custom, start=1)]
    return [("custom", custom)] if custom else []


def _refusal(exchange: Exchange) -> dict[str, Any]:
    return {
        "at": timestamp(exchange.at),
        "time": _clock(exchange.at),
        "request": f"{exchange.method} {exchange.path}"[:120],
        "status": exchange.status or "no answer",
        "code": exchange.code,
        "reason": exchange.reason,
    }


def _as_json(lead: ReceivedLead) -> dict[str, Any]:
    return {**vars(lead), "received_at": timestamp(lead.received_at)}


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M:%S")


@cache
def _template() -> Template:
    return Engine().from_string(_read("inbox.html"))


@cache
def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
