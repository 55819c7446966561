from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.utils.timezone import is_naive, make_aware

from django_octanist import clock
from django_octanist.clock import Reading

pytestmark = pytest.mark.django_db


def test_the_time_of_the_database() -> None:
    """Database and test run on one machine here, whose clocks are read a moment apart."""
    moment = clock.now(using="default")
    assert moment.tzinfo is not None
    assert abs(moment - datetime.now(timezone.utc)) < timedelta(minutes=1)


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/New_York", "Asia/Kolkata"])
def test_local_time_without_time_zones(zone: str) -> None:
    with override_settings(USE_TZ=False, TIME_ZONE=zone):
        moment = clock.now(using="default")
        assert is_naive(moment)
        assert abs(make_aware(moment) - datetime.now(timezone.utc)) < timedelta(minutes=1)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no clock of its own")
def test_this_machines_clock_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    before = clock.now(using="default")
    monkeypatch.setattr(clock.time, "time", lambda: 0.0)
    assert timedelta() <= clock.now(using="default") - before < timedelta(minutes=1)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no clock of its own")
def test_time_passes_within_a_transaction() -> None:
    assert connection.in_atomic_block
    first = clock.now(using="default")
    while clock.now(using="default") == first:
        pass


def test_a_reading_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any) -> None:
    then = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
    reading = Reading(then, read_at=100.0)
    monkeypatch.setattr(clock, "elapsed", lambda: 160.0)
    with django_assert_num_queries(0):
        assert reading.now() == then + timedelta(seconds=60)


def test_elapsed_time_only_grows() -> None:
    first = clock.elapsed()
    assert clock.elapsed() >= first


def test_elapsed_time_without_a_boot_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_BOOT_CLOCK", None)
    monkeypatch.setattr(clock.time, "monotonic", lambda: 7.0)
    assert clock.elapsed() == 7.0


AMSTERDAM = {"USE_TZ": False, "TIME_ZONE": "Europe/Amsterdam"}
MINUTE = timedelta(minutes=1)


def test_after() -> None:
    moment = datetime(2026, 3, 29, 0, 59, 50, tzinfo=timezone.utc)
    assert clock.after(moment, MINUTE) == moment + MINUTE
    with override_settings(**AMSTERDAM):
        assert clock.after(datetime(2026, 7, 1, 12), MINUTE) == datetime(2026, 7, 1, 12, 1)


@override_settings(**AMSTERDAM)
def test_no_clock_shows_it_before_its_time_where_it_jumps() -> None:
    """In spring from two to three o'clock, in autumn back from three to two."""
    assert clock.after(datetime(2026, 3, 29, 1, 59, 50), MINUTE) == datetime(2026, 3, 29, 3, 0, 50)
    assert clock.after(datetime(2026, 10, 25, 2, 59, 50), MINUTE) == datetime(2026, 10, 25, 3, 0, 50)


@override_settings(**AMSTERDAM)
def test_a_reading_jumps_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "elapsed", lambda: 160.0)
    assert Reading(datetime(2026, 3, 29, 1, 59, 50), read_at=100.0).now() == datetime(2026, 3, 29, 3, 0, 50)
    assert Reading(datetime(2026, 10, 25, 2, 59, 50), read_at=100.0).now() == datetime(2026, 10, 25, 2, 0, 50)
