"""HTTP messages as plain data, and the two envelopes that the API answers in."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .contract import Refusal
from .store import now

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request: ``headers`` have lower-case names, ``query`` is the raw query string."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def host(self) -> str:
        """The ``Host`` header: name and port."""
        return self.headers.get("host", "")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response. ``status`` 0 closes the connection without one; ``code`` and ``reason`` are those of a failure."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    reason: str = ""


def timestamp(at: datetime) -> str:
    """Return ``at`` as the API writes times: ISO 8601 in UTC with milliseconds and ``Z``."""
    return at.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def json_answer(data: Any, *, status: int = 200) -> Answer:
    """Return ``data`` as a JSON response."""
    return Answer(status=status, body=json.dumps(data).encode(), headers={"Content-Type": JSON_TYPE})


def success(data: Any, *, status: int = 200, **meta: Any) -> Answer:
    """Return the API's success envelope around ``data``, with ``meta`` beside the request id and the time."""
    return json_answer({"success": True, "data": data, "meta": {**meta, **_meta()}}, status=status)


def failure(refusal: Refusal, *, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the API's failure envelope for ``refusal``."""
    error = {"code": refusal.code, "message": refusal.message, "details": refusal.details}
    answer = json_answer({"success": False, "error": error, "meta": _meta()}, status=refusal.status)
    return Answer(
        status=refusal.status,
        body=answer.body,
        headers={**answer.headers, **(headers or {})},
        code=refusal.code,
        reason=refusal.message,
    )


def _meta() -> dict[str, str]:
    return {"requestId": f"req_{secrets.token_hex(6)}", "timestamp": timestamp(now())}
