"""Why leads wait, in sentences above the list."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ..conf import key_setting
from ..health import has_key, wrong_settings
from .accounts import Accounts, read
from .keys import with_spelling
from .shown import moment_shown


def notices(accounts: Accounts | None = None) -> list[str]:
    """Sentences on accounts whose leads wait for a reason that a person can mend."""
    stops = wrong_settings(delivers=True)
    if stops:
        return stops
    known = accounts or read()
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
        for row in known.pauses.values()
    ]
    without_key = [_keyless(account) for account, waiting in known.waiting.items() if waiting and not has_key(account)]
    return [*wrong_settings(), *paused, *without_key[:10]]


def _keyless(account: str) -> str:
    text = _("Account %(account)s has no API key: its leads wait. Set %(setting)s.")
    return with_spelling(text % {"account": account, "setting": key_setting(account)}, account=account)
