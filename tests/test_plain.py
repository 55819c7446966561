from __future__ import annotations

import datetime
import enum
import io
import itertools
import json
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, NoReturn
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, models
from django.db.models.fields.files import FieldFile
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from django_octanist.plain import MAX_DEPTH, TOO_DEEP, as_json, as_text, is_blank, is_scalar
from tests.site.models import Company


class Roof(models.TextChoices):
    FLAT = "flat", "A flat roof"


class Floors(models.IntegerChoices):
    ONE = 1


class Colour(enum.Enum):
    RED = "#f00"


class Phone:
    """As django-phonenumber-field's."""

    def __str__(self) -> str:
        return "+31612345678"


@dataclass
class Address:
    city: str
    built: datetime.date


@dataclass
class Money:
    amount: int

    def __str__(self) -> str:
        return f"EUR {self.amount}"


class Rows:
    """Has items, and no text."""

    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        *((value, value) for value in (None, True, False, 0, 5, 1.5, "", "é", [], {}, [1, [2]], {"a": {"b": [None]}})),
        (mark_safe("<b>"), "<b>"),
        (gettext_lazy("Yes"), "Yes"),
        (Roof.FLAT, "flat"),
        (Floors.ONE, 1),
        (Colour.RED, "#f00"),
        (Decimal("5.10"), "5.10"),
        (datetime.date(2026, 3, 1), "2026-03-01"),
        (datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc), "2026-03-01T12:00:00+00:00"),
        (datetime.time(9, 30), "09:30:00"),
        (datetime.timedelta(hours=1), "1:00:00"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (PurePosixPath("a/b"), "a/b"),
        (SimpleUploadedFile("secret/plan.pdf", b"x"), "plan.pdf"),
        (FieldFile(None, models.FileField(), "plans/roof.pdf"), "roof.pdf"),  # type: ignore[arg-type]
        (b"caf\xc3\xa9", "café"),
        (bytearray(b"\xff"), "\ufffd"),
        (Company(name="Roofs"), "Roofs"),
        (SimpleLazyObject(lambda: Company(name="Roofs")), "Roofs"),
        (Phone(), "+31612345678"),
        ([Phone(), {"at": Phone()}], ["+31612345678", {"at": "+31612345678"}]),
        ((1, 2), [1, 2]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({2, 1}), [1, 2]),
        (deque([1]), [1]),
        (OrderedDict(a=1), {"a": 1}),
        ({1: "a", Roof.FLAT: "b", gettext_lazy("c"): "c"}, {"1": "a", "flat": "b", "c": "c"}),
        (Address("Ghent", datetime.date(2026, 3, 1)), {"city": "Ghent", "built": "2026-03-01"}),
        (Money(5), "EUR 5"),
        (Rows(), [1, 2]),
    ],
    ids=repr,
)
def test_as_json(value: Any, plain: Any) -> None:
    found = as_json(value)
    assert found == plain
    assert type(found) is type(plain)
    json.dumps(found)


@pytest.mark.django_db
class TestRows:
    @pytest.fixture(autouse=True)
    def _companies(self) -> None:
        for name in ("Flat", "Tiled"):
            Company.objects.create(name=name)

    def test_a_query_set_is_the_texts_of_its_rows(self) -> None:
        assert as_json(Company.objects.order_by("name")) == ["Flat", "Tiled"]
        assert as_json(Company.objects.order_by("name")[:1]) == ["Flat"]
        assert as_json(Company.objects.none()) == []

    def test_also_of_values(self) -> None:
        rows = Company.objects.order_by("name")
        assert as_json(rows.values_list("name", flat=True)) == ["Flat", "Tiled"]
        assert as_json(rows.values("name")) == [{"name": "Flat"}, {"name": "Tiled"}]

    def test_a_manager_stands_for_its_rows(self) -> None:
        assert sorted(as_json(Company.objects)) == ["Flat", "Tiled"]

    def test_no_more_are_fetched_than_are_kept(self, django_assert_max_num_queries: Any) -> None:
        Company.objects.bulk_create(Company(name=str(number)) for number in range(300))
        with django_assert_max_num_queries(3):
            assert len(as_json(Company.objects.all())) == 200

    def test_a_row_that_has_no_text_costs_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Company, "__str__", lambda self: self.name if self.name == "Flat" else 1 / 0)
        assert as_json(Company.objects.order_by("name")) == ["Flat", None]

    def test_a_text_whose_query_fails_leaves_the_transaction_as_it_was(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def asks(self: Company) -> NoReturn:
            Company.objects.raw("SELECT * FROM nowhere")[0]
            raise AssertionError("not reached")

        monkeypatch.setattr(Company, "__str__", asks)
        assert as_json(Company.objects.all()) == [None, None]
        assert as_json(Company(name="x")) is None
        assert Company.objects.count() == 2

    def test_a_query_that_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        assert as_json(Company.objects.extra(where=["nowhere = 1"])) is None
        assert Company.objects.count() == 2
        assert "of the type QuerySet cannot be read" in caplog.text


class Raises:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error


class NoText:
    def __str__(self) -> Any:
        return 5


class Endless:
    def __str__(self) -> str:
        return str(self)


class Text(str):
    def __str__(self) -> str:
        raise ValueError("MARKER")


class Whole(int):
    def __str__(self) -> str:
        raise ValueError("MARKER")


@pytest.mark.parametrize(
    "value",
    [
        *(Raises(error) for error in (ValueError("MARKER"), DatabaseError("MARKER"), RecursionError(), KeyError())),
        *(NoText(), Endless(), object(), itertools.count(), (x for x in "ab")),
        io.StringIO("MARKER"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_read_is_nothing_and_the_log_says_so(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert as_json(value) is None
    assert as_json([value, {"a": value, "b": 1}]) == [None, {"a": None, "b": 1}]
    assert f"a value of the type {type(value).__name__} cannot be read" in caplog.text
    assert "MARKER" not in caplog.text


def test_what_breaks_before_it_is_there() -> None:
    def breaks() -> NoReturn:
        raise ValueError("MARKER")

    assert as_json({"user": SimpleLazyObject(breaks), "a": 1}) == {"user": None, "a": 1}


def test_what_is_read_but_once_is_left_to_whom_it_belongs() -> None:
    own = (letter for letter in "ab")
    as_json({"a": own})
    assert list(own) == ["a", "b"]


@pytest.mark.parametrize(("value", "plain"), [(Text("a"), "a"), (Whole(5), 5)], ids=["text", "number"])
def test_a_subclass_is_what_it_is_built_on(value: Any, plain: Any) -> None:
    assert as_json(value) == plain
    assert type(as_json(value)) is type(plain)


def test_no_depth_is_an_error() -> None:
    value: Any = "x"
    for _ in range(5_000):
        value = {"a": [value]}
    found = as_json(value)
    for _ in range(MAX_DEPTH // 2):
        found = found["a"][0]
    assert found == TOO_DEEP


def test_a_circle_ends() -> None:
    value: dict[str, Any] = {}
    value["a"] = value
    assert TOO_DEEP in str(as_json(value))


def test_no_level_has_more_items_than_a_lead_keeps() -> None:
    assert len(as_json(range(10**9))) == 200
    assert len(as_json(dict.fromkeys(range(1_000)))) == 200


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, ""), ("", ""), ([], ""), ({}, ""), ("a", "a"), (0, "0"), (31612345678, "31612345678")),
        *((31612345678.0, "31612345678"), (1.5, "1.5"), (-3, "-3"), (float("nan"), ""), (float("inf"), "")),
        *((10**5_000, ""), (True, "True"), (["a", None, "", 2], "a, 2"), ({"a": 1}, "{'a': 1}")),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, int) or value < 10**50 else "huge",
)
def test_as_text(value: Any, text: str) -> None:
    assert as_text(value) == text
    assert is_blank(value) is (text == "")


@pytest.mark.parametrize("value", [" ", "\t\n", "\x00", "\u2003", [" ", ""]])
def test_what_cannot_be_seen_is_blank(value: Any) -> None:
    assert is_blank(value)


@pytest.mark.parametrize(
    ("value", "scalar"), [("", True), (5, True), (1.5, True), (True, False), (None, False), ([], False), ({}, False)]
)
def test_what_a_contact_can_be(value: Any, scalar: bool) -> None:
    assert is_scalar(value) is scalar
