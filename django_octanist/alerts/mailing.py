"""The thread that sends: a mail server may be slow, and a visitor waits for the form.

A process that ends waits a little for it, and no longer: a mail server that never answers must not keep it alive.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connections
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from .. import process
from ..clock import elapsed
from ..conf import conf
from ..exceptions import describe
from . import limits
from .groups import Telling, give_back
from .texts import Text

logger = logging.getLogger("django_octanist")

THREAD_NAME = "octanist-alert"
FINISH_SECONDS = 10.0
"""How long the end of a process, or of a turn in somebody's queue, waits for mails that are being sent."""
WAIT_AFTER_ERROR = 600.0
"""Seconds after which a process that could not send a mail looks again for what is to be told."""

Compose = Callable[[], Text]


def post(compose: Compose, *, telling: Telling | None = None) -> None:
    """E-mail what ``compose`` returns to ``OCTANIST_ALERT_EMAILS``, from a thread of its own.

    A mail that cannot be sent is logged, and its ``telling`` given back.
    """
    work = partial(send, compose, to=conf.alert_emails, telling=telling)
    if not apart(work):
        # No more threads, or the interpreter is ending.
        work()


def apart(work: Callable[[], None]) -> bool:
    """Do ``work`` in a thread of its own; return whether one could be started."""
    try:
        threading.Thread(target=_run, args=[work], name=THREAD_NAME, daemon=True).start()
    except RuntimeError:
        return False
    return True


def _run(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connections.close_all()


def send(compose: Compose, *, to: list[str], telling: Telling | None = None) -> None:
    """Do as :func:`post`, at once."""
    try:
        # Not in the language and time zone of whoever's request this happened in.
        with translation.override(settings.LANGUAGE_CODE), timezone.override(None):
            message = _message(compose(), to=to)
        # Through the site's default mailer, whichever way its Django has it configured (EMAIL_BACKEND or MAILERS).
        message.send()
    except Exception as error:  # noqa: BLE001 - whatever a mail backend raises, the log must say it
        logger.error("Octanist: an alert could not be e-mailed: %s", describe(error))
        if telling is not None:
            _give_back(telling)


def _message(text: Text, *, to: list[str]) -> EmailMessage:
    link = _("In the admin: %(link)s") % {"link": text.link} if text.link else ""
    # A header is one line, whatever an account is called.
    subject = " ".join(text.subject.split())
    return EmailMessage(
        subject=f"{settings.EMAIL_SUBJECT_PREFIX}Octanist: {subject}",
        body="\n\n".join(filter(None, [text.body, link])),
        to=to,
        from_email=settings.SERVER_EMAIL,
    )


def _give_back(telling: Telling) -> None:
    limits.put_off("look", seconds=WAIT_AFTER_ERROR)
    if process.is_test_run():
        return
    try:
        give_back(telling)
    except Exception as error:  # noqa: BLE001 - the log has the alert itself
        logger.error("Octanist: an alert is not told again: %s", describe(error))


def finish(seconds: float | None = None) -> None:
    """Wait, at most ``seconds`` (default: :data:`FINISH_SECONDS`), until the mails that are being sent are sent."""
    ends = elapsed() + (FINISH_SECONDS if seconds is None else seconds)
    # Asked for anew each time: what looks for leads that wait starts another thread for its mail.
    while (left := ends - elapsed()) > 0 and (sending := _sending()):
        sending[0].join(left)


def _sending() -> list[threading.Thread]:
    own = threading.current_thread()
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME and thread is not own]


atexit.register(finish)
