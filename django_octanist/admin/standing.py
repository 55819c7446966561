"""How an account stands: in a word, why, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..conf import conf, key_setting
from ..delivery import pauses
from ..figures import AccountFigures
from ..health import Health, Kind, is_known
from ..models import DeliveryPause
from .amounts import age_shown
from .keys import with_spelling
from .shown import moment_shown


class State(models.TextChoices):
    """From bad to good."""

    PAUSED = "paused", gettext_lazy("Paused")
    KEYLESS = "keyless", gettext_lazy("No key")
    LATE = "late", gettext_lazy("Late")
    DELIVERING = "delivering", gettext_lazy("Delivering")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """``why`` and ``todo`` are sentences, empty where nothing is amiss."""

    state: State
    why: str = ""
    todo: str = ""

    @property
    def severity(self) -> int:
        """The lower, the worse."""
        return list(State).index(self.state)


def standings(health: Health, *, now: datetime) -> dict[str, Standing]:
    """Return how the accounts of ``health`` stand, by their names. No setting may be wrong."""
    overdue = {problem.account for problem in health.problems if problem.kind is Kind.OVERDUE}
    return {
        account.account: _standing(
            account,
            pause=health.pauses.get(account.account),
            is_overdue=account.account in overdue,
            catches_up=account.account in health.catching_up,
            now=now,
        )
        for account in health.figures.accounts
    }


def _standing(
    account: AccountFigures, *, pause: DeliveryPause | None, is_overdue: bool, catches_up: bool, now: datetime
) -> Standing:
    """Without a key nothing is tried, paused or not."""
    if not conf.api_key(account.account):
        return Standing(state=State.KEYLESS, why=_("The account has no API key."), todo=_set_a_key(account.account))
    if pause is not None:
        return Standing(state=State.PAUSED, why=_why_paused(pause, now=now), todo=_todo(pause))
    if is_overdue and account.oldest_pending is not None:
        return Standing(state=State.LATE, why=_why_late(account.oldest_pending, now=now), todo=_todo_late())
    if catches_up and account.oldest_pending is not None:
        why = _("Catching up: the oldest lead has waited for %(age)s.")
        todo = _("The leads that waited are being sent.")
        return Standing(
            state=State.DELIVERING, why=why % {"age": age_shown(account.oldest_pending, now=now)}, todo=todo
        )
    return Standing(state=State.DELIVERING)


def _why_paused(row: DeliveryPause, *, now: datetime) -> str:
    values = {
        "reason": f"{row.get_reason_display()} ({row.error})" if row.error else row.get_reason_display(),
        "since": moment_shown(row.since),
        "age": age_shown(row.since, now=now),
    }
    text = _("Paused since %(since)s (%(age)s): %(reason)s.") % values
    probe = pauses.probe_moment(row, now=now)
    if probe <= now:
        return text + " " + _("The next try comes with the next lead that is due.")
    return text + " " + _("Next try in %(time)s.") % {"time": age_shown(now, now=probe + timedelta(seconds=1))}


def _todo(row: DeliveryPause) -> str:
    if row.reason == DeliveryPause.Reason.UNAUTHORIZED:
        text = _("Set the right key as %(setting)s (in Octanist: Settings → API), restart, and check it here.")
        return _with_comfort(text % {"setting": key_setting(row.account)})
    if row.reason == DeliveryPause.Reason.ENDPOINT:
        text = _("See that OCTANIST_API_URL (%(url)s) is right, and that no proxy answers in Octanist's place.")
        return _with_comfort(text % {"url": conf.api_url})
    return _("Nothing to do: deliveries go on by themselves when Octanist answers. Nothing is lost.")


def _set_a_key(account: str) -> str:
    if is_known(account):
        text = _("Set %(setting)s (in Octanist: Settings → API), and restart.")
    else:
        text = _("No setting knows it: set %(setting)s (in Octanist: Settings → API), and restart.")
    return with_spelling(_with_comfort(text % {"setting": key_setting(account)}), account=account)


def _with_comfort(text: str) -> str:
    return text + " " + _("Leads wait; nothing is lost.")


def _why_late(oldest: datetime, *, now: datetime) -> str:
    text = _("The account is not paused, and yet its oldest lead has waited for %(age)s.")
    return text % {"age": age_shown(oldest, now=now)}


def _todo_late() -> str:
    return _(
        "Look at the waiting leads: either each says when it is tried again and after which error, or nobody delivers"
        " (OCTANIST_DISPATCH is %(dispatch)s: does its worker run?)."
    ) % {"dispatch": f'"{conf.dispatch}"'}
