"""A problem in two sentences: what is wrong, and what to do. In English, as all that commands print."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from ...conf import key_setting
from ...health import Kind, Problem, is_known
from ...models import DeliveryPause
from ..amounts import leads, wait

_Reason = DeliveryPause.Reason


def text(problem: Problem, *, now: datetime) -> str:
    """Return what is wrong, at the moment ``now``."""
    if problem.kind is Kind.SETTING:
        return problem.said
    about = f"Account {problem.account}"
    if problem.kind is Kind.PAUSED and problem.pause:
        return f"{about} is {paused(problem.pause, now=now)}; {leads(problem.leads)} {wait(problem.leads)}."
    if problem.kind is Kind.NO_KEY:
        return f"{about} has no API key; {leads(problem.leads)} {wait(problem.leads)}."
    if problem.kind is Kind.OVERDUE and problem.since:
        return f"{about}: the oldest pending lead has waited for {span((now - problem.since).total_seconds())}."
    if problem.kind is Kind.FAILED:
        return f"{about}: {leads(problem.leads)} failed, or had data that Octanist refused, in the last 24 hours."
    return f"{about}: the form {form_name(problem)!r} has lost its pixel: {_drop(problem)}."


def advice(problem: Problem) -> str:
    """Return what to do about it."""
    if problem.kind is Kind.PAUSED and problem.pause:
        return _OF_A_PAUSE[_Reason(problem.pause.reason)]
    if problem.kind is Kind.NO_KEY:
        mend = f"Put its key into {key_setting(problem.account)} and restart the site. Nothing is lost."
        return mend if is_known(problem.account) else f"{mend} {_MISSPELT}"
    return _ADVICE[problem.kind]


_OF_A_PAUSE = {
    _Reason.UNAUTHORIZED: "Set the right API key, restart the site and run octanist_check. Nothing is lost.",
    _Reason.ENDPOINT: "Set OCTANIST_API_URL right, restart the site and run octanist_check. Nothing is lost.",
    _Reason.OUTAGE: "Nothing, if Octanist is down: deliveries go on by themselves. octanist_check tries at once.",
    _Reason.RATE_LIMITED: "Nothing: deliveries go on by themselves.",
}
_MISSPELT = "If octanist_account of the form is misspelt, mend that, too: leads captured so far need this key."
_ADVICE = {
    Kind.SETTING: "Set it right and restart the site; manage.py check says it too. Nothing that was captured is lost.",
    Kind.OVERDUE: "Is a worker running? octanist_worker --once delivers what is due. The admin has its attempts.",
    Kind.FAILED: "See in the admin why. Correct refused ones there; send failed ones again with octanist_replay.",
    Kind.LOST_PIXEL: "See whether the pixel is on its page still, and whether it was blocked or the form was rebuilt.",
}


def paused(pause: DeliveryPause, *, now: datetime) -> str:
    """Return that an account is paused, since when, why and until when."""
    until = "now" if pause.probe_at <= now else f"in {span((pause.probe_at - now).total_seconds())}"
    return f"paused since {moment(pause.since)} ({_Reason(pause.reason).label}), next try {until}"


def form_name(problem: Problem) -> str:
    """Return the form that the problem is about, or ``""``."""
    return problem.form.form if problem.form else ""


def _drop(problem: Problem) -> str:
    form = problem.form
    if form is None or form.linked_lately is None or form.linked_before is None:
        return "few of its leads are linked"
    lately = "24 hours" if form.lately_days == 1 else f"{form.lately_days} days"
    return f"{form.linked_lately:.0%} of its leads are linked in the last {lately}, {form.linked_before:.0%} before"


def moment(value: datetime) -> str:
    """Return the moment in Django's current time zone, to the minute."""
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return f"{local:%Y-%m-%d %H:%M}"


def span(seconds: float) -> str:
    """Return ``0.8 s``, ``42 s``, ``12 min``, ``3.5 h`` or ``4 days``."""
    for most, size, unit in ((9.95, 1, "s"), (120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < most:
            number = seconds / size
            return f"{number:.1f} {unit}" if most < 10 or unit == "h" else f"{number:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
