"""Why leads wait, in sentences above the list."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ..conf import SETTINGS, Setting, conf
from ..exceptions import OctanistConfigurationError
from ..models import DeliveryPause, Lead
from .shown import moment_shown


def notices() -> list[str]:
    """Sentences on accounts whose leads wait for a reason that a person can mend."""
    wrong = [problem for setting in SETTINGS.values() if (problem := _problem(setting))]
    if wrong:
        return wrong
    accounts = conf.accounts
    keyless = [account for account in accounts if not conf.api_key(account)]
    paused = [
        _(
            "Account %(account)s is paused: %(reason)s. Leads wait; nothing is lost."
            " (Since %(since)s, next try %(probe)s)"
        )
        % {
            "account": row.account,
            "since": moment_shown(row.since),
            "reason": row.get_reason_display(),
            "probe": moment_shown(row.probe_at),
        }
        for row in DeliveryPause.objects.order_by("account")
    ]
    waiting = Lead.objects.waiting().filter(Q(account__in=keyless) | ~Q(account__in=accounts))
    without_key = [
        _("Account %(account)s has no API key: its leads wait. Set OCTANIST_API_KEY or OCTANIST_API_KEYS.")
        % {"account": account}
        for account in waiting.order_by("account").values_list("account", flat=True).distinct()[:10]
    ]
    return [*paused, *without_key]


def _problem(setting: Setting[Any]) -> str:
    try:
        setting.read()
    except OctanistConfigurationError as error:
        return str(error)
    return ""
