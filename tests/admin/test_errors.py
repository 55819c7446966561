"""The last error in words."""

from __future__ import annotations

import pytest

from django_octanist.admin.errors import BY_CODE, error_in_words, said
from django_octanist.client import create_lead
from django_octanist.delivery.decisions import outcome_of
from django_octanist.exceptions import InvalidLeadError, OctanistError, RejectedError
from django_octanist.models import HELD_CODE, Lead


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("", "", ""),
        ("UNAUTHORIZED", "", "The API key was refused."),
        ("FORBIDDEN", "x", "Turned away by Octanist's filtering rules."),
        (HELD_CODE, "An answer was lost, and …", "An answer was lost: a person must decide."),
        ("TEAPOT", "I am one", "TEAPOT"),
        ("", "Octanist refuses the API key: jo@example.com", "The API key was refused."),
        ("", "no full answer within 10 s or before the connection broke (ReadTimeout)", "No full answer came."),
        ("", "the answer is not the API's", "It did not work."),
        ("", "jo@example.com is wrong", "It did not work."),
    ],
)
def test_words(code: str, error: str, words: str) -> None:
    assert error_in_words(Lead(error_code=code, error=error)) == words


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("", ""),
        (f"{RejectedError.summary}: The lead was turned away.", "The lead was turned away."),
        (f"{InvalidLeadError.summary}: email: not an address", "email: not an address"),
        (RejectedError.summary, RejectedError.summary),
        ("no connection to http://localhost (ConnectionError)", "no connection to http://localhost (ConnectionError)"),
        ("the answer is not the API's: <html>", "the answer is not the API's: <html>"),
    ],
)
def test_what_octanist_said(error: str, shown: str) -> None:
    assert said(error) == shown


def test_nobody_answers() -> None:
    """As the client itself puts it."""
    with pytest.raises(OctanistError) as failure:
        create_lead({"email": "jo@example.com"})
    assert outcome_of(failure.value) == "unreachable"
    assert error_in_words(Lead(error=failure.value.reason)) == "Octanist could not be reached."


def test_every_code_is_said_without_one() -> None:
    assert not [words for words in map(str, BY_CODE.values()) if any(part in BY_CODE for part in words.split())]
