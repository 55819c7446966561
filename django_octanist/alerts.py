"""E-mails to the site's operators: what they must hear of, without personal data.

Sent from a thread of its own, since a mail server may be slow and a visitor waits for the form. Of each kind the
first is sent at once, then at most one an hour per process; the log has every one.
"""

from __future__ import annotations

import logging
import os
import threading
import time

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connections

from .conf import conf
from .exceptions import describe

logger = logging.getLogger("django_octanist")

INTERVAL = 3600.0
"""Seconds between two e-mails of the same kind."""

_sent_at: dict[str, float] = {}
_lock = threading.Lock()


def alert(subject: str, body: str, *, kind: str) -> None:
    """E-mail ``subject`` and ``body`` to ``OCTANIST_ALERT_EMAILS``, unless one of this ``kind`` went out lately.

    Returns at once and never raises; a mail that cannot be sent is logged. Neither text may hold personal data.
    """
    try:
        recipients = conf.alert_emails
        if recipients and _may_send(kind):
            _hand_over(_message(subject, body, to=recipients))
    except Exception as error:  # noqa: BLE001 - a form or a delivery goes on
        logger.error("Octanist: the operator could not be alerted: %s", describe(error))


def _message(subject: str, body: str, *, to: list[str]) -> EmailMessage:
    return EmailMessage(
        subject=f"{settings.EMAIL_SUBJECT_PREFIX}Octanist: {subject}",
        body=body,
        to=to,
        from_email=settings.SERVER_EMAIL,
    )


def _hand_over(message: EmailMessage) -> None:
    try:
        threading.Thread(target=_send_apart, args=[message], name="octanist-alert").start()
    except RuntimeError:
        # No more threads, or the interpreter is ending.
        _send(message)


def _may_send(kind: str) -> bool:
    now = time.monotonic()
    with _lock:
        if now - _sent_at.get(kind, -INTERVAL) < INTERVAL:
            return False
        _sent_at[kind] = now
    return True


def _send_apart(message: EmailMessage) -> None:
    try:
        _send(message)
    finally:
        # Of a mail backend that keeps its mails in the database.
        connections.close_all()


def _send(message: EmailMessage) -> None:
    try:
        message.send()
    except Exception as error:  # noqa: BLE001 - whatever a mail backend raises, the log must say it
        logger.error("Octanist: an alert could not be e-mailed: %s", describe(error))


def _renew_lock() -> None:
    """After a fork: a thread of the parent's may have held it."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def forget() -> None:
    """Forget what was sent, so that the next alert of every kind goes out at once. For tests."""
    with _lock:
        _sent_at.clear()
