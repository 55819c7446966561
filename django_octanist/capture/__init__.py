"""The front door: every way in calls :func:`capture_lead`, so that each rule stands once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import router
from django.db.models import Model
from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict

from .. import alerts
from ..attribution import Visit, current_visit, visit_of
from ..conf import DEFAULT_ACCOUNT, conf
from ..exceptions import OctanistConfigurationError, describe
from ..models import Lead
from ..transactions import savepoints
from .draft import Data, draft
from .lenient import safely
from .storing import complete, store

__all__ = ["Data", "acapture_lead", "capture_lead", "mark", "report_failure"]

logger = logging.getLogger("django_octanist")


def capture_lead(
    data: Data | Callable[[], Data],
    *,
    request: HttpRequest | None = None,
    visit: Visit | None = None,
    form: str = "",
    account: str = DEFAULT_ACCOUNT,
    row: object = None,
) -> Lead | None:
    """Store a lead, to be delivered after the commit. Return it, or ``None`` where nothing was captured.

    ``data`` holds API names (``name``, ``email``, ``phone``, ``note``, ``custom``, also ``sessionId``, attribution
    and consent fields); other names are found by what they are called (``your_email``), and what is left over goes
    into ``custom``, less secrets. It may be a function that returns such a mapping, or a ``QueryDict``. Session,
    attribution and consent come from ``request`` where ``data`` does not have them; without ``request``, from the one
    that is being answered, where the middleware is installed, or from ``visit``, of another framework's request.
    ``form`` is the form's name in the admin, ``account`` the alias of the API key.

    Nothing is captured, and the log says so, where nothing identifies the visitor (no name, email, phone, custom).
    An identical submission of the same visitor within ``OCTANIST_DEDUPE_SECONDS`` returns the lead that exists; so
    does one about a ``row`` of the site's, a model instance, that became a lead when it was saved (see ``registry``):
    that one gets what it lacks, unless it is under way.

    Never raises: the row is written in a savepoint, ``data`` is called in one, and if that fails the caller's own work
    goes on, the error is logged without values, and the operator is alerted.
    """
    values: Data = {}
    try:
        if not safely(lambda: conf.enabled, otherwise=True):
            return None
        already = _lead_of(row)
        values = _given(data)
        if not values:
            return already
        drafted = draft(values, visit=_visit(visit, request), form=form, account=account)
        return store(drafted, request=request) if already is None else complete(already, by=drafted)
    except Exception as error:  # noqa: BLE001 - the site's form must succeed
        report_failure(error, form=form, names=values)
        return None


async def acapture_lead(
    data: Data | Callable[[], Data],
    *,
    request: HttpRequest | None = None,
    visit: Visit | None = None,
    form: str = "",
    account: str = DEFAULT_ACCOUNT,
    row: object = None,
) -> Lead | None:
    """Do as :func:`capture_lead`, from async code; the database is used in a thread.

    Where the visitor goes away meanwhile, which cancels the view, the lead is stored before it ends.
    """
    capturing = sync_to_async(capture_lead)(data, request=request, visit=visit, form=form, account=account, row=row)
    task = asyncio.ensure_future(capturing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def report_failure(error: Exception, *, form: str, names: Data) -> None:
    """Log that a lead of ``form`` could not be captured and alert the operator: cause and field names, no values."""
    cause, fields = describe(error), ", ".join(sorted(str(name)[:100] for name in names)) or "unknown"
    logger.error("Octanist: a lead of the form %r could not be captured: %s. Fields: %s.", form, cause, fields)
    alerts.capture_failed(form=form, cause=cause, fields=fields)


def mark(row: Model, lead: Lead) -> None:
    """Note on ``row`` that it is ``lead``, so that whoever captures the form that saved it makes no second one."""
    setattr(row._state, _MARK, _Mark(row_id=id(row), submission_id=lead.submission_id))


_MARK = "octanist_lead"


@dataclass(frozen=True, kw_only=True)
class _Mark:
    """Only of this object: a copy of the row, or what comes back from a cache or a session, is another submission's."""

    row_id: int
    submission_id: UUID

    def __reduce__(self) -> tuple[Any, ...]:
        return _no_mark, ()


def _no_mark() -> None:
    return None


def _lead_of(row: object) -> Lead | None:
    found: _Mark | None = getattr(getattr(row, "_state", None), _MARK, None)
    if found is None or found.row_id != id(row):
        return None
    with savepoints():
        # None where the transaction that saved both was rolled back since.
        return Lead.objects.using(router.db_for_write(Lead)).filter(submission_id=found.submission_id).first()


def _given(data: Data | Callable[[], Data]) -> dict[str, Any]:
    if not callable(data):
        return _plain(data)
    # The site's own code, whose queries may fail.
    with savepoints():
        return _plain(data())


def _plain(data: Any) -> dict[str, Any]:
    if isinstance(data, MultiValueDict):
        return {name: values[0] if len(values) == 1 else values for name, values in data.lists()}
    if not isinstance(data, Mapping):
        raise OctanistConfigurationError(
            f"capture_lead() takes a mapping, or a function that returns one, not {type(data).__name__}"
        )
    return {name.value if isinstance(name, Enum) else name: value for name, value in data.items()}


def _visit(visit: Visit | None, request: HttpRequest | None) -> Visit | None:
    if visit is not None:
        return visit
    return visit_of(request) if request is not None else current_visit()
