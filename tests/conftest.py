"""Fixtures for all tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings as hypothesis_settings

from django_octanist import alerts
from django_octanist.delivery import pauses

# A busy machine is no failure.
hypothesis_settings.register_profile("tests", deadline=None)
hypothesis_settings.load_profile("tests")


@pytest.fixture(autouse=True)
def _all_forgotten() -> Iterator[None]:
    """Each test's first alert goes out at once, and no key was refused before."""
    alerts.forget()
    pauses.forget()
    yield
    alerts.forget()
    pauses.forget()


@pytest.fixture
def sent_alerts() -> Callable[[], None]:
    """Wait until the alerts that were begun are sent."""

    def wait() -> None:
        for thread in threading.enumerate():
            if thread.name == "octanist-alert":
                thread.join(10)

    return wait
