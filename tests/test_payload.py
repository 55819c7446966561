from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.exceptions import InvalidLeadError
from django_octanist.payload import LeadData, build_payload, custom_with_reference
from django_octanist.vocabulary import ATTRIBUTION, BY_NAME, CONSENT, CONTACT, LEAD, SESSION_ID

ID = UUID("12345678-1234-5678-1234-567812345678")
SESSION = "550e8400-e29b-41d4-a716-446655440000"
MARKER = "jo.marker@example.com"
DENIED = dict.fromkeys(CONSENT, False)

TEXT = st.text(st.characters(codec=None), max_size=50)
LEADS = st.builds(
    LeadData,
    submission_id=st.just(ID),
    form=st.text(max_size=50),
    name=TEXT,
    email=TEXT,
    phone=TEXT,
    note=TEXT,
    custom=st.none() | TEXT | st.lists(TEXT, max_size=3) | st.dictionaries(TEXT, TEXT, max_size=3),
    session_id=st.just("") | st.just(SESSION),
    attribution=st.dictionaries(st.sampled_from(ATTRIBUTION) | TEXT, TEXT, max_size=6),
    consent=st.dictionaries(st.sampled_from(CONSENT) | TEXT, st.sampled_from([True, False, None]), max_size=6),
)


def lead(**fields: Any) -> LeadData:
    return LeadData(**{"submission_id": ID, "form": "contact", "email": "jo@example.com", **fields})


def test_a_lead_without_a_session_carries_attribution_and_consent() -> None:
    data = lead(
        name=" Jo\nDoe ",
        phone="06",
        note="a\r\nb",
        custom={"roof": "flat"},
        attribution={"gclid": "G", "utm_source": "", "utm_term": "x", "website": "https://example.com"},
        consent={"ad_storage": True, "ad_user_data": None, "analytics_storage": False},
    )
    assert build_payload(data) == {
        "name": "Jo Doe",
        "email": "jo@example.com",
        "phone": "06",
        "note": "a\nb",
        "custom": {"roof": "flat", "form": "contact", "submission_id": str(ID)},
        "gclid": "G",
        "website": "https://example.com",
        **DENIED,
        "ad_storage": True,
    }


def test_with_a_session_attribution_and_consent_stay_at_home() -> None:
    data = lead(session_id=SESSION, attribution={"gclid": "G", "path": "/"}, consent={"ad_storage": True})
    assert set(build_payload(data)) == {"email", "custom", SESSION_ID}
    assert build_payload(data)[SESSION_ID] == SESSION


def test_once_the_session_was_refused_the_attribution_travels() -> None:
    data = lead(session_id=SESSION, attribution={"gclid": "G"}, consent={"ad_storage": True})
    body = build_payload(data, with_session=False)
    assert SESSION_ID not in body
    assert body["gclid"] == "G"
    assert {name: body[name] for name in CONSENT} == {**DENIED, "ad_storage": True}


@pytest.mark.parametrize("word", ["granted", "true", 1, "1", object()], ids=str)
def test_consent_is_true_only_where_it_is_true(word: Any) -> None:
    assert build_payload(lead(consent={"ad_storage": word}))["ad_storage"] is False


@pytest.mark.parametrize("name", [*CONTACT, *ATTRIBUTION])
def test_values_are_cut_at_their_own_length(name: str) -> None:
    long, most = "x" * 5000, BY_NAME[name].max_length
    data = lead(**{name: long}) if name in CONTACT else lead(attribution={name: long})
    assert build_payload(data)[name] == "x" * most


@pytest.mark.parametrize("fields", [{}, {"note": "Hi"}, {"name": "\x00 "}, {"custom": {}}, {"custom": " "}], ids=str)
def test_a_lead_that_nothing_identifies_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidLeadError):
        build_payload(LeadData(submission_id=ID, form="contact", session_id=SESSION, **fields))


@pytest.mark.parametrize("fields", [{"name": "Jo"}, {"email": "a@b"}, {"phone": "1"}, {"custom": {"a": 1}}], ids=str)
def test_one_identifying_field_is_enough(fields: dict[str, Any]) -> None:
    body = build_payload(LeadData(submission_id=ID, **fields))
    assert fields.keys() <= body.keys()


REFERENCE = {"form": "contact", "submission_id": str(ID)}


@pytest.mark.parametrize(
    ("custom", "sent"),
    [
        (None, REFERENCE),
        ("", REFERENCE),
        ({}, REFERENCE),
        ([], REFERENCE),
        ({"roof": "flat"}, {"roof": "flat", **REFERENCE}),
        (["a", {"b": 1}], {"items": ["a", {"b": 1}], **REFERENCE}),
        ({"form": "x", "submission_id": 5}, {"field_form": "x", "field_submission_id": 5, **REFERENCE}),
        ("the site's own", "the site's own"),
        ({"a\x00": "b\x00", "c": float("nan")}, {"a": "b", "c": "nan", **REFERENCE}),
    ],
    ids=["none", "empty text", "empty dict", "empty list", "dict", "list", "taken names", "text", "unclean"],
)
def test_custom_carries_what_the_lead_is_found_by(custom: Any, sent: Any) -> None:
    assert custom_with_reference(lead(custom=custom)) == sent


def test_a_form_without_a_name_is_left_out() -> None:
    assert custom_with_reference(lead(form="")) == {"submission_id": str(ID)}


def test_the_lead_itself_is_not_changed() -> None:
    custom, attribution = {"form": "x", "a": [1]}, {"gclid": " G "}
    build_payload(lead(custom=custom, attribution=attribution))
    assert (custom, attribution) == ({"form": "x", "a": [1]}, {"gclid": " G "})


def test_the_repr_holds_no_personal_data() -> None:
    data = lead(
        name=MARKER,
        email=MARKER,
        phone=MARKER,
        note=MARKER,
        custom={MARKER: MARKER},
        session_id=MARKER,
        attribution={"path": MARKER},
    )
    assert MARKER not in repr(data)
    assert str(ID) in repr(data)


@given(LEADS, st.booleans())
def test_whatever_the_lead_says_the_body_obeys_the_contract(data: LeadData, with_session: bool) -> None:
    try:
        body = build_payload(data, with_session=with_session)
    except InvalidLeadError:
        return
    assert body.keys() <= BY_NAME.keys()
    assert body.keys() & {*CONTACT, "custom"}
    assert all(value not in ("", None, [], {}) for value in body.values())
    assert all(isinstance(body[name], bool) for name in CONSENT if name in body)
    assert all(isinstance(body[name], str) for name in body.keys() - {"custom", *CONSENT})
    if SESSION_ID in body:
        assert with_session
        assert body.keys() <= {*LEAD, SESSION_ID}
    else:
        assert set(CONSENT) <= body.keys()
    json.dumps(body, allow_nan=False, ensure_ascii=False).encode("utf-8")


def test_the_reference_comes_first() -> None:
    """Octanist may shorten what is long, and the lead would not be found again."""
    sent = custom_with_reference(lead(custom={"long": "x" * 3000}))
    assert list(sent) == ["form", "submission_id", "long"]
