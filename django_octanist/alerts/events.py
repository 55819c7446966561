"""What happens, and is told: at once, or later with its count.

Called beside a form or a delivery, after what they wrote was committed. Never raises, and asks the database nothing
where nobody is to be told.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial

from .. import process
from ..conf import conf
from ..exceptions import describe
from ..models import DeliveryPause, Lead
from . import groups, limits, mailing, texts, turns
from .groups import INTERVAL, PAUSED, RESUMED, Telling
from .guard import never_raises
from .mailing import Compose
from .texts import Text

logger = logging.getLogger("django_octanist")

SECONDS = INTERVAL.total_seconds()


def leads_lost(leads: Sequence[Lead]) -> None:
    """Tell of ``leads``, which were given up or found invalid, or count them until they may be told."""
    alike: dict[tuple[str, str], list[Lead]] = {}
    for lead in leads:
        alike.setdefault((lead.status, lead.account), []).append(lead)
    for some in alike.values():
        _leads_lost(some)


@never_raises
def _leads_lost(leads: list[Lead]) -> None:
    """Do so of leads with the same status and account."""
    if not conf.alert_emails:
        return
    kind, account = leads[0].status, leads[0].account
    count = partial(groups.count, kind, account, len(leads))
    may_tell, telling = _asked(count, name=f"{kind}:{account}")
    if may_tell:
        mailing.post(partial(_of_leads, leads, telling=telling), telling=telling)


def _of_leads(leads: list[Lead], *, telling: Telling | None) -> Text:
    number = telling.number if telling else len(leads)
    if number == 1:
        return texts.lead_lost(leads[0])
    since = telling.before if telling and number > len(leads) else None
    return texts.leads_lost(leads[0].status, leads[0].account, number=number, since=since)


@never_raises
def paused(account: str, reason: DeliveryPause.Reason) -> None:
    """Tell that deliveries of ``account`` wait: the same reason once an hour, unless something else was told since."""
    _tell_turn(f"{PAUSED}{reason}", account, partial(texts.paused, account, reason))


@never_raises
def resumed(account: str, *, if_paused: bool = False) -> None:
    """Tell that deliveries of ``account`` go on: once an hour, unless a pause was told since.

    ``if_paused``: only where that it is paused is what was told last.
    """
    if if_paused and not (conf.alert_emails and groups.is_paused(account)):
        return
    _tell_turn(RESUMED, account, partial(texts.resumed, account))


def _tell_turn(kind: str, account: str, compose: Compose) -> None:
    if not conf.alert_emails:
        return
    may_tell, telling = _asked(partial(turns.take, kind, account), name=f"{kind}:{account}")
    if may_tell:
        mailing.post(compose, telling=telling)


def _asked(question: Callable[[], Telling | None], *, name: str) -> tuple[bool, Telling | None]:
    """Whether this process may tell now, and with what: asked of the database, else of this process's memory."""
    try:
        telling = question()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the database: an alert is still sent
        logger.error("Octanist: what other processes have told is not known: %s", describe(error))
        return limits.comes(name, seconds=SECONDS), None
    return telling is not None, telling


@never_raises
def capture_failed(*, form: str, cause: str, fields: str) -> None:
    """Tell that a submission of ``form`` is no lead, at most once an hour; ``fields`` are names.

    A visitor waits, perhaps in a transaction that is broken: the database is asked in the thread that sends.
    """
    to = conf.alert_emails
    # A form's name may be longer than the column.
    kind = f"capture:{hashlib.sha256(form.encode()).hexdigest()[:24]}"
    if not to or not limits.comes(kind, seconds=SECONDS):
        return
    compose = partial(texts.capture_failed, form=form, cause=cause, fields=fields)
    if process.is_test_run() or not mailing.apart(partial(_tell_apart, kind, compose, to=to)):
        mailing.post(compose)


@never_raises
def _tell_apart(kind: str, compose: Compose, *, to: list[str]) -> None:
    # The database may be why the capture failed; that this process tells only once an hour is known already.
    may_tell, telling = _asked(partial(groups.claim, kind, ""), name=f"{kind}:apart")
    if may_tell:
        mailing.send(compose, to=to, telling=telling)
