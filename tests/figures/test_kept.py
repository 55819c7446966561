"""Figures are computed once a minute, by one, and whatever the cache does they are there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import OperationalError, transaction
from django.test import override_settings
from django.utils.timezone import override as override_zone

from django_octanist import figures
from django_octanist.figures import Figures, kept
from django_octanist.figures.shapes import Day

from . import stored

MINUTE = 60.0
LOCAL = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "figures"}}
DUMMY = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
BROKEN = {"default": {"BACKEND": "tests.figures.test_kept.BrokenCache"}}
TABLE = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "no_such_table"}}
NONE = {"default": {"BACKEND": "no.such.Cache"}}


class BrokenCache(LocMemCache):
    def __init__(self, *_arguments: Any) -> None:
        super().__init__("broken", {})

    def _fail(self, *_arguments: Any, **_named: Any) -> Any:
        raise ConnectionRefusedError("redis://:secret@cache.internal")

    get = set = add = delete = get_many = set_many = _fail


class Taken:
    """Counts how often figures are taken; each time they are others."""

    def __init__(self) -> None:
        self.times = 0
        self.meanwhile: Any = lambda: None

    def __call__(self) -> Figures:
        self.times += 1
        moment = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=self.times)
        self.meanwhile()
        return Figures(taken_at=moment, accounts=(), forms=())


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Taken:
    take = Taken()
    monkeypatch.setattr(kept, "take", take)
    return take


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The cache's clock."""
    now = [1_000_000.0]
    for module in ("locmem", "base"):
        monkeypatch.setattr(f"django.core.cache.backends.{module}.time.time", lambda: now[0])
    return now


@pytest.fixture(autouse=True)
def _local() -> Iterator[None]:
    with override_settings(CACHES=LOCAL):
        cache.clear()
        yield
        cache.clear()


class TestKept:
    def test_once_a_minute(self, take: Taken, time: list[float]) -> None:
        first = figures.read()
        time[0] += MINUTE - 1
        assert figures.read() == first
        time[0] += 2
        second = figures.read()
        assert second != first
        assert figures.read() == second
        assert take.times == 2

    def test_who_comes_while_they_are_computed_gets_the_last_ones(self, take: Taken, time: list[float]) -> None:
        first = figures.read()
        time[0] += 10 * MINUTE
        got: list[Figures] = []

        def somebody_comes() -> None:
            take.meanwhile = lambda: None
            got.append(figures.read())

        take.meanwhile = somebody_comes
        second = figures.read()
        assert got == [first]
        assert take.times == 2
        assert figures.read() == second

    def test_a_process_that_was_killed_at_it_holds_up_nobody_for_long(self, take: Taken, time: list[float]) -> None:
        figures.read()
        time[0] += 10 * MINUTE
        assert cache.add(f"{kept._name()}:turn", 1, kept.COMPUTING_SECONDS)
        figures.read()
        assert take.times == 1
        time[0] += kept.COMPUTING_SECONDS + 1
        figures.read()
        assert take.times == 2

    def test_an_hour_is_too_old(self, take: Taken, time: list[float]) -> None:
        figures.read()
        time[0] += kept.KEPT_SECONDS + 1
        assert cache.add(f"{kept._name()}:turn", 1, kept.COMPUTING_SECONDS)
        figures.read()
        assert take.times == 2

    def test_a_database_that_does_not_answer_is_asked_again(self, take: Taken, time: list[float]) -> None:
        figures.read()
        time[0] += 2 * MINUTE

        def no_answer() -> None:
            raise OperationalError

        take.meanwhile = no_answer
        for _index in range(2):
            with pytest.raises(OperationalError):
                figures.read()
        assert take.times == 3

    def test_fresh_ones(self, take: Taken) -> None:
        figures.read()
        fresh = figures.read(fresh=True)
        assert take.times == 2
        assert figures.read() == fresh
        assert take.times == 2

    def test_days_of_another_time_zone_are_other_days(self, take: Taken) -> None:
        for zone in (timezone.utc, timezone(timedelta(hours=9), "Tokyo")):
            with override_zone(zone):
                figures.read()
                figures.read()
        assert take.times == 2


class TestForgotten:
    def test_they_are_computed_anew(self, take: Taken) -> None:
        figures.read()
        figures.forget()
        figures.read()
        figures.read()
        assert take.times == 2

    def test_in_every_time_zone(self, take: Taken) -> None:
        zones = (timezone.utc, timezone(timedelta(hours=9), "Tokyo"))
        for _index in range(2):
            for zone in zones:
                with override_zone(zone):
                    figures.read()
            figures.forget()
        assert take.times == 4

    def test_what_was_being_computed_is_not_kept(self, take: Taken) -> None:
        take.meanwhile = figures.forget
        figures.read()
        take.meanwhile = lambda: None
        figures.read()
        figures.read()
        assert take.times == 2

    @pytest.mark.django_db(transaction=True)
    def test_also_after_the_commit(self, take: Taken) -> None:
        with transaction.atomic():
            figures.forget()
            # Somebody else, who does not see what is not committed.
            figures.read()
        figures.read()
        assert take.times == 2


class TestWhateverTheCacheDoes:
    @pytest.mark.parametrize("caches", [DUMMY, BROKEN, NONE], ids=["dummy", "broken", "none"])
    def test_it_costs_the_computation_only(
        self, take: Taken, caches: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        with override_settings(CACHES=caches):
            figures.forget()
            assert figures.read() != figures.read()
        assert take.times == 2
        assert "secret" not in caplog.text
        warned = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert bool(warned) is (caches is not DUMMY)

    @pytest.mark.django_db
    @override_settings(CACHES=TABLE)
    def test_a_table_that_was_never_made(self) -> None:
        """Inside a transaction, which PostgreSQL does not let go on after an error."""
        lead = stored(figures.read().taken_at, ago=timedelta(hours=1))
        figures.forget()
        assert figures.read().accounts[0].pending == 1
        lead.refresh_from_db()

    @pytest.mark.parametrize("value", [b"x", ("a", "b"), None, (None, "figures"), 5, {}])
    def test_what_is_no_figures(self, take: Taken, value: Any) -> None:
        figures.read()
        cache.set(kept._name(), value)
        figures.read()
        assert take.times == 2
        figures.read()
        assert take.times == 2

    def test_what_cannot_be_unpickled(self, take: Taken) -> None:
        figures.read()
        backend: Any = cache
        key = backend.make_key(kept._name())
        backend._cache[key] = b"cdjango_octanist.figures.gone\nOld\n."
        for _index in range(3):
            figures.read()
        assert 2 <= take.times <= 3

    def test_another_version_keeps_others(self, take: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
        figures.read()
        monkeypatch.setattr(kept, "_SHAPE", "other fields")
        figures.read()
        assert take.times == 2

    def test_the_version_follows_from_the_fields(self) -> None:
        assert all(name in kept._SHAPE for name in ("taken_at", "lost_pixel", "oldest_pending", "counts", "date"))

    @pytest.mark.django_db
    def test_they_are_the_same_after_the_cache(self) -> None:
        stored(figures.read().taken_at, ago=timedelta(hours=1), took=3.0)
        computed = figures.read(fresh=True)
        again = figures.read()
        assert again == computed
        assert again is not computed
        assert isinstance(again.accounts[0].days[0], Day)
