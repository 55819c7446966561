from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.utils.functional import lazystr
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.text import MAX_DEPTH, MAX_ITEMS, MAX_JSON, clean_json, clean_line, clean_text
from django_octanist.vocabulary import MAX_LENGTH

# Any code point, lone surrogates and NUL among them.
ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=300) | st.text(
    alphabet=st.sampled_from("\ud83d\ude00\udfff\x00\x7f\x85\u2028\ufeff\r\n\t a😀"), max_size=60
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ANY_TEXT, inner, max_size=5),
    max_leaves=30,
)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *strings(item))
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def assert_fit(value: str) -> None:
    value.encode("utf-8")
    assert not [character for character in value if unicodedata.category(character) == "Cc" and character not in "\n\t"]
    assert value == value.strip()


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("", ""),
        ("  Jo \n", "Jo"),
        ("Jo\x00 Do\x1be", "Jo Doe"),
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("a\tb", "a\tb"),
        ("a\x7fb\x85c\x9fd", "abcd"),
        ("Zoë 👩‍🚒 你好", "Zoë 👩‍🚒 你好"),
        ("\ud83d\ude00", "😀"),
        ("a\ud83db", "ab"),
        ("x\ude00y", "xy"),
        ("\ud83d\x00\ude00", ""),
        ("\ufeffa", "\ufeffa"),
        ("\x00 \x00", ""),
    ],
    ids=ascii,
)
def test_clean_text(value: str, cleaned: str) -> None:
    assert clean_text(value) == cleaned


@pytest.mark.parametrize(
    ("value", "max_length", "cleaned"),
    [
        ("abcdef", 3, "abc"),
        ("ab cd", 3, "ab"),
        ("😀😀😀", 2, "😀😀"),
        ("\ud83d\ude00" * 3, 3, "😀😀😀"),
        ("   abc", 3, "abc"),
        ("abc", 0, ""),
    ],
    ids=ascii,
)
def test_what_is_over_long_is_cut_by_characters(value: str, max_length: int, cleaned: str) -> None:
    assert clean_text(value, max_length=max_length) == cleaned


def test_a_huge_value_is_cut() -> None:
    assert clean_text("x" * 5_000_000) == "x" * MAX_LENGTH


def test_clean_line_has_one_line() -> None:
    assert clean_line(" a\r\n\tb\u2028c  d\x0b ") == "a b c d"


@given(ANY_TEXT, st.integers(0, 50))
def test_clean_text_always_gives_what_a_database_takes(value: str, max_length: int) -> None:
    cleaned = clean_text(value, max_length=max_length)
    assert_fit(cleaned)
    assert len(cleaned) <= max_length
    assert clean_text(cleaned, max_length=max_length) == cleaned


@given(ANY_TEXT, st.integers(0, 50))
def test_clean_line_always_gives_one_line(value: str, max_length: int) -> None:
    cleaned = clean_line(value, max_length=max_length)
    assert_fit(cleaned)
    assert len(cleaned) <= max_length
    assert len(cleaned.splitlines()) <= 1
    assert clean_line(cleaned, max_length=max_length) == cleaned


@given(ANY_JSON)
def test_clean_json_always_gives_json_that_a_database_takes(value: Any) -> None:
    cleaned = clean_json(value)
    assert json.loads(json.dumps(cleaned, allow_nan=False)) == cleaned
    for text in strings(cleaned):
        assert_fit(text)
    assert clean_json(cleaned) == cleaned


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), str(-(2**63))),
        (2**63, str(2**63)),
        (10**5000, "(over 4,000 digits)"),
        (-(10**5000), "(over 4,000 digits)"),
        (Decimal("1.50"), "1.50"),
        (lazystr("Jo"), "Jo"),
        (("a\x00", {"b"}), ["a", ["b"]]),
        ({1: "a", "b\x00": None}, {"1": "a", "b": None}),
        (b"a", "b'a'"),
    ],
    ids=lambda value: f"{type(value).__name__}-{type(value) is int or value!s:.30}",
)
def test_clean_json(value: Any, cleaned: Any) -> None:
    result = clean_json(value)
    assert result == cleaned
    assert type(result) is type(cleaned)


def test_clean_json_keeps_bounds() -> None:
    assert len(clean_json(list(range(MAX_ITEMS + 50)))) == MAX_ITEMS
    assert len(clean_json({str(number): 0 for number in range(MAX_ITEMS + 50)})) == MAX_ITEMS
    assert clean_json("x" * 5000) == "x" * MAX_LENGTH
    assert sum(map(len, strings(clean_json(["x" * 5000] * 100)))) == MAX_JSON
    assert sum(map(len, strings(clean_json({"k" * 900 + str(n): "x" * 5000 for n in range(100)})))) == MAX_JSON


def test_what_is_nested_too_deep_becomes_text() -> None:
    value = clean_json(nested(20))
    for _ in range(MAX_DEPTH):
        (value,) = value
    assert value == str(nested(20 - MAX_DEPTH))


@pytest.mark.parametrize("depth", [990, 2_000, 5_000, 100_000])
def test_no_depth_is_an_error(depth: int) -> None:
    json.dumps(clean_json(nested(depth)))


def test_a_structure_that_holds_itself() -> None:
    value: dict[str, Any] = {"a": 1}
    value["self"] = value
    assert json.dumps(clean_json(value))
