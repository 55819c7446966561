"""Octanist's HTTP API: :func:`create_lead`, :func:`find_lead`, :func:`check_key`.

Whatever does not end well is raised as one of the types in :mod:`django_octanist.exceptions`, by one table. What is
decided here, and why:

* Redirects are never followed: the key would travel with them. What else holds for every exchange:
  :mod:`django_octanist.exchanges`.
* One deadline, ``OCTANIST_TIMEOUT``, covers the whole exchange (:mod:`django_octanist.transport`).
* No more than 64 KiB of an answer are read after decoding (4 MiB of a list of leads).
* Nothing of a request or of an answer's text is logged, nor does it stand in an exception's text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from uuid import UUID

from ..clock import elapsed
from ..conf import DEFAULT_ACCOUNT, conf
from ..exceptions import EndpointError, UncertainError
from ..exchanges import MAX_ANSWER, close
from ..text import clean_line
from .answers import ERRORS, Answer, error_of, parse_retry_after
from .calls import call

__all__ = [
    "ERRORS",
    "MAX_ANSWER",
    "Answer",
    "Created",
    "check_key",
    "close",
    "create_lead",
    "error_of",
    "find_lead",
    "parse_retry_after",
]

MAX_LIST = 4 * 1024 * 1024
"""Bytes of a list of leads that are read: it carries what sites put into ``custom``."""
PAGE_SIZE = 100
MAX_PAGES = 20
CLOCK_SKEW = timedelta(hours=1)


class Created(NamedTuple):
    """A lead that Octanist has: its id there, and the request that says so."""

    id: str
    request_id: str


def create_lead(
    payload: Mapping[str, Any],
    *,
    account: str = DEFAULT_ACCOUNT,
    idempotency_key: str = "",
    until: float = math.inf,
) -> Created:
    """Create a lead from ``payload`` (see :func:`django_octanist.payload.build_payload`).

    No byte of it leaves after ``until`` (on the clock of ``clock.elapsed()``), when somebody else may send it.
    Raises the type that :data:`ERRORS` gives for the status; :class:`TransientError` where no connection came
    about; :class:`UncertainError` where the request left and no answer says what became of it.
    """
    answer = call("POST", "/leads", account=account, json=payload, idempotency_key=idempotency_key, until=until)
    data = answer.envelope.get("data")
    lead_id = data.get("id") if isinstance(data, dict) else None
    if not 200 <= answer.status < 300:
        raise error_of(answer)
    if answer.envelope.get("success") is not True or not isinstance(lead_id, (str, int)) or not str(lead_id):
        raise UncertainError("the answer is not the API's", status=answer.status, request_id=answer.request_id)
    return Created(clean_line(str(lead_id), max_length=100), answer.request_id)


def check_key(*, account: str = DEFAULT_ACCOUNT, seconds: float | None = None) -> bool:
    """Return whether Octanist accepts the API key of ``account``, asking for ``seconds`` at most (``None``:
    ``OCTANIST_TIMEOUT``).

    Raises :class:`OctanistError` where the answer does not tell.
    """
    answer = call("POST", "/check", account=account, seconds=seconds)
    if answer.status == 401:
        return False
    if answer.status == 200 and answer.envelope.get("success") is True:
        return True
    if 200 <= answer.status < 300:
        raise EndpointError("the answer is not the API's", status=answer.status)
    raise error_of(answer)


def find_lead(search: str, *, submission_id: UUID, since: datetime, account: str = DEFAULT_ACCOUNT) -> Created | None:
    """Return the lead whose ``custom`` holds ``submission_id``, or ``None`` where Octanist has none.

    ``search`` is an e-mail address, phone or name. Pages are read until their leads are older than ``since``, where
    they come newest first, as they do; the API does not promise it.
    Raises :class:`OctanistError` where the list cannot be read, or does not end within :data:`MAX_PAGES` pages and
    ``OCTANIST_TIMEOUT`` seconds in all.
    """
    ends = elapsed() + conf.timeout
    for page in range(1, MAX_PAGES + 1):
        left = ends - elapsed()
        if left <= 0:
            break
        answer = call("GET", "/leads", account=account, params=_query(search, page=page), cap=MAX_LIST, seconds=left)
        if answer.status != 200:
            raise error_of(answer)
        leads = answer.envelope.get("data")
        if answer.envelope.get("success") is not True or not isinstance(leads, list):
            raise UncertainError("the list of leads cannot be read", status=answer.status)
        rows = [lead for lead in leads if isinstance(lead, dict)]
        for lead in rows:
            if str(submission_id) in json.dumps(lead.get("custom")):
                return Created(clean_line(str(lead.get("id") or ""), max_length=100), answer.request_id)
        if not _has_more(answer.envelope) or _all_older(rows, since=since - CLOCK_SKEW):
            return None
    raise UncertainError("the list of leads is too long to look through")


def _query(search: str, *, page: int) -> dict[str, str]:
    return {"search": search, "limit": str(PAGE_SIZE), "page": str(page), "fields": "id,custom,createdAt"}


def _has_more(envelope: Mapping[str, Any]) -> bool:
    meta = envelope.get("meta")
    pagination = meta.get("pagination") if isinstance(meta, dict) else None
    return isinstance(pagination, dict) and pagination.get("hasMore") is True


def _all_older(leads: list[dict[str, Any]], *, since: datetime) -> bool:
    times = [_time(lead.get("createdAt")) for lead in leads]
    known = [moment for moment in times if moment is not None and moment < since]
    newest_first = known == sorted(known, reverse=True) and len(set(known)) > 1
    return len(known) == len(times) and newest_first


def _time(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
