from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from django_octanist.detection import FormField
from django_octanist.mapping import Leaf, by_api_name, by_api_name_nested


def of(values: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return by_api_name(values, fields=[FormField(name=name) for name in values], **more)


@pytest.mark.parametrize("blank", ["", None, "  ", "\x00", [], float("nan")])
def test_of_one_kind_the_first_that_is_filled_in(blank: Any) -> None:
    found = of({"phone": blank, "mobile": "0612345678", "email": blank, "business_email": "jo@example.com"})
    assert (found["phone"], found["email"]) == ("0612345678", "jo@example.com")


def test_where_all_are_blank_there_is_none() -> None:
    assert not of({"phone": "", "email": None}).keys() & {"phone", "email"}


def test_what_is_mapped_stays_mapped_though_it_is_blank() -> None:
    found = of({"work": "", "email": "other@example.com"}, mapping={"email": "work"})
    assert found == {"custom": {"email": "other@example.com"}}


def test_parts_are_joined_as_text() -> None:
    found = of({"street": 12, "tags": ["a", "b"], "gone": None}, mapping={"note": ("street", "tags", "gone")})
    assert found == {"note": "12 a, b"}


def test_what_is_nested_counts_where_its_outer_namesake_is_blank() -> None:
    leaves = [Leaf.of(("email",), ""), Leaf.of(("contact", "email"), "jo@example.com"), Leaf.of(("roof",), "flat")]
    assert by_api_name_nested(leaves) == {"email": "jo@example.com", "custom": {"email": "", "roof": "flat"}}


def test_what_is_excluded_is_not_even_read() -> None:
    class Unread:
        def __str__(self) -> str:
            raise AssertionError("read")

    values = {"roof": "flat", "birthday": Unread(), "password": Unread()}
    assert of(values, exclude=["birthday"]) == {"custom": {"roof": "flat"}}


def test_a_value_that_cannot_be_read_costs_itself_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("jo@example.com")

    assert of({"email": "jo@example.com", "roof": Broken()}) == {"email": "jo@example.com", "custom": {"roof": None}}
    assert "of the type Broken cannot be read" in caplog.text
    assert "jo@example.com" not in caplog.text
