"""The pixel's events: what a site that serves the pixel itself forwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .contract import Refusal
from .message import JSON_TYPE, Answer, Request, failure, timestamp
from .store import ReceivedEvent, Store

CLIENT = "x-octanist-client-"
"""How the headers begin in which a site says what it saw of the browser."""

_SEEN = {"ip": "IP", "country": "country", "ua": "browser", "referer": "referer", "accept-language": "languages"}
_CUT = 200


def take(store: Store, request: Request) -> Answer:
    """``POST /e``: keep an event, which is a JSON object with a measurement ID (``mid``)."""
    try:
        data = json.loads(request.body, parse_constant=_refuse)
        # What can be read, however deep it is, must also be shown, within other things.
        json.dumps([[[[data]]]])
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not data.get("mid"):
        return failure(Refusal("An event must be a JSON object with mid, the measurement ID."))
    store.note(ReceivedEvent(data=data, headers=dict(request.headers)))
    return Answer(status=204)


def as_json(store: Store, _request: Request) -> Answer:
    """``GET /sandbox/events.json``: how many events arrived, and each that is kept, newest first."""
    events = [{**described(event), "data": event.data, "headers": event.headers} for event in reversed(store.events)]
    return Answer(
        body=json.dumps({"total": store.event_count, "events": events}).encode(),
        headers={"Content-Type": JSON_TYPE, "Cross-Origin-Resource-Policy": "same-origin"},
    )


def described(event: ReceivedEvent) -> dict[str, Any]:
    """Return what tells an event from another, in part where it is long, and ``""`` where the event does not say it.

    ``client`` is what the site that forwarded it saw of the browser, where there was one (``through_site``).
    """
    client = {label: _short(event.headers.get(CLIENT + name)) for name, label in _SEEN.items()}
    return {
        "id": event.id,
        "at": timestamp(event.at),
        "type": _first(event.data, "type", "event", "name"),
        "session_id": _first(event.data, "sid", "octa_sid", "session_id", "sessionId"),
        "url": _first(event.data, "url"),
        "through_site": any(name.startswith(CLIENT) for name in event.headers),
        "client": {label: value for label, value in client.items() if value},
    }


def _first(data: Mapping[str, Any], *names: str) -> str:
    return next((shown for name in names if (shown := _short(data.get(name)))), "")


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, (str, int, float)) else ""
    # Half of a surrogate pair is fine in JSON, and in no page.
    text = text.encode(errors="replace").decode().strip()
    return text if len(text) <= _CUT else f"{text[:_CUT]}…"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON.")
