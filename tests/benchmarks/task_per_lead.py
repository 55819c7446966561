"""The peer with a task per lead, for any backend of Django's tasks. It carries the payload, and notes nothing."""

from __future__ import annotations

import os
from threading import local

from django.tasks import task

from .bare import Payload, new_session, post


class _Local(local):
    def __init__(self) -> None:
        self.session = new_session()


_local = _Local()


@task
def send_lead(payload: Payload) -> None:
    """Send one lead."""
    post(_local.session, os.environ["OCTANIST_API_URL"], payload)
