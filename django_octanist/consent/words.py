"""What a visitor consented to, as far as the server can know.

Each of the API's four consent fields is granted, denied or unknown. Unknown is never granted: it is sent as the
API's default (``false``) and shown as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..vocabulary import CONSENT

GRANTING_WORDS = frozenset({"granted", "true", "yes", "1", "on", "allow"})
"""Words that grant, in any case. Every other word denies; no word at all is unknown."""


@dataclass(frozen=True, kw_only=True)
class Consent:
    """The four consent fields by their API names; ``None`` stands for unknown."""

    ad_storage: bool | None = None
    ad_user_data: bool | None = None
    ad_personalization: bool | None = None
    analytics_storage: bool | None = None

    @property
    def known(self) -> bool:
        """Whether at least one field is granted or denied."""
        return any(getattr(self, name) is not None for name in CONSENT)

    @property
    def allows_attribution(self) -> bool:
        """Whether consent for ad or analytics storage is known to be granted."""
        return bool(self.ad_storage or self.analytics_storage)

    def as_dict(self) -> dict[str, bool | None]:
        """Return the four fields by their API names."""
        return {name: getattr(self, name) for name in CONSENT}


def read_word(value: Any) -> bool | None:
    """Return what a posted ``value`` says: ``True`` granted, ``False`` denied, ``None`` where it says nothing."""
    if value is None or isinstance(value, bool):
        return value
    word = str(value)[:64].strip().lower()
    return word in GRANTING_WORDS if word else None


def read_posted(data: Mapping[str, Any], *, prefix: str = "") -> Consent:
    """Return the consent that was posted with a form: the four fields by their API names.

    With a form's ``prefix`` the prefixed names (``prefix-ad_storage``) are read too.
    """
    found = {name: read_word(data.get(name)) for name in CONSENT}
    if prefix:
        for name in CONSENT:
            found[name] = read_word(data.get(f"{prefix}-{name}")) if found[name] is None else found[name]
    return Consent(**found)


def merge(first: Consent, *others: Consent) -> Consent:
    """Return, for each field, the first known value of the consents in their order."""
    merged = first.as_dict()
    for other in others:
        merged = {name: other.as_dict()[name] if value is None else value for name, value in merged.items()}
    return Consent(**merged)
