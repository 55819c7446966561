"""Values as the pages show them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from django.test import override_settings
from django.utils import translation

from django_octanist.admin.shown import duration_shown, moment_shown, second_shown, until_shown

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.012, "12 ms"),
        (0.0999, "0.1 s"),
        (0.84, "0.8 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (190, "3 min"),
        (3569, "59 min"),
        (3600, "1.0 h"),
        (40_000, "11 h"),
        (172_800, "2 days"),
        (86_400 * 1500, "1500 days"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration_shown(seconds) == words


def test_durations_in_other_languages() -> None:
    with translation.override("de"):
        assert duration_shown(0.84) == "0,8 s"


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (None, "now"),
        (NOW, "now"),
        (NOW - timedelta(days=1), "now"),
        (NOW + timedelta(seconds=20), "in less than a minute"),
        (NOW + timedelta(minutes=4, seconds=20), "in 4\xa0minutes"),
        (NOW + timedelta(hours=5, minutes=50), "in 5\xa0hours"),
    ],
)
def test_until(moment: datetime | None, words: str) -> None:
    assert until_shown(moment, now=NOW) == words


def test_moments_with_and_without_time_zones() -> None:
    with override_settings(TIME_ZONE="Europe/Amsterdam"):
        assert "1 p.m." in moment_shown(NOW)
    with override_settings(USE_TZ=False):
        assert "noon" in moment_shown(NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Nov. 23, 2026, 3:04:05 p.m."),
        ("en-gb", "23 Nov 2026, 3:04:05 p.m."),
        ("nl", "23 november 2026 15:04:05"),
        ("de", "23. November 2026 15:04:05"),
        ("fr", "23 novembre 2026 15:04:05"),
        # Letters that stand for themselves.
        ("pt-br", "23 de Novembro de 2026 às 15:04:05"),
    ],
)
def test_seconds_as_the_language_writes_times(language: str, words: str) -> None:
    with override_settings(TIME_ZONE="UTC"), translation.override(language):
        assert second_shown(NOW.replace(hour=15, minute=4, second=5)) == words


def test_a_format_that_has_seconds_already() -> None:
    with override_settings(TIME_ZONE="UTC"), translation.override("en"):
        assert second_shown(NOW, "H:i:s") == "12:00:00"
