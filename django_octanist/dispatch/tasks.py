"""``tasks``: a task of Django's own kind delivers, in whatever worker the site runs for its ``TASKS``.

To be imported only where ``OCTANIST_DISPATCH`` says so, and by its worker: ``@task`` reads ``TASKS`` at import, and
Django 5.2 needs the package django-tasks.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.db import router

from .. import clock
from ..exceptions import OctanistConfigurationError
from ..models import Lead
from .turn import take_turn

if TYPE_CHECKING or django.VERSION >= (6, 0):
    from django.tasks import TaskResult, TaskResultStatus, task
else:
    try:
        from django_tasks import TaskResult, TaskResultStatus, task
    except ImportError as error:
        raise OctanistConfigurationError(
            'OCTANIST_DISPATCH = "tasks" needs the package django-tasks on Django 5.2: run pip install'
            ' "django-octanist[tasks]" and add "django_tasks" to INSTALLED_APPS.'
        ) from error


@task
def deliver_leads() -> None:
    """Deliver what is due, of all accounts."""
    take_turn(_come_back)


_latest: TaskResult[Any, Any] | None = None
"""The nudge that this process enqueued last."""


def dispatch(account: str) -> None:  # noqa: ARG001 - the strategies' common form
    """Enqueue a task that looks after all accounts, unless one waits that this process enqueued before."""
    global _latest
    if _latest is None or not _is_waiting(_latest):
        _latest = deliver_leads.enqueue()


def _is_waiting(result: TaskResult[Any, Any]) -> bool:
    """Whether ``result`` is known not to have begun: whatever is committed by now, it will find."""
    if settings.DATABASE_ROUTERS:
        return False  # One may ask a replica, which lags behind: there the task waits, and here it has run.
    try:
        result.refresh()
    except Exception:  # noqa: BLE001 - a backend that keeps no results, or keeps this one no longer
        return False
    return bool(result.status == TaskResultStatus.READY)


def _come_back(seconds: float) -> None:
    if seconds <= 0:
        dispatch("")
    elif deliver_leads.get_backend().supports_defer:
        now = clock.now(using=router.db_for_write(Lead))
        deliver_leads.using(run_after=now + timedelta(seconds=seconds)).enqueue()
