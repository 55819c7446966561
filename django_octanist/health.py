"""What is wrong with deliveries, by one set of rules: in plain values, of which others make sentences."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from .conf import DEFAULT_ACCOUNT, SETTINGS, conf
from .exceptions import OctanistConfigurationError
from .figures import AccountFigures, Figures, FormFigures
from .figures.progress import catching_up
from .models import DeliveryPause

LONGEST_WAIT = timedelta(hours=1)
"""How old the oldest pending lead of an account may be."""


class Kind(str, Enum):
    """What can be wrong, the most pressing first."""

    SETTING = "setting"
    """A setting is wrong: maybe nothing is delivered before it is right."""
    PAUSED = "paused"
    """Deliveries wait, and not only because Octanist asked to send more slowly: that passes by itself."""
    NO_KEY = "no_key"
    """Leads wait, and their account has no API key."""
    OVERDUE = "overdue"
    """The oldest pending lead is older than :data:`LONGEST_WAIT`, none of the above says why, and its account does not
    catch up."""
    FAILED = "failed"
    """Leads failed, or Octanist refused their data, within 24 hours: a person must look."""
    LOST_PIXEL = "lost_pixel"
    """A form has lost its pixel. Its leads are delivered all the same."""


class State(str, Enum):
    """How deliveries of an account stand, from bad to good."""

    NO_KEY = "no_key"
    PAUSED = "paused"
    WRONG_SETTING = "wrong_setting"
    CATCHING_UP = "catching_up"
    """Leads that have waited for too long are being sent."""
    DELIVERING = "delivering"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    kind: Kind
    account: str = ""
    """Of which account; ``""`` for a setting."""
    leads: int = 0
    """How many it concerns, where they are counted: those that wait, or failed."""
    said: str = ""
    """Of a setting: what is wrong with it, in a sentence."""
    stops: bool = False
    """Of a setting: nothing is delivered while it is wrong."""
    pause: DeliveryPause | None = None
    """Of a paused account."""
    since: datetime | None = None
    """Since when: of the pause, or of the oldest pending lead."""
    form: FormFigures | None = None
    """Which form has lost its pixel."""

    @property
    def is_grave(self) -> bool:
        """Whether deliveries are unhealthy because of it."""
        return self.kind is not Kind.LOST_PIXEL


@dataclass(frozen=True, kw_only=True)
class Health:
    """How deliveries are, at the moment of the figures."""

    figures: Figures
    pauses: Mapping[str, DeliveryPause]
    """By account."""
    keyless: frozenset[str]
    """Accounts of the figures that have no API key."""
    problems: tuple[Problem, ...]
    """The most pressing first."""
    catching_up: frozenset[str] = frozenset()
    """Accounts whose leads have waited for too long, and are being sent."""

    @property
    def is_well(self) -> bool:
        """Whether nothing grave is wrong."""
        return not any(problem.is_grave for problem in self.problems)

    def state_of(self, account: str) -> State:
        """Return how deliveries of ``account`` stand."""
        if account in self.keyless:
            return State.NO_KEY
        if account in self.pauses:
            return State.PAUSED
        if any(problem.stops for problem in self.problems):
            return State.WRONG_SETTING
        return State.CATCHING_UP if account in self.catching_up else State.DELIVERING

    def of(self, accounts: Container[str]) -> Health:
        """Return the part that concerns ``accounts``, and wrong settings, which concern all."""
        figures = replace(
            self.figures,
            accounts=tuple(one for one in self.figures.accounts if one.account in accounts),
            forms=tuple(form for form in self.figures.forms if form.account in accounts),
        )
        problems = [one for one in self.problems if one.kind is Kind.SETTING or one.account in accounts]
        return replace(self, figures=figures, problems=tuple(problems))


def examine(figures: Figures, *, wrong: Iterable[str] = ()) -> Health:
    """Say how deliveries are. One query, for the pauses, and one more where leads have waited for too long.

    Raises ``django.db.Error`` where the database is silent.

    ``wrong``: what is wrong with settings beside their values, in a sentence each; what is said twice counts once.
    """
    pauses = {row.account: row for row in DeliveryPause.objects.order_by("account")}
    keyless = frozenset(one.account for one in figures.accounts if not has_key(one.account))
    said = dict.fromkeys([*wrong_settings(), *wrong])
    found = problems(figures, pauses=pauses, keyless=keyless, wrong=said, stops=wrong_settings(delivers=True))
    overdue = [problem.account for problem in found if problem.kind is Kind.OVERDUE]
    busy = catching_up(overdue, now=figures.taken_at)
    found = [problem for problem in found if problem.kind is not Kind.OVERDUE or problem.account not in busy]
    return Health(figures=figures, pauses=pauses, keyless=keyless, problems=tuple(found), catching_up=busy)


def wrong_settings(*, delivers: bool = False) -> list[str]:
    """Return what is wrong with the values of settings, in a sentence each that names the setting.

    ``delivers``: only of those without which nothing is delivered.
    """
    read = [setting.read for setting in SETTINGS.values() if setting.delivers or not delivers]
    return [said for each in read if (said := _wrong(each))]


def _wrong(read: Callable[[], Any]) -> str:
    try:
        read()
    except OctanistConfigurationError as error:
        return str(error)
    return ""


def has_key(account: str) -> bool:
    """Whether ``account`` has an API key. A wrong setting counts as one: it is a problem of its own."""
    try:
        return bool(conf.api_key(account))
    except OctanistConfigurationError:
        return True


def is_known(account: str) -> bool:
    """Whether ``account`` is one of those that settings name, with a key or without."""
    return account == DEFAULT_ACCOUNT or account in conf.accounts


def problems(
    figures: Figures,
    *,
    pauses: Mapping[str, DeliveryPause],
    keyless: Container[str],
    wrong: Iterable[str],
    stops: Container[str] = (),
) -> list[Problem]:
    """Return what is wrong, the most pressing first. Decides from plain values.

    ``wrong`` are sentences on settings; those in ``stops`` mean that nothing is delivered.
    """
    found = [
        *(Problem(kind=Kind.SETTING, said=said, stops=said in stops) for said in wrong),
        *(
            problem
            for account in figures.accounts
            for problem in _of(account, figures.taken_at, pause=pauses.get(account.account), keyless=keyless)
        ),
        *(Problem(kind=Kind.LOST_PIXEL, account=form.account, form=form) for form in figures.forms if form.lost_pixel),
    ]
    return sorted(found, key=lambda problem: list(Kind).index(problem.kind))


def _of(
    figures: AccountFigures, now: datetime, *, pause: DeliveryPause | None, keyless: Container[str]
) -> Iterator[Problem]:
    account, oldest = figures.account, figures.oldest_pending
    has_key = account not in keyless
    if pause and has_key and pause.reason != DeliveryPause.Reason.RATE_LIMITED:
        yield Problem(kind=Kind.PAUSED, account=account, leads=figures.pending, pause=pause, since=pause.since)
    elif figures.pending and not has_key:
        yield Problem(kind=Kind.NO_KEY, account=account, leads=figures.pending, since=oldest)
    elif oldest and now - oldest > LONGEST_WAIT:
        yield Problem(kind=Kind.OVERDUE, account=account, leads=figures.pending, since=oldest)
    if figures.failed_lately:
        yield Problem(kind=Kind.FAILED, account=account, leads=figures.failed_lately)
