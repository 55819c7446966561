from __future__ import annotations

from typing import Any

import pytest

from django_octanist.masking import (
    MASKED,
    PLAIN,
    Sight,
    mask_email,
    mask_json,
    mask_payload,
    mask_phone,
    mask_text,
    mask_words,
)
from django_octanist.vocabulary import FIELDS


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("jo@example.com", "j•••@e•••.com"),
        ("jo.doe@mail.example.co.uk", "j•••@m•••.uk"),
        ("jo@localhost", "j•••@l•••"),
        ("jo@", "j•••"),
        ("@example.com", "@•••"),
        ("jo doe", "j••• d•••"),
        ('"a@b"@example.com', '"•••@e•••.com'),
        ("", ""),
    ],
)
def test_email(address: str, masked: str) -> None:
    assert mask_email(address) == masked


@pytest.mark.parametrize(
    ("number", "masked"), [("+31 6 1234 5678", "••• 78"), ("112", "•••"), ("call me", "•••"), ("", "")]
)
def test_phone(number: str, masked: str) -> None:
    assert mask_phone(number) == masked


@pytest.mark.parametrize(("name", "masked"), [("Jo  Doe", "J••• D•••"), ("王小明", "王•••"), ("", "")])
def test_words(name: str, masked: str) -> None:
    assert mask_words(name) == masked


def test_text() -> None:
    assert [mask_text("I am ill"), mask_text("")] == ["•••", ""]


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ({"roof": "flat", "size": {"m2": 80}, "extras": ["sun", ""], "none": None}, None),
        ("text", "•••"),
        (7, "•••"),
        (False, "•••"),
    ],
)
def test_json(value: Any, masked: Any) -> None:
    whole = {"roof": "•••", "size": {"m2": "•••"}, "extras": ["•••", ""], "none": None}
    assert mask_json(value) == (masked or whole)


def test_payload() -> None:
    body = {field.name: "Secret" for field in FIELDS} | {
        "custom": {"roof": "Secret", "form": "contact", "submission_id": "1-2"},
    }
    masked = mask_payload(body)
    assert masked["custom"] == {"roof": "•••", "form": "contact", "submission_id": "1-2"}
    assert {name for name, value in masked.items() if value == "Secret"} == {
        field.name for field in FIELDS if not field.personal and field.name != "sessionId"
    }
    assert masked["sessionId"] == "•••"
    assert mask_payload({"custom": "Secret"}) == {"custom": "•••"}


def seen(sight: Sight) -> list[Any]:
    body = {"name": "Jo", "website": "https://example.com"}
    texts = [sight.words("Jo"), sight.email("jo@example.com"), sight.phone("0612345678"), sight.text("ill")]
    return [*texts, sight.json({"roof": "flat"}), sight.payload(body)]


def test_sights() -> None:
    body = {"name": "Jo", "website": "https://example.com"}
    assert seen(PLAIN) == ["Jo", "jo@example.com", "0612345678", "ill", {"roof": "flat"}, body]
    assert seen(MASKED) == ["J•••", "j•••@e•••.com", "••• 78", "•••", {"roof": "•••"}, {**body, "name": "J•••"}]
