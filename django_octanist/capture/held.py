"""Leads of rows wait until the request is answered that saved them: what only its form knows comes after the row."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import router, transaction

from .. import clock, dispatch
from ..attribution import Visit
from ..exceptions import describe
from ..models import Lead
from ..transactions import retried, savepoints

logger = logging.getLogger("django_octanist")

AT_ONCE = 500
"""Leads in one statement: databases bound the number of its parameters."""


def release(visit: Visit) -> None:
    """Make the leads due that rows became while the request of ``visit`` was answered. Never raises.

    Those that it cannot reach become due by themselves, :data:`~.storing.HELD_SECONDS` after they were stored.
    """
    made, visit.rows = visit.rows, None
    own = [noted for noted in made or () if noted.draft is None]
    if not own:
        return
    database = router.db_for_write(Lead)
    try:
        with savepoints():
            retried(partial(_make_due, own, database=database), using=database, times=1)
        for account in sorted({noted.account for noted in own}):
            transaction.on_commit(partial(dispatch.nudge, account), using=database, robust=True)
    except Exception as error:  # noqa: BLE001 - the request is answered
        logger.error("Octanist: %d leads wait some seconds longer: %s", len(own), describe(error))


def _make_due(own: Sequence[Any], *, database: str) -> None:
    now = clock.now(using=database)
    waiting = Lead.objects.using(database).waiting().filter(lease=None, attempts=0, next_attempt_at__gt=now)
    for start in range(0, len(own), AT_ONCE):
        some = [noted.submission_id for noted in own[start : start + AT_ONCE]]
        waiting.filter(submission_id__in=some).update(next_attempt_at=now)
