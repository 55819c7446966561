"""For people: a few lines for each account, then what to do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from ...figures import AccountFigures, FormFigures
from ...health import Health, State
from ..amounts import leads
from .sentences import advice, moment, paused, span, text

_LABEL = 18
"""Characters."""


def render(health: Health) -> str:
    """Return what ``octanist_status`` prints."""
    blocks = [[_headline(health)], *(list(_account(one, health=health)) for one in health.figures.accounts)]
    blocks += [block for block in (_forms(health), _problems(health)) if block]
    return "\n\n".join("\n".join(block) for block in blocks)


def _headline(health: Health) -> str:
    state = "healthy" if health.is_well else "unhealthy"
    return f"Octanist, {moment(health.figures.taken_at)}: {state}"


def _account(figures: AccountFigures, *, health: Health) -> Iterator[str]:
    day = figures.spans["24h"]
    yield f"{figures.account}: {_state(figures, health=health)}"
    yield _line("pending", _pending(figures, health=health))
    became = ", ".join(f"{number:,} {status}" for status, number in day.counts.items() if number)
    yield _line("in 24 hours", f"{leads(day.captured)}{became and ': '}{became}")
    if day.success_rate is not None:
        yield _line("success rate", f"{day.success_rate:.1%}")
    if day.median is not None and day.p95 is not None:
        yield _line("until delivered", f"median {span(day.median)}, 95 of 100 within {span(day.p95)}")


def _state(figures: AccountFigures, *, health: Health) -> str:
    state = health.state_of(figures.account)
    if state is State.PAUSED:
        return paused(health.pauses[figures.account], now=health.figures.taken_at)
    return _STATES[state]


_STATES = {
    State.NO_KEY: "no API key",
    State.WRONG_SETTING: "a setting is wrong",
    State.CATCHING_UP: "catching up, the leads that waited are being sent",
    State.DELIVERING: "delivering",
}


def _pending(figures: AccountFigures, *, health: Health) -> str:
    if figures.oldest_pending is None:
        return "none"
    age = (health.figures.taken_at - figures.oldest_pending).total_seconds()
    return f"{leads(figures.pending)}, the oldest for {span(max(0.0, age))}"


def _forms(health: Health) -> list[str]:
    found = [_line(form.form or "-", _share(form)) for form in health.figures.forms if form.lost_pixel]
    return ["Forms that lost their pixel:", *found] if found else []


def _share(form: FormFigures) -> str:
    return f"{form.linked_lately:.0%} linked lately, {form.linked_before:.0%} before ({form.account})"


def _problems(health: Health) -> list[str]:
    lines = ["What to do:"] if health.problems else []
    for what, problems in groupby(health.problems, key=advice):
        lines += [*(f"- {text(problem, now=health.figures.taken_at)}" for problem in problems), f"  {what}"]
    return lines


def _line(label: str, value: str) -> str:
    return f"  {label:<{_LABEL}}{value}"
