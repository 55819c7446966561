"""``inline``: deliver in the request itself, after the commit. For tests and small scripts: a visitor waits."""

from __future__ import annotations

from .. import delivery

AT_MOST = 10
"""Leads: a visitor must not wait for a backlog."""


def dispatch(account: str) -> None:
    """Deliver what is due of ``account``, at most :data:`AT_MOST` leads."""
    delivery.drain(account, at_most=AT_MOST)
