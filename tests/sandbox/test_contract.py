from __future__ import annotations

from typing import Any

import pytest

from django_octanist.sandbox.contract import Refusal, accept, as_text, is_granted, read_body
from django_octanist.sandbox.rules import RULES, rule_for
from django_octanist.vocabulary import ATTRIBUTION, BY_NAME, CONSENT, SESSION_ID

from .conftest import SESSION

EMAIL = {"email": "jo@example.com"}


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != SESSION_ID])
def test_every_field_of_the_vocabulary_is_accepted(name: str) -> None:
    assert accept({**EMAIL, name: "text"}).fields[name] == "text"


@pytest.mark.parametrize("fields", [{"name": "Jo"}, {"email": "x"}, {"phone": "1"}, {"custom": "x"}, {"custom": [1]}])
def test_one_identifying_field_is_enough(fields: dict[str, Any]) -> None:
    assert accept(fields).fields == fields


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, "name, email, phone, custom"),
        ({"note": "hello", "gclid": "x", "sessionId": SESSION}, "name, email, phone, custom"),
        ({"custom": {}}, "name, email, phone, custom"),
        ({**EMAIL, "utm_term": "x"}, "utm_term"),
        ({"emial": "jo@example.com"}, "emial (did you mean email?)"),
        ({"email": ""}, "email"),
        ({"email": "  "}, "email"),
        ({"email": None}, "email"),
        ({"email": 1}, "email"),
        ({"name": ["Jo"]}, "name"),
        ({**EMAIL, "custom": ""}, "custom"),
        ({**EMAIL, "custom": 1}, "custom"),
        ({**EMAIL, "custom": None}, "custom"),
        ({**EMAIL, "utm_source": True}, "utm_source"),
        ({**EMAIL, "ad_storage": 1}, "ad_storage"),
        ({**EMAIL, "ad_storage": None}, "ad_storage"),
        ({**EMAIL, "ad_storage": ""}, "ad_storage"),
        ({**EMAIL, "sessionId": "123"}, "sessionId"),
        ({**EMAIL, "sessionId": ""}, "sessionId"),
        ({**EMAIL, "sessionId": None}, "sessionId"),
        ({**EMAIL, "sessionId": f"{{{SESSION}}}"}, "sessionId"),
        ({**EMAIL, "sessionId": f"{SESSION}\n"}, "sessionId"),
    ],
)
def test_refused_with_the_field_named(fields: dict[str, Any], names: str) -> None:
    with pytest.raises(Refusal) as caught:
        accept(fields)
    assert (caught.value.status, caught.value.code) == (400, "VALIDATION_ERROR")
    assert names in caught.value.message


def test_a_refusal_quotes_no_value() -> None:
    with pytest.raises(Refusal) as caught:
        accept({"email": "jo@example.com", "sessionId": "secret"})
    assert "secret" not in caught.value.message
    assert caught.value.details == {"fields": ["sessionId"]}


def test_without_a_session_attribution_counts() -> None:
    lead = accept({**EMAIL, **dict.fromkeys(ATTRIBUTION, "x")})
    assert lead.attribution == dict.fromkeys(ATTRIBUTION, "x")
    assert (lead.session_id, lead.ignored) == ("", {})


def test_beside_a_session_attribution_is_ignored_and_remembered() -> None:
    lead = accept({**EMAIL, "sessionId": SESSION, "gclid": "x", "path": "/"})
    assert lead.session_id == SESSION
    assert lead.attribution == {}
    assert lead.ignored == {"gclid": "x", "path": "/"}


@pytest.mark.parametrize(
    ("value", "granted"),
    [
        (True, True),
        ("true", True),
        ("TRUE", True),
        (False, False),
        ("granted", False),
        ("yes", False),
        ("1", False),
        (None, False),
    ],
)
def test_only_true_is_consent(value: Any, granted: bool) -> None:
    assert is_granted(value) is granted


def test_consent_defaults_to_false() -> None:
    assert accept({**EMAIL, "ad_storage": "True"}).consent == {name: name == "ad_storage" for name in CONSENT}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"null",
        b"{",
        b"<html>",
        b'{"email": NaN}',
        b"\xff\xfe{}",
        b'{"name": "\\ud800"}',
        b'{"custom": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    ],
)
def test_the_body_must_be_a_json_object(body: bytes) -> None:
    with pytest.raises(Refusal, match="JSON object"):
        read_body(body)


def test_a_json_object_is_read() -> None:
    assert read_body('{"name": "Zoë", "custom": {"a": [1]}}'.encode()) == {"name": "Zoë", "custom": {"a": [1]}}


@pytest.mark.parametrize(
    ("custom", "text"),
    [("x", "x"), (None, ""), ({"a": "é"}, '{"a":"é"}'), ([1, 2], "[1,2]"), ({}, "{}")],
)
def test_custom_becomes_a_string(custom: Any, text: str) -> None:
    assert as_text(custom) == text


def test_rules_go_by_the_whole_domain_in_any_case() -> None:
    assert {rule.domain: rule.status for rule in RULES} == {
        "rejected.example": 403,
        "invalid.example": 400,
        "down.example": 500,
    }
    assert rule_for("Jo@REJECTED.example") is RULES[0]
    for email in ("", "jo@example.com", "jo@sub.rejected.example", "rejected.example@example.com"):
        assert rule_for(email) is None
