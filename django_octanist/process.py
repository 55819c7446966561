"""What kind of process this is: whether it may start threads of ours.

A test runner's database is no place for them, a management command does its work without them, and in a uWSGI that
was started without threads they do not run.
"""

from __future__ import annotations

import logging
import sys

from django.conf import settings
from django.core import mail
from django.core.signals import request_started

logger = logging.getLogger("django_octanist")

_serves = False
_stalled_told = False


def may_start_threads() -> bool:
    """Whether threads of ours may use the database beside this process's own work."""
    return not is_test_run() and not is_command() and not is_without_threads()


def is_test_run() -> bool:
    """Whether Django's ``setup_test_environment`` was here: it leaves these two."""
    return hasattr(mail, "outbox") and "testserver" in settings.ALLOWED_HOSTS


def is_command() -> bool:
    """Whether this process is ``manage.py`` or ``django-admin``, and none that serves, as its first request says."""
    program = sys.argv[0].replace("\\", "/") if sys.argv else ""
    return not _serves and program.endswith(("manage.py", "/django-admin", "/django/__main__.py"))


def is_without_threads() -> bool:
    """Whether uWSGI runs this process, and lets its threads stand still between requests; the log says so once.

    2.0.26 does, unless ``enable-threads`` or ``threads`` is set; 2.0.30 does not.
    """
    global _stalled_told
    # uWSGI puts this module there itself, and nobody else. What gevent puts in place of threads runs all the same.
    is_green = getattr(sys.modules.get("gevent.monkey"), "is_module_patched", lambda _name: False)("threading")
    stalls = getattr(sys.modules.get("uwsgi"), "has_threads", 1) == 0 and not is_green
    if stalls and not _stalled_told:
        _stalled_told = True
        logger.error(
            "Octanist: uWSGI runs without threads: this app's cannot fetch the pixel's script, deliver leads or send"
            " alerts. Set enable-threads = true in uWSGI's configuration."
        )
    return stalls


def _note_request(**_named: object) -> None:
    global _serves
    _serves = True
    request_started.disconnect(dispatch_uid=__name__)


request_started.connect(_note_request, dispatch_uid=__name__)
