"""Signals for what happens to leads. Receivers that raise are logged and never disturb a form or a delivery.

Each is sent with ``sender`` the class :class:`~django_octanist.models.Lead` and the arguments listed.
"""

from __future__ import annotations

import logging
from typing import Any

from django.dispatch import Signal

from .exceptions import describe

logger = logging.getLogger("django_octanist")


class _Signal(Signal):
    """A signal of which Django logs no failures: its line holds the message, and needs a receiver with a name."""

    def _log_robust_failure(self, receiver: Any, err: Exception) -> None:
        pass


lead_captured = _Signal()
"""``lead``, ``request`` (or ``None``): a lead was stored, inside the transaction of the site's own work."""

lead_delivered = _Signal()
"""``lead``: Octanist has it; sent after the outcome was committed."""

lead_failed = _Signal()
"""``lead``: given up (``lead.status == "failed"``) or refused by Octanist (``"invalid"``)."""

delivery_paused = _Signal()
"""``account``, ``reason``: deliveries of the account wait (see ``DeliveryPause.Reason``)."""

delivery_resumed = _Signal()
"""``account``: deliveries of the account go on."""


def send(signal: Signal, *, sender: type[Any], **arguments: Any) -> None:
    """Send ``signal``; log receivers that raise, without their message, which may hold a person's data."""
    for receiver, answer in signal.send_robust(sender=sender, **arguments):
        if isinstance(answer, Exception):
            name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
            logger.error("Octanist: the signal receiver %s raised %s.", name, describe(answer))
