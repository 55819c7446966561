from __future__ import annotations

import threading

import pytest

from django_octanist.alerts import limits


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moments = [1000.0]
    monkeypatch.setattr(limits, "elapsed", lambda: moments[0])
    return moments


def test_once_in_so_many_seconds(now: list[float]) -> None:
    came = []
    for moment, name in [(0, "a"), (1, "a"), (2, "b"), (3599, "a"), (3600, "a"), (3601, "a"), (3602, "b")]:
        now[0] = 1000.0 + moment
        if limits.comes(name, seconds=3600):
            came.append((moment, name))
    assert came == [(0, "a"), (2, "b"), (3600, "a"), (3602, "b")]


def test_the_first_time_on_a_machine_that_has_just_started(now: list[float]) -> None:
    now[0] = 0.0
    assert limits.comes("a", seconds=3600)


def test_put_off(now: list[float]) -> None:
    assert limits.comes("a", seconds=60)
    limits.put_off("a", seconds=600)
    now[0] += 599
    assert not limits.comes("a", seconds=60)
    now[0] += 1
    assert limits.comes("a", seconds=60)


def test_one_of_many_threads() -> None:
    came: list[bool] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        came.append(limits.comes("a", seconds=3600))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came) == [False] * 7 + [True]


def test_a_child_looks_for_itself_and_gives_no_alert_again(now: list[float]) -> None:
    for name in ("look", "capture:contact"):
        assert limits.comes(name, seconds=3600)
    with limits._lock:
        limits._begin_anew()
    assert limits.comes("look", seconds=3600)
    assert not limits.comes("capture:contact", seconds=3600)
