"""Which lead a row of the site's is, noted on the row: for whoever captures the form that saved it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import router
from django.db.models import Model

from ..attribution import current_visit
from ..models import Lead
from ..transactions import savepoints


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Only of this object: a copy of the row, or what comes back from a cache or a session, is another submission's.

    ``draft`` is None where the lead is the row's own. Where an earlier row that said the same stands for it, it is the
    unsaved lead that the row would have been.
    """

    row_id: int
    submission_id: UUID
    account: str
    draft: Lead | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _no_mark, ()


def mark(row: Model, lead: Lead, *, drafted: Lead) -> Mark:
    """Note on ``row`` that it is ``lead``, of which it had ``drafted`` its own, and return the note."""
    is_own = lead.submission_id == drafted.submission_id
    noted = Mark(
        row_id=id(row),
        submission_id=lead.submission_id,
        account=lead.account,
        draft=None if is_own else drafted,
    )
    setattr(row._state, _MARK, noted)
    return noted


def mark_of(row: object) -> Mark | None:
    """Return what :func:`mark` noted on this very ``row``; ``row`` may be the note itself."""
    if isinstance(row, Mark):
        return row
    found: Mark | None = getattr(getattr(row, "_state", None), _MARK, None)
    return found if found is not None and found.row_id == id(row) else None


def lead_of(noted: Mark | None) -> Lead | None:
    """Return the lead that was ``noted``; None where the transaction that saved both was rolled back since."""
    if noted is None:
        return None
    with savepoints():
        return Lead.objects.using(router.db_for_write(Lead)).filter(submission_id=noted.submission_id).first()


def first_marked(rows: Iterable[object]) -> object:
    """Return the first of ``rows`` that became a lead when it was saved, or None."""
    return next((row for row in rows if mark_of(row) is not None), None)


def watch_rows() -> Callable[[], Mark | None]:
    """Return what tells, when called, the one row that became a lead since, as ``capture_lead`` takes it.

    None where none did, or several; and outside of a request that the middleware sees.
    """
    visit = current_visit()
    made: list[Any] = [] if visit is None or visit.rows is None else visit.rows
    before = len(made)

    def the_one() -> Mark | None:
        since: list[Mark] = made[before:]
        return since[0] if len(since) == 1 else None

    return the_one


_MARK = "octanist_lead"


def _no_mark() -> None:
    return None
