"""The front door: every way in calls :func:`capture_lead`, so that each rule stands once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any

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
from .held import release
from .lenient import safely
from .loops import is_in_a_loop, off_the_loop, shielded
from .rows import first_marked, lead_of, mark, mark_of, watch_rows
from .storing import complete, store, store_beside, whole

__all__ = [
    "Data",
    "acapture_lead",
    "capture_lead",
    "capture_row",
    "first_marked",
    "is_in_a_loop",
    "off_the_loop",
    "release",
    "report_failure",
    "shielded",
    "watch_rows",
]

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

    In async code it does its work in a thread and waits, as does everybody else: see :func:`acapture_lead`.
    """
    return _capture(
        data,
        visit=lambda: _visit(visit, request),
        form=form,
        account=account,
        keep=lambda drafted: _keep(drafted, row=row, request=request),
        otherwise=lambda: lead_of(mark_of(row)),
    )


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
    return await shielded(lambda: capture_lead(data, request=request, visit=visit, form=form, account=account, row=row))


def capture_row(row: Model, data: Callable[[], Data], *, visit: Visit | None, form: str, account: str) -> Lead | None:
    """Do as :func:`capture_lead` for a ``row`` that was saved just now, and note on it which lead it is.

    While a request is answered that the middleware sees, the lead is not due: the form that saved the row may know
    more. :func:`release` makes it due.
    """
    answered = current_visit()
    rows = answered.rows if answered is not None else None

    def keep(drafted: Lead) -> Lead | None:
        if mark_of(row) is not None:
            # Its form was captured before it was saved.
            return _keep(drafted, row=row, request=None)
        stored = store(drafted, request=None, held=rows is not None)
        if stored is not None:
            noted = mark(row, stored, drafted=drafted)
            if rows is not None:
                rows.append(noted)
        return stored

    return _capture(
        data, visit=lambda: _visit(visit, None), form=form, account=account, keep=keep, otherwise=lambda: None
    )


def report_failure(error: Exception, *, form: str, names: Data) -> None:
    """Log that a lead of ``form`` could not be captured and alert the operator: cause and field names, no values."""
    cause, fields = describe(error), ", ".join(sorted(str(name)[:100] for name in names)) or "unknown"
    logger.error("Octanist: a lead of the form %r could not be captured: %s. Fields: %s.", form, cause, fields)
    alerts.capture_failed(form=form, cause=cause, fields=fields)


def _capture(
    data: Data | Callable[[], Data],
    *,
    visit: Callable[[], Visit | None],
    form: str,
    account: str,
    keep: Callable[[Lead], Lead | None],
    otherwise: Callable[[], Lead | None],
) -> Lead | None:
    """Draft a lead of ``data`` and ``keep`` it; do ``otherwise`` where there are none. Never raises."""
    values: Data = {}
    try:
        if is_in_a_loop():
            again = partial(_capture, visit=visit, form=form, account=account, keep=keep, otherwise=otherwise)
            return off_the_loop(lambda: again(data))
        if not safely(lambda: conf.enabled, otherwise=True):
            return None
        values = _given(data)
        return keep(draft(values, visit=visit(), form=form, account=account)) if values else otherwise()
    except Exception as error:  # noqa: BLE001 - the site's form must succeed
        report_failure(error, form=form, names=values)
        return None


def _keep(drafted: Lead, *, row: object, request: HttpRequest | None) -> Lead | None:
    """Store ``drafted``, or let the lead that ``row`` is have what it lacks."""
    noted = mark_of(row)
    lead = lead_of(noted)
    if noted is None or lead is None:
        stored = store(drafted, request=request)
        if stored is not None and isinstance(row, Model) and row._state.adding:
            # For whoever saves it now.
            mark(row, stored, drafted=drafted)
        return stored
    if noted.draft is None:
        return complete(lead, by=drafted)
    # An earlier row said the same, as far as rows go. Only with the form it shows whether this is another submission.
    return store_beside(lead, whole(noted.draft, by=drafted), request=request)


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
