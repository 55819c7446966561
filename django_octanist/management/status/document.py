"""For programs: JSON. The README lists its keys, which stay."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.utils import timezone

from ...figures import AccountFigures, FormFigures, Span
from ...health import Health, Problem
from ...models import DeliveryPause
from .sentences import advice, form_name, text


def render(health: Health) -> str:
    """Return the document."""
    figures = health.figures
    return _shown(
        healthy=health.is_well,
        taken_at=_moment(figures.taken_at),
        accounts=[_account(one, health=health) for one in figures.accounts],
        forms=[_form(form) for form in figures.forms],
        problems=[_problem(problem, now=figures.taken_at) for problem in health.problems],
    )


def unanswered(error: str) -> str:
    """Return the document that says that the database does not answer."""
    return _shown(healthy=False, error=error)


def _shown(**values: Any) -> str:
    nothing: dict[str, Any] = {
        "healthy": False,
        "error": None,
        "taken_at": None,
        "accounts": [],
        "forms": [],
        "problems": [],
    }
    return json.dumps(nothing | values, indent=2, ensure_ascii=False)


def _account(figures: AccountFigures, *, health: Health) -> dict[str, Any]:
    pause, oldest = health.pauses.get(figures.account), figures.oldest_pending
    return {
        "account": figures.account,
        "state": health.state_of(figures.account).value,
        "pause": _pause(pause) if pause else None,
        "pending": figures.pending,
        "oldest_pending_at": _moment(oldest),
        "oldest_pending_seconds": round((health.figures.taken_at - oldest).total_seconds()) if oldest else None,
        "failed_lately": figures.failed_lately,
        "spans": {name: _span(span) for name, span in figures.spans.items()},
    }


def _pause(pause: DeliveryPause) -> dict[str, Any]:
    return {
        "reason": pause.reason,
        "since": _moment(pause.since),
        "next_try_at": _moment(pause.probe_at),
        "failed_tries": pause.failures,
    }


def _span(span: Span) -> dict[str, Any]:
    return {
        "captured": span.captured,
        **span.counts,
        "success_rate": _rounded(span.success_rate),
        "median_seconds": _rounded(span.median),
        "p95_seconds": _rounded(span.p95),
    }


def _form(form: FormFigures) -> dict[str, Any]:
    return {
        "form": form.form,
        "account": form.account,
        "captured": form.captured,
        "linked": _rounded(form.linked),
        "linked_lately": _rounded(form.linked_lately),
        "linked_before": _rounded(form.linked_before),
        "without_consent": _rounded(form.without_consent),
        "lost_pixel": form.lost_pixel,
        "never_linked": form.never_linked,
    }


def _problem(problem: Problem, *, now: datetime) -> dict[str, Any]:
    return {
        "kind": problem.kind.value,
        "grave": problem.is_grave,
        "account": problem.account,
        "form": form_name(problem),
        "leads": problem.leads,
        "text": text(problem, now=now),
        "advice": advice(problem),
    }


def _moment(value: datetime | None) -> str | None:
    if value is None:
        return None
    aware = value if timezone.is_aware(value) else timezone.make_aware(value)
    return timezone.localtime(aware).isoformat(timespec="seconds")


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
