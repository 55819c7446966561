"""Days as long as the clocks make them, and the stretches between all edges."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from django_octanist.figures.moments import Stretches, day_starts, span_starts

UTC = timezone.utc


def starts(now: datetime, zone: str) -> dict[date, datetime]:
    return day_starts(now, zone=ZoneInfo(zone))


def hours(now: datetime, zone: str) -> dict[date, float]:
    """How long each day but today is."""
    found = starts(now, zone)
    return {day: (end - start) / timedelta(hours=1) for (day, start), (_day, end) in pairwise(found.items())}


def test_the_last_30_days() -> None:
    found = starts(datetime(2026, 3, 15, 12, tzinfo=UTC), "UTC")
    assert list(found) == [date(2026, 2, 14) + timedelta(days=index) for index in range(30)]
    assert found[date(2026, 3, 15)] == datetime(2026, 3, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "today", "began"),
    [
        ("Asia/Tokyo", date(2026, 3, 16), datetime(2026, 3, 15, 15, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 15), datetime(2026, 3, 15, 4, tzinfo=UTC)),
        ("Asia/Kolkata", date(2026, 3, 16), datetime(2026, 3, 15, 18, 30, tzinfo=UTC)),
    ],
)
def test_today_is_that_of_the_zone(zone: str, today: date, began: datetime) -> None:
    assert list(starts(datetime(2026, 3, 15, 20, tzinfo=UTC), zone).items())[-1] == (today, began)


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("Europe/Amsterdam", date(2026, 3, 29), 23),
        ("Europe/Amsterdam", date(2025, 10, 26), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        # There is no midnight: 23:59 is followed by 01:00.
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        # There are two: 00:59 is followed by 00:00.
        ("America/Havana", date(2025, 11, 2), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ],
)
def test_clocks_that_change(zone: str, day: date, length: float) -> None:
    found = hours(datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=10), zone)
    assert found.pop(day) == length
    assert set(found.values()) == {24}


def test_without_time_zones() -> None:
    found = day_starts(datetime(2026, 3, 15, 20, 5), zone=ZoneInfo("Asia/Tokyo"))
    assert list(found.items())[-1] == (date(2026, 3, 15), datetime(2026, 3, 15))


def test_spans() -> None:
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert {name: now - start for name, start in span_starts(now).items()} == {
        "24h": timedelta(hours=24),
        "7d": timedelta(days=7),
        "30d": timedelta(days=30),
    }


def test_stretches() -> None:
    one, two, three = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3))
    stretches = Stretches([three, one, two, one])
    assert list(stretches.edges) == [one, two, three]
    assert list(stretches.within(one)) == [1, 2, 3]
    assert list(stretches.within(two)) == [2, 3]
    assert list(stretches.within(one, two)) == [1]
    assert list(stretches.within(two, two)) == []


def test_an_hour_that_comes_twice_is_two_edges() -> None:
    """At the end of summer 02:30 comes twice: an hour apart, though the clock faces are the same."""
    zone = ZoneInfo("Europe/Amsterdam")
    first, second = datetime(2025, 10, 26, 0, 30, tzinfo=UTC), datetime(2025, 10, 26, 1, 30, tzinfo=UTC)
    days = day_starts(datetime(2025, 10, 26, 12, tzinfo=zone), zone=zone)
    assert first.astimezone(zone).time() == second.astimezone(zone).time()
    assert len(Stretches([first, second, *days.values()]).edges) == 32
