from __future__ import annotations

import logging
import os
from ipaddress import ip_address
from typing import Any

import pytest
from django.core.cache import cache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.utils.module_loading import import_string

from django_octanist.proxy import limits

from .caches import SharedCache

BACKENDS = "django.core.cache.backends"


class OwnFiles(FileBasedCache):
    """A site's own."""


class OwnTable(DatabaseCache):
    """A site's own."""


class OwnMemory(LocMemCache):
    """A site's own."""


SMALL = [
    f"{BACKENDS}.locmem.LocMemCache",
    f"{BACKENDS}.db.DatabaseCache",
    f"{BACKENDS}.filebased.FileBasedCache",
    *(f"{__name__}.{kind.__name__}" for kind in (OwnMemory, OwnTable, OwnFiles)),
]


@pytest.fixture(autouse=True)
def _stands_still(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.OCTANIST_EVENTS_PER_MINUTE = 3
    at(monkeypatch, 600)


@pytest.fixture
def shared(settings: Any) -> None:
    """A cache that the site's processes share, as Redis is."""
    settings.CACHES = {"default": {"BACKEND": "tests.proxy.caches.SharedCache"}}
    cache.clear()


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(limits.time, "time", lambda: seconds)


def admitted(*addresses: str) -> list[bool]:
    return [limits.admits(ip_address(address)) for address in addresses]


def test_so_many_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    assert admitted(*["203.0.113.9"] * 5) == [True, True, True, False, False]
    at(monkeypatch, 661)
    assert admitted("203.0.113.9") == [True]


def test_each_address_by_itself() -> None:
    assert all(admitted(*(f"203.0.113.{number}" for number in range(20))))


def test_an_ipv6_household_together() -> None:
    assert admitted("2a00::1", "2a00::2", "2a00::3", "2a00::4", "2a00:0:0:1::1") == [True, True, True, False, True]


def test_without_an_address_too() -> None:
    assert [limits.admits(None) for _time in range(4)] == [True, True, True, False]


@pytest.mark.usefixtures("shared")
def test_so_many_a_minute_in_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    test_so_many_a_minute(monkeypatch)


@pytest.mark.usefixtures("shared")
def test_processes_count_together_in_a_cache_that_they_share() -> None:
    assert admitted(*["203.0.113.9"] * 3) == [True, True, True]
    limits.forget()
    assert admitted("203.0.113.9") == [False]


@pytest.mark.parametrize("kind", ["locmem.LocMemCache", "filebased.FileBasedCache"])
def test_what_the_site_keeps_in_a_small_cache_stays(kind: str, settings: Any, tmp_path: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{BACKENDS}.{kind}", "LOCATION": str(tmp_path)}}
    for number in range(50):
        cache.set(f"session-{number}", "own", timeout=None)
    for number in range(600):
        limits.admits(ip_address(f"10.0.{number // 250}.{number % 250}"))
    assert len(cache.get_many([f"session-{number}" for number in range(50)])) == 50


@pytest.mark.parametrize("backend", SMALL, ids=lambda backend: backend.rpartition(".")[2])
def test_a_process_counts_beside_a_small_cache(
    backend: str, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    for name in ("add", "set", "incr"):
        monkeypatch.setattr(import_string(backend), name, lambda self, key, *_a, **_n: written.append(key))
    # Each test ends with it, and here is no table.
    monkeypatch.setattr(import_string(backend), "clear", lambda self: None)
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    assert admitted(*["203.0.113.9"] * 4) == [True, True, True, False]
    assert not written


def test_what_a_process_counted_is_forgotten_with_the_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    admitted("203.0.113.9", "203.0.113.10")
    at(monkeypatch, 661)
    admitted("203.0.113.11")
    assert len(limits._counts.kept) == 1


def test_the_memory_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_COUNTED", 20)
    assert admitted(*["203.0.113.9"] * 4) == [True, True, True, False]
    assert all(admitted(*(f"10.0.0.{number}" for number in range(100))))
    assert len(limits._counts.kept) == 20
    assert admitted(*["10.0.0.99"] * 3) == [True, True, False]
    assert admitted("203.0.113.9") == [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_holds_no_lock() -> None:
    with limits._counts.lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if limits._counts.lock.acquire(timeout=5) else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.usefixtures("shared")
def test_the_cache_holds_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []
    monkeypatch.setattr(SharedCache, "add", lambda self, key, *_a, **_n: keys.append(key))
    admitted("203.0.113.9")
    assert len(keys) == 1
    assert "203.0.113.9" not in keys[0]


def test_a_cache_that_keeps_nothing_limits_nobody(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert all(admitted(*["203.0.113.9"] * 5))


@pytest.mark.usefixtures("shared")
def test_a_cache_that_is_away_limits_nobody(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def away(*_given: Any, **_named: Any) -> None:
        raise ConnectionError("redis://secret@cache")

    monkeypatch.setattr(SharedCache, "add", away)
    with caplog.at_level(logging.ERROR, logger="django_octanist"):
        assert admitted("203.0.113.9") == [True]
    assert "does not count" in caplog.text
    assert "secret" not in caplog.messages[0]
    assert "203.0.113.9" not in caplog.text
