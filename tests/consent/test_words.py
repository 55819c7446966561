from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.consent import GRANTING_WORDS, Consent, merge, read_posted, read_word
from django_octanist.vocabulary import CONSENT


@pytest.mark.parametrize("word", sorted(GRANTING_WORDS))
@pytest.mark.parametrize(
    "form", [str.lower, str.upper, str.title, " {} ".format], ids=["lower", "upper", "title", "sp"]
)
def test_words_that_grant(word: str, form: Any) -> None:
    assert read_word(form(word)) is True


@pytest.mark.parametrize(
    "word", ["denied", "false", "no", "0", "off", "deny", "null", "undefined", "grant", "grantedx", "y", "t", "x" * 999]
)
def test_every_other_word_denies(word: str) -> None:
    assert read_word(word) is False


@pytest.mark.parametrize("nothing", [None, "", "   ", "\t\n"], ids=ascii)
def test_nothing_is_unknown(nothing: str | None) -> None:
    assert read_word(nothing) is None


@pytest.mark.parametrize(
    ("value", "meaning"), [(True, True), (False, False), (1, True), (0, False), (2, False), ([], False), ({}, False)]
)
def test_values_of_json(value: Any, meaning: bool) -> None:
    assert read_word(value) is meaning


@given(st.text(st.characters(codec=None)))
def test_no_text_is_an_error_or_grants_by_accident(text: str) -> None:
    assert read_word(text) in (None, False) or text.strip().lower() in GRANTING_WORDS


def test_the_fields_are_those_of_the_api() -> None:
    assert tuple(Consent().as_dict()) == CONSENT


@pytest.mark.parametrize(
    ("consent", "known", "allows"),
    [
        (Consent(), False, False),
        (Consent(ad_storage=False), True, False),
        (Consent(ad_storage=True), True, True),
        (Consent(analytics_storage=True, ad_storage=False), True, True),
        (Consent(ad_user_data=True, ad_personalization=True), True, False),
    ],
    ids=["nothing", "denied", "ad", "analytics", "neither storage"],
)
def test_what_a_consent_allows(consent: Consent, known: bool, allows: bool) -> None:
    assert (consent.known, consent.allows_attribution) == (known, allows)


def test_a_consent_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Consent().ad_storage = True  # type: ignore[misc]


def test_posted_fields() -> None:
    posted = QueryDict("ad_storage=granted&ad_user_data=denied&ad_personalization=&email=jo")
    assert read_posted(posted) == Consent(ad_storage=True, ad_user_data=False)


def test_a_form_prefix_is_read_too_and_gives_way() -> None:
    posted = QueryDict(
        "ad_storage=denied&c-ad_storage=granted&c-analytics_storage=granted&ad_user_data=&c-ad_user_data=1"
    )
    assert read_posted(posted, prefix="c") == Consent(ad_storage=False, analytics_storage=True, ad_user_data=True)
    assert read_posted(posted) == Consent(ad_storage=False)


def test_merge_takes_the_first_known_value_of_each_field() -> None:
    merged = merge(
        Consent(ad_storage=False),
        Consent(ad_storage=True, ad_user_data=True),
        Consent(ad_user_data=False, analytics_storage=False),
    )
    assert merged == Consent(ad_storage=False, ad_user_data=True, analytics_storage=False)
    assert merge(Consent(ad_storage=True)) == Consent(ad_storage=True)
