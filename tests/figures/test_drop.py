"""Whether a form has lost its pixel."""

from __future__ import annotations

from itertools import product
from math import comb

import pytest

from django_octanist.figures.drop import Recent, Share, chance, recent


@pytest.mark.parametrize(
    ("lately", "before", "lost"),
    [
        ((0, 10), (90, 100), True),
        ((0, 200), (9_000, 10_000), True),
        ((40, 100), (90, 100), True),
        # Not halved, though no accident.
        ((50, 100), (90, 100), False),
        # Halved, and maybe an accident: few lately, few before, or a form that seldom has a session.
        ((1, 10), (3, 10), False),
        ((0, 10), (3, 10), False),
        ((5, 10), (10, 10), False),
        ((0, 10), (2, 10), False),
        ((0, 10), (20, 100), False),
        ((0, 40), (20, 100), True),
        # Better than before, or the same.
        ((10, 10), (5, 100), False),
        ((9, 10), (90, 100), False),
        # Never had one, or is new.
        ((0, 50), (0, 100), False),
        ((0, 50), (0, 0), False),
        ((0, 0), (50, 50), False),
        ((0, 500_000), (500_000, 500_000), True),
    ],
)
def test_a_drop(lately: tuple[int, int], before: tuple[int, int], lost: bool) -> None:
    assert Recent(1, Share(*lately), Share(*before)).is_lost is lost


@pytest.mark.parametrize(
    ("newest", "lately", "mended"),
    [
        ((10, 10), (30, 930), True),
        ((5, 10), (5, 900), True),
        ((4, 10), (4, 900), False),
        # All of lately but the newest.
        ((10, 10), (10, 25), True),
        # Where half of the leads come from a page that lost it, five of ten are an accident.
        ((5, 10), (40, 100), False),
        ((0, 10), (0, 900), False),
        # Too few.
        ((9, 9), (9, 900), False),
        # Some came only after the others were counted.
        ((10, 10), (3, 900), True),
    ],
)
def test_a_mend(newest: tuple[int, int], lately: tuple[int, int], mended: bool) -> None:
    assert Recent(1, Share(*lately), Share(9_000, 10_000)).is_mended(Share(*newest)) is mended


def fisher(lately: Share, before: Share) -> float:
    linked, captured = lately.linked + before.linked, lately.captured + before.captured
    ways = [comb(lately.captured, here) * comb(before.captured, linked - here) for here in range(lately.linked + 1)]
    return sum(ways) / comb(captured, linked)


def test_the_probability() -> None:
    for here, there in product(range(8), range(13)):
        lately, before = Share(here, 7), Share(there, 12)
        assert chance(lately, before) == pytest.approx(fisher(lately, before))


def days(*shares: tuple[int, int]) -> list[Share]:
    return [Share(*share) for share in shares]


REST = [(0, 0)] * 6


def test_lately_is_a_day_where_enough_came() -> None:
    assert recent(days((1, 10), (9, 10), *REST)) == Recent(1, Share(1, 10), Share(9, 10))


def test_lately_is_as_long_as_it_takes() -> None:
    assert recent(days((1, 4), (1, 4), (1, 4), (4, 4), (50, 60))) == Recent(3, Share(3, 12), Share(54, 64))


def test_lately_is_a_week_at_most() -> None:
    assert recent(days(*[(1, 1)] * 6, (4, 4), (9, 9))) == Recent(7, Share(10, 10), Share(9, 9))
    assert recent(days(*[(1, 1)] * 6, (3, 3), (900, 900))) is None


def test_good_days_of_last_week_do_not_hide_a_loss() -> None:
    found = recent(days((0, 5), (0, 5), (5, 5), (5, 5), (5, 5), (5, 5), (5, 5), (100, 110)))
    assert found is not None
    assert found.is_lost
