from __future__ import annotations

from django_octanist.proxy.breaker import FAILURES, REST_SECONDS, Breaker


def failed(times: int, *, now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _time in range(times):
        breaker = breaker.begun(now=now).failed(now=now)
    return breaker


def test_a_few_failures_change_nothing() -> None:
    assert failed(FAILURES - 1).lets_through(now=0)


def test_it_rests_after_failures_in_a_row() -> None:
    breaker = failed(FAILURES, now=100)
    assert not breaker.lets_through(now=100)
    assert not breaker.lets_through(now=100 + REST_SECONDS - 0.1)
    assert breaker.lets_through(now=100 + REST_SECONDS)


def test_one_success_between_begins_anew() -> None:
    assert failed(FAILURES - 1).succeeded().failed(now=0).lets_through(now=0)


def test_one_probe_at_a_time() -> None:
    probing = failed(FAILURES).begun(now=REST_SECONDS)
    assert not probing.lets_through(now=REST_SECONDS)
    assert probing.failed(now=REST_SECONDS).is_open
    assert probing.succeeded().lets_through(now=REST_SECONDS)


def test_a_probe_that_never_ended_is_followed_by_another() -> None:
    assert failed(FAILURES).begun(now=REST_SECONDS).lets_through(now=2 * REST_SECONDS)
