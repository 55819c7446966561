"""A number of leads in a sentence."""

from __future__ import annotations

import pytest

from django_octanist.management.amounts import are, leads, wait


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 leads are, wait"),
        (1, "1 lead is, waits"),
        (2, "2 leads are, wait"),
        (3_000, "3,000 leads are, wait"),
    ],
)
def test_numbers(number: int, said: str) -> None:
    assert f"{leads(number)} {are(number)}, {wait(number)}" == said


def test_of_a_kind() -> None:
    assert [leads(number, kind="finished") for number in (1, 2)] == ["1 finished lead", "2 finished leads"]
