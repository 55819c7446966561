"""The button that checks an account's key, and lets its deliveries go on where the key is good."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import router, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import client, clock, dispatch, figures
from ..conf import conf
from ..delivery import pauses
from ..exceptions import OctanistConfigurationError, OctanistError
from ..models import DeliveryPause, Lead
from .amounts import number_shown

SECONDS = 5.0
"""An operator waits for the answer, and so does a process of the web server."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of it, in words."""

    good: bool
    text: str


def check(account: str, *, user_id: Any) -> Checked:
    """Ask Octanist whether the key of ``account`` is good; where it is, let deliveries go on.

    Changes nothing where it is not. Must not be called in a transaction: it waits for the network.
    """
    try:
        problem = _problem(account)
    except OctanistConfigurationError as error:
        problem = str(error)
    if problem:
        return Checked(good=False, text=problem)
    database = router.db_for_write(DeliveryPause)
    with transaction.atomic(using=database):
        resumed = _resume(account, user_id=user_id)
        transaction.on_commit(partial(dispatch.nudge, account), using=database, robust=True)
    figures.forget()
    return Checked(good=True, text=_good(account, resumed=resumed))


def _problem(account: str) -> str:
    values = {"account": account}
    if not conf.api_key(account):
        return _("The account %(account)s has no API key: nothing could be checked, and its leads wait.") % values
    values["url"] = conf.api_url
    try:
        if client.check_key(account=account, seconds=min(SECONDS, conf.timeout)):
            return ""
    except OctanistError as error:
        text = _("The key of the account %(account)s could not be checked at %(url)s: %(error)s. Nothing was changed.")
        return text % {**values, "error": error}
    return _("Octanist at %(url)s refuses the key of the account %(account)s. Nothing was changed.") % values


def _resume(account: str, *, user_id: Any) -> bool:
    row = pauses.of(account)
    resumed = pauses.resume(account)
    if resumed and row is not None and user_id:
        message = "Resumed: Octanist accepts the key."
        LogEntry.objects.log_actions(user_id, [row], CHANGE, change_message=message)
    return resumed


def _good(account: str, *, resumed: bool) -> str:
    database = router.db_for_write(Lead)
    due = Lead.objects.using(database).due(now=clock.now(using=database)).filter(account=account).count()
    text = _("Octanist accepts the key of the account %(account)s.") % {"account": account}
    goes_on = _("Its deliveries go on.") if resumed else _("Its deliveries were not paused.")
    out = ngettext("%(number)s lead goes out now.", "%(number)s leads go out now.", due)
    return f"{text} {goes_on} {out % {'number': number_shown(due)}}"
