from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.dispatch import Signal

from django_octanist import signals
from django_octanist.exceptions import TransientError
from django_octanist.models import Lead

MARKER = "jo.marker@example.com"
NAMES = ["lead_captured", "lead_delivered", "lead_failed", "delivery_paused", "delivery_resumed"]


@pytest.fixture
def signal() -> Iterator[Signal]:
    """A signal of the app's with no receivers but the test's own."""
    ours = signals.lead_delivered
    before, ours.receivers = ours.receivers, []
    ours.sender_receivers_cache.clear()
    yield ours
    ours.receivers = before
    ours.sender_receivers_cache.clear()


@pytest.mark.parametrize("name", NAMES)
def test_the_signals_that_sites_connect_to(name: str) -> None:
    assert isinstance(getattr(signals, name), Signal)


def test_receivers_get_sender_and_arguments(signal: Signal) -> None:
    got: list[dict[str, Any]] = []

    def receiver(**arguments: Any) -> None:
        got.append(arguments)

    signal.connect(receiver)
    signals.send(signal, sender=Lead, account="shop", reason="outage")
    assert got == [{"signal": signal, "sender": Lead, "account": "shop", "reason": "outage"}]


def test_a_receiver_that_raises_is_logged_and_the_next_one_runs(
    signal: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    def broken(**arguments: Any) -> None:
        raise ValueError(MARKER)

    def sound(**arguments: Any) -> None:
        ran.append("sound")

    signal.connect(broken)
    signal.connect(sound)
    with caplog.at_level(logging.DEBUG):
        signals.send(signal, sender=Lead)
    (record,) = caplog.records
    assert ran == ["sound"]
    assert record.levelno == logging.ERROR
    assert "broken raised ValueError" in record.getMessage()
    assert MARKER not in caplog.text


def test_a_receiver_without_a_name_is_named_by_its_type(signal: Signal, caplog: pytest.LogCaptureFixture) -> None:
    class Notifier:
        def __call__(self, **arguments: Any) -> None:
            raise TransientError(status=503)

    notifier = Notifier()
    signal.connect(notifier)
    signals.send(signal, sender=Lead)
    assert "Notifier raised TransientError" in caplog.text
