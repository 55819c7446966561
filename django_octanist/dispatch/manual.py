"""``manual``: nobody is nudged. ``octanist_worker``, running or by cron, delivers."""

from __future__ import annotations


def dispatch(account: str) -> None:
    """Do nothing about ``account``."""
