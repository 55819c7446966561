"""What an answer of Octanist's API means: one table from status to exception, and how to read its envelopes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from .. import exchanges
from ..exceptions import (
    AuthenticationError,
    EndpointError,
    InvalidLeadError,
    OctanistError,
    RejectedError,
    TransientError,
    UncertainError,
)
from ..text import clean_line

MAX_RETRY_AFTER = 3600.0
"""Seconds that a ``Retry-After`` may ask for."""
FORBIDDEN = "FORBIDDEN"

ERRORS: dict[int, type[OctanistError]] = {
    400: InvalidLeadError,
    401: AuthenticationError,
    403: RejectedError,
    404: EndpointError,
    405: EndpointError,
    408: TransientError,
    # CONFLICT is documented for the API as a whole, without a meaning for leads: the lead may exist.
    409: UncertainError,
    410: EndpointError,
    413: InvalidLeadError,
    422: InvalidLeadError,
    425: TransientError,
    429: TransientError,
}
"""HTTP status → exception. Further 3xx and 4xx are :class:`EndpointError`, everything else :class:`UncertainError`."""


@dataclass(frozen=True, kw_only=True)
class Answer(exchanges.Answer):
    """An answer of the API."""

    @cached_property
    def envelope(self) -> dict[str, Any]:
        """The JSON object in the body; empty where it is none, or was cut off."""
        try:
            body = json.loads(self.text) if self.whole else None
        except (ValueError, RecursionError):
            body = None
        return body if isinstance(body, dict) else {}

    @property
    def request_id(self) -> str:
        """``meta.requestId``, where it looks like one."""
        meta = self.envelope.get("meta")
        return _token(meta.get("requestId")) if isinstance(meta, dict) else ""


def error_of(answer: Answer) -> OctanistError:
    """Return the exception that :data:`ERRORS` gives for ``answer``, with what the answer says."""
    code, detail = _failure(answer.envelope)
    fallback = EndpointError if 300 <= answer.status < 500 else UncertainError
    kind = ERRORS.get(answer.status, fallback)
    if kind is RejectedError and code != FORBIDDEN:
        # Not the organisation's rules but, say, a firewall in front of the API.
        kind = TransientError
    return kind(
        status=answer.status,
        code=code,
        request_id=answer.request_id,
        detail=detail,
        retry_after=parse_retry_after(answer.headers.get("Retry-After", ""), now=_sent_at(answer)),
    )


def _sent_at(answer: Answer) -> datetime:
    """When the answer was sent by the server's clock, which a date in its ``Retry-After`` follows; else by our own."""
    return _date(answer.headers.get("Date", "")) or datetime.now(timezone.utc)


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _failure(envelope: Mapping[str, Any]) -> tuple[str, str]:
    """Return code and text of a failure, of the documented form or of the older ``{"error": "text"}``."""
    error = envelope.get("error")
    if not isinstance(error, dict):
        return "", clean_line(str(error or ""), max_length=500)
    details = json.dumps(error["details"], ensure_ascii=False) if error.get("details") else ""
    return _token(error.get("code")), clean_line(f"{error.get('message') or ''} {details}", max_length=500)


def _token(value: Any) -> str:
    """Return a code or id if it looks like one: these stand in logs, where a person's data must not."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,100}", value) else ""


def parse_retry_after(value: str, *, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110: seconds or a date), at most an hour.

    Nonsense, negative values and dates in the past give ``None``.
    """
    if re.fullmatch(r"\d{1,9}", value.strip()):
        seconds = float(value)
    else:
        moment = _date(value)
        if moment is None:
            return None
        seconds = (moment - now).total_seconds()
    return min(seconds, MAX_RETRY_AFTER) if seconds > 0 else None
