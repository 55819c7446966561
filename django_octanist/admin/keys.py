"""What to do about an account that has no API key."""

from __future__ import annotations

from django.utils.translation import gettext as _

from ..health import is_known


def with_spelling(text: str, *, account: str) -> str:
    """Return ``text`` on an account without a key; where no setting knows the account, a sentence more."""
    if is_known(account):
        return text
    more = _("If the form's octanist_account is misspelt, mend that, too: leads captured so far need this key.")
    return f"{text} {more}"
