from __future__ import annotations

import copy
import pickle

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError

from django_octanist.exceptions import (
    AuthenticationError,
    EndpointError,
    InvalidLeadError,
    OctanistConfigurationError,
    OctanistError,
    RejectedError,
    TransientError,
    UncertainError,
    describe,
)

MARKER = "jo.marker@example.com"
KINDS = [TransientError, UncertainError, RejectedError, InvalidLeadError, AuthenticationError, EndpointError]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_an_octanist_error_with_a_summary_of_its_own(kind: type[OctanistError]) -> None:
    assert issubclass(kind, OctanistError)
    assert str(kind()) == kind.summary
    assert [other.summary for other in KINDS].count(kind.summary) == 1
    assert not any(issubclass(kind, other) for other in KINDS if other is not kind)


def test_configuration_errors_stand_outside_the_tree() -> None:
    assert issubclass(OctanistConfigurationError, ImproperlyConfigured)
    assert not issubclass(OctanistConfigurationError, OctanistError)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TransientError("later"), "later"),
        (TransientError(status=503), "Octanist could not take the lead now, HTTP 503"),
        (
            InvalidLeadError(status=400, code="VALIDATION_ERROR", request_id="req_1"),
            "Octanist refuses the lead's data, HTTP 400, VALIDATION_ERROR, request req_1",
        ),
    ],
    ids=["reason", "status", "all"],
)
def test_the_text_holds_the_facts(error: OctanistError, text: str) -> None:
    assert str(error) == text
    assert repr(error) == f"<{type(error).__name__}: {text}>"


def test_what_octanist_said_stays_out_of_text_and_repr() -> None:
    error = InvalidLeadError(status=400, detail=MARKER, retry_after=1.0)
    assert error.detail == MARKER
    assert MARKER not in f"{error} {error!r} {error.args!r} {describe(error)}"


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_an_error_survives_the_way_to_another_process(again: object) -> None:
    error = TransientError("later", status=429, code="C", request_id="req_1", detail="d", retry_after=3.0)
    twin = again(error)  # type: ignore[operator]
    assert type(twin) is TransientError
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError(MARKER), "ValueError"),
        (IntegrityError(f"Key (email)=({MARKER}) already exists."), "IntegrityError"),
        (DataError(MARKER), "DataError"),
        (OperationalError("no such host\nDETAIL: x"), "OperationalError: no such host"),
        (ProgrammingError("relation does not exist"), "ProgrammingError: relation does not exist"),
        (EndpointError(status=404), f"EndpointError: {EndpointError.summary}, HTTP 404"),
        (OctanistConfigurationError("OCTANIST_X must be y."), "OctanistConfigurationError: OCTANIST_X must be y."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_describe_gives_type_and_only_what_cannot_be_personal(error: Exception, text: str) -> None:
    assert describe(error) == text


def test_describe_says_where_it_arose() -> None:
    def innermost() -> None:
        raise ValueError(MARKER)

    with pytest.raises(ValueError, match=MARKER) as caught:
        innermost()
    text = describe(caught.value)
    assert text.startswith(f"ValueError (in innermost, {__file__}:")
    assert MARKER not in text


def test_describe_keeps_a_message_short() -> None:
    assert len(describe(OperationalError("x" * 5000))) < 300


@pytest.mark.parametrize(
    "message",
    [
        "no such table: octanist_lead",
        'relation "octanist_lead" does not exist',
        "(1146, \"Table 'test.octanist_lead' doesn't exist\")",
    ],
)
def test_describe_says_what_to_do_about_missing_tables(message: str) -> None:
    assert describe(OperationalError(message)).endswith("(run manage.py migrate)")
