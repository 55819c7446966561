"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.core import mail
from hypothesis import settings as hypothesis_settings

from django_octanist import alerts, figures, process
from django_octanist.alerts import mailing
from django_octanist.delivery import pauses

# A busy machine is no failure.
hypothesis_settings.register_profile("tests", deadline=None)
hypothesis_settings.load_profile("tests")


@pytest.fixture(autouse=True)
def _all_forgotten() -> Iterator[None]:
    """Each test's first alert goes out at once, no key was refused before, and no figures are kept."""
    for module in (alerts, pauses, figures):
        module.forget()
    yield
    for module in (alerts, pauses, figures):
        module.forget()


@pytest.fixture
def sent_alerts() -> Callable[[], None]:
    """Wait until the alerts that were begun are sent."""
    return partial(alerts.finish, 10)


@pytest.fixture
def no_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that serves."""
    monkeypatch.setattr(process, "is_test_run", lambda: False)
    monkeypatch.setattr(process, "is_command", lambda: False)


@pytest.fixture
def mails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts are sent before the caller goes on, in its own thread and transaction."""

    def at_once(work: Callable[[], None]) -> bool:
        work()
        return True

    monkeypatch.setattr(mailing, "apart", at_once)


@pytest.fixture
def told(settings: Any, no_test_run: None, mails_at_once: None) -> Callable[[], list[str]]:
    """Alerts as in a process that serves, sent at once; return what they are about, the first one first."""
    settings.OCTANIST_ALERT_EMAILS = ["ops@example.com"]
    return lambda: [message.subject.partition("Octanist: ")[2] for message in mail.outbox]
