"""Percentiles from counts, beside those of the values themselves."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.figures.histogram import FACTOR, LEAST, MOST, THRESHOLDS, bucket_of, percentile

SHARES = [0.5, 0.95]


def exactly(share: float, values: list[float]) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


def estimated(share: float, values: list[float]) -> float:
    found = percentile(share, Counter(map(bucket_of, values)))
    assert found is not None
    return found


def test_the_thresholds() -> None:
    assert THRESHOLDS[0] == LEAST == 0.05
    assert THRESHOLDS[-2] < MOST <= THRESHOLDS[-1]
    assert len(THRESHOLDS) == 81


def test_a_threshold_begins_its_bucket() -> None:
    assert [bucket_of(value) for value in (0.0, 0.049, 0.05, 0.0624, 0.0626, 1e9)] == [0, 0, 1, 1, 2, 81]


@pytest.mark.parametrize("share", SHARES)
@given(values=st.lists(st.floats(LEAST, MOST), min_size=1, max_size=200))
def test_an_estimate_is_less_than_a_factor_off(share: float, values: list[float]) -> None:
    ratio = estimated(share, values) / exactly(share, values)
    assert 1 / FACTOR < ratio < FACTOR


@pytest.mark.parametrize("share", SHARES)
@given(values=st.lists(st.floats(-5, 2 * LEAST), min_size=1, max_size=50))
def test_below_the_first_threshold(share: float, values: list[float]) -> None:
    """Clocks that disagree make a time below nothing: it counts as nothing."""
    assert abs(estimated(share, values) - max(0.0, exactly(share, values))) < LEAST


def test_above_the_last_threshold() -> None:
    assert estimated(0.5, [10 * MOST]) == THRESHOLDS[-1]


def test_values_that_spread_are_estimated_within_a_few_per_cent() -> None:
    values = [0.5 + index / 1000 for index in range(10_000)]
    for share in SHARES:
        assert estimated(share, values) == pytest.approx(exactly(share, values), rel=0.03)


def test_of_nothing() -> None:
    assert percentile(0.5, {}) is None
    assert percentile(0.5, Counter({3: 0})) is None


def test_of_one_value_every_percentile_is_the_same() -> None:
    assert percentile(0.01, {20: 1}) == percentile(0.99, {20: 1})
