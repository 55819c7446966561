"""Which address answers what, and who may ask.

The sandbox listens on a developer's machine, where any website in the browser can send requests to it. So it
answers to loopback names only (a foreign name that resolves to 127.0.0.1 is DNS rebinding), and takes what
changes its state from its own page or from outside a browser.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..conf import is_loopback
from . import api, events, page
from .contract import Refusal
from .message import Answer, Request, failure, json_answer
from .store import Exchange, Fault, Store

View = Callable[[Store, Request], Answer]


def answer(store: Store, request: Request, *, problem: Refusal | None = None) -> Answer:
    """Return the answer to ``request``, which is ``problem`` where the request could not be read.

    Requests to the API and refused ones are recorded; the page's own are not.
    """
    reply = failure(problem, headers={"Connection": "close"}) if problem else _answer(store, request)
    if request.path not in OWN or reply.status >= 400:
        headers = {name: value for name, value in request.headers.items() if name != "x-api-key"}
        store.record(
            Exchange(
                method=request.method,
                path=request.path,
                query=request.query,
                status=reply.status,
                headers=headers,
                body=request.body,
                code=reply.code,
                reason=reply.reason,
            )
        )
    return reply


def _answer(store: Store, request: Request) -> Answer:
    if not _is_local(request.host):
        message = f"The sandbox answers to loopback names such as 127.0.0.1, not to {request.host[:80]!r}."
        return failure(Refusal(message, status=421, code="NOT_FOUND"))
    views = ROUTES.get(request.path)
    if views is None:
        message = f"There is no {request.path[:200]}. There are {', '.join(ROUTES)}."
        return failure(Refusal(message, status=404, code="NOT_FOUND"))
    view = views.get("GET" if request.method == "HEAD" else request.method)
    if view is None:
        allowed = ", ".join(views)
        message = f"{request.path} takes {allowed}, not {request.method[:20]}."
        return failure(Refusal(message, status=405, code="METHOD_NOT_ALLOWED"), headers={"Allow": allowed})
    return view(store, request)


def _is_local(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _is_foreign(request: Request) -> bool:
    """Whether another site's page sent the request. Browsers name the origin of a POST; other clients do not."""
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    return site not in ("none", "same-origin") or origin not in (None, f"http://{request.host}")


def _own(view: View) -> View:
    def guarded(store: Store, request: Request) -> Answer:
        if _is_foreign(request):
            message = "Only the sandbox's own page may do this in a browser."
            return failure(Refusal(message, status=403, code="FORBIDDEN"))
        try:
            return view(store, request)
        except ValueError as error:
            return failure(Refusal(str(error)))

    return guarded


def _fail(store: Store, request: Request) -> Answer:
    data = _read_form(request)
    status, times = str(data.get("status", 500)), str(data.get("times", 1))
    if not (status.isdecimal() and times.isdecimal() and len(status + times) < 12):
        raise ValueError("status and times must be whole numbers.")
    create = str(data.get("create", "")).lower() in ("true", "on", "1")
    store.plan(Fault(status=int(status), times=int(times), create=create))
    return _done(request)


def _clear(store: Store, request: Request) -> Answer:
    store.clear()
    return _done(request)


def _read_form(request: Request) -> dict[str, Any]:
    text = request.body.decode(errors="replace")
    if not request.headers.get("content-type", "").startswith("application/json"):
        return {name: values[-1] for name, values in parse_qs(text).items()}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ValueError("The body must be a form or a JSON object with status and times.")
    return data


def _done(request: Request) -> Answer:
    if "text/html" in request.headers.get("accept", ""):
        return Answer(status=303, headers={"Location": "/"})
    return json_answer({"success": True})


ROUTES: dict[str, dict[str, View]] = {
    "/": {"GET": page.inbox},
    "/p": {"GET": page.pixel},
    "/e": {"POST": events.take},
    "/api/leads": {"GET": api.list_leads, "POST": api.create_lead},
    "/api/check": {"POST": api.check},
    "/sandbox/leads.json": {"GET": page.leads},
    "/sandbox/events.json": {"GET": events.as_json},
    "/sandbox/inbox.css": {"GET": page.style},
    "/sandbox/inbox.js": {"GET": page.script},
    "/sandbox/fail": {"POST": _own(_fail)},
    "/sandbox/clear": {"POST": _own(_clear)},
}

OWN = {path for path in ROUTES if not path.startswith("/api/")}
"""The addresses that are not the API's: those of the sandbox itself, and of the pixel."""
