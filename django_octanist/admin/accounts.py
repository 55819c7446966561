"""What the list says of accounts, read once a request: which there are, which have leads waiting, which are paused."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest

from ..health import has_key
from ..models import DeliveryPause
from . import values


class Accounts(NamedTuple):
    """The accounts that leads are for, and those that are paused."""

    waiting: dict[str, bool]
    """Name → whether some of its leads are not finished."""
    pauses: dict[str, DeliveryPause]

    @property
    def keyless(self) -> frozenset[str]:
        """Those without an API key."""
        return frozenset(account for account in self.waiting if not has_key(account))


def read() -> Accounts:
    """Ask the database: two queries."""
    return Accounts(values.accounts(), {row.account: row for row in DeliveryPause.objects.order_by("account")})


def of(request: HttpRequest) -> Accounts:
    """Return what :func:`read` found at the first call for this request."""
    kept: Accounts | None = getattr(request, "_octanist_accounts", None)
    if kept is None:
        kept = request._octanist_accounts = read()  # type: ignore[attr-defined]
    return kept
