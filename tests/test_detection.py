from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.detection import (
    FAMILY_NAME,
    GIVEN_NAME,
    FormField,
    assign,
    is_secret_name,
    lead_field_by_name,
    without_secrets,
    words,
)
from django_octanist.vocabulary import CONSENT


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("email", ["email"]),
        ("billingAddress", ["billing", "address"]),
        ("billing-address[2]", ["billing", "address"]),
        ("XMLHttpRequest", ["xml", "http", "request"]),
        ("EMAIL_ADDRESS", ["email", "address"]),
        ("phone2", ["phone"]),
        ("téléphone portable", ["téléphone", "portable"]),
        ("", []),
        ("___", []),
        ("123", []),
    ],
)
def test_words(name: str, parts: list[str]) -> None:
    assert words(name) == parts


@pytest.mark.parametrize(
    "name",
    [
        *("password", "Password", "password1", "password_confirm", "newPassword", "user-password", "wachtwoord"),
        *("pin", "otp", "captcha", "g-recaptcha-response", "h-captcha-response", "cf-turnstile-response", "hcaptcha"),
        *(
            "token",
            "authToken",
            "csrfmiddlewaretoken",
            "csrf_token",
            "api_key",
            "apiKey",
            "access-key",
            "client_secret",
        ),
        *("iban", "IBAN", "bic", "cvv", "cvv2", "cvc", "card_number", "cardNumber", "cardnumber", "credit-card"),
        *("account_number", "bank_account", "sort_code", "ssn", "bsn", "mot_de_passe", "kaart_nummer"),
        *("newpassword", "confirmpassword", "passwordconfirm", "pass", "pass1", "user_pass", "motdepasse"),
        *("wachtwoordherhaling", "passwortwiederholung", "kaartnummer", "kartennummer", "bankrekeningnummer"),
        *("ccnum", "cardNum", "authorization", "bearer", "jwt", "sessionid", "refreshtoken", "idtoken"),
        *("clientsecret", "secretkey", "totp", "smscode", "verification_code", "recovery_code", "recaptchaV3"),
        *("passWord", "pass_word", "pass-word", "userPassWord", "pASSWORD", "pass_word_confirm", "pass phrase"),
        *("passPhrase", "pass_code", "passCode", "mypasscode", "pass_wd", "wacht_woord", "kenn_wort", "pass_wort"),
        *("pincode", "pin_code", "PINCode", "mdp", "pw", "user_pw", "password_hint", "passwordhint"),
        *("verificationcode", "verificatiecode", "oneTimeCode", "one_time_code", "2fa_code", "securityanswer"),
        *("cardNr", "card_nr", "card_no", "cardno", "cc_nr", "ccnr", "cc_exp", "cardExp", "bankCard", "bankpas"),
        *("account_nr", "accountNr", "accountno", "kaartnr", "kaart_nr", "bank_kaart_nr", "kartennr", "karten_nr"),
        *("kredit_karten_nummer", "kontonr", "konto_nr", "bank_konto_nr", "rekening_nr", "bankrekening"),
        *("kartenprüfnummer", "numero_de_carte", "numéroCarte", "credit_cardNr", "api-key", "x-api-key", "csrf_tok_en"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("compass", "passage", "passenger", "spinach", "opinion", "shipping", "pineapple", "tokenizer_name"),
        *("card", "business_card", "cardigan", "account", "account_manager", "number", "code", "postcode", "key"),
        *("email", "secretary", "", "bicycle", "ibanez", "order_number", "security", "cellphone"),
        *("bus_pass", "contact_authorization", "session", "event_session_id", "kaart", "kartenart", "tokenizer"),
        *("passport", "verification", "klantenkaartnummer", "Kundenkartennummer", "cost_bearer"),
        *("klanten_kaart_nr", "klantenkaartnr", "kunden_karten_nummer", "passion", "passport_number", "passing_words"),
        *("compass_word", "bypass_words", "compass_code", "spin", "spin_code", "shipping_code", "price_pw", "top_tp"),
        *("order_nr", "orderNr", "kundennr", "kunden_nr", "klantnummer", "invoice_no", "house_nr", "phone_nr"),
        *("session_id", "sessionId", "rekening", "postcard_number", "discount_code", "code_word", "word", "phrase"),
        *("account_name", "karten_art", "landkaart", "bank_passage", "time_code", "one_time", "c_sc", "accountability"),
    ],
)
def test_names_that_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("name", "lead_field"),
    [
        *((name, "name") for name in ("name", "full_name", "fullName", "your-name", "naam", "nom_complet")),
        *((name, GIVEN_NAME) for name in ("first_name", "firstName", "voornaam", "vorname", "prénom")),
        *((name, FAMILY_NAME) for name in ("last_name", "surname", "achternaam", "nachname", "nom")),
        *((name, "email") for name in ("email", "e-mail", "E_MAIL", "your_email", "email_address", "mailadres")),
        *((name, "phone") for name in ("phone", "phone_number", "telefoonnummer", "mobile", "Téléphone", "tel2")),
        *((name, "note") for name in ("message", "your-message", "comments", "bericht", "opmerking", "nachricht")),
        *((name, None) for name in ("company", "company_name", "street", "emailed", "phonetics", "subject", "")),
        *((name, None) for name in ("username", "newsletter", "email_opt_in", "message_type", "number", "your")),
    ],
)
def test_what_a_field_is_by_its_name(name: str, lead_field: str | None) -> None:
    assert lead_field_by_name(name) == lead_field


@pytest.mark.parametrize(
    ("field", "lead_field"),
    [
        (FormField(name="a", autocomplete="email"), "email"),
        (FormField(name="a", autocomplete="section-x shipping work TEL"), "phone"),
        (FormField(name="a", autocomplete="given-name"), GIVEN_NAME),
        (FormField(name="email", autocomplete="name", input_type="tel"), "name"),
        (FormField(name="message", input_type="email"), "email"),
        (FormField(name="phone", input_type="checkbox"), None),
        (FormField(name="email", input_type="radio"), None),
        (FormField(name="phone", kind="BooleanField"), None),
        (FormField(name="message", input_type="tel", autocomplete="off"), "phone"),
        (FormField(name="message", input_type="text", autocomplete="on"), "note"),
        (FormField(name="roof", input_type="text", autocomplete="street-address"), None),
    ],
    ids=[
        "token",
        "last token",
        "part",
        "token first",
        "type",
        "box",
        "choice",
        "yes or no",
        "type second",
        "name last",
        "nothing",
    ],
)
def test_the_order_is_autocomplete_then_type_then_name(field: FormField, lead_field: str | None) -> None:
    assert field.lead_field == lead_field


@pytest.mark.parametrize(
    ("field", "secret"),
    [
        (FormField(name="a", input_type="password"), True),
        (FormField(name="a", kind="ReCaptchaField Widget"), True),
        (FormField(name="a", autocomplete="one-time-code"), True),
        (FormField(name="a", autocomplete="New-Password"), True),
        (FormField(name="a", autocomplete="section-pay cc-number"), True),
        (FormField(name="a", autocomplete="CC-CSC"), True),
        (FormField(name="captcha"), True),
        (FormField(name="a", autocomplete="email"), False),
        (FormField(name="a", kind="CharField TextInput"), False),
    ],
    ids=["type", "class", "token", "token in any case", "card", "card in any case", "name", "email", "plain"],
)
def test_secret_fields(field: FormField, secret: bool) -> None:
    assert field.is_secret is secret


def fields(*names: str) -> list[FormField]:
    return [FormField(name=name) for name in names]


@pytest.mark.parametrize(
    ("names", "taken", "assigned"),
    [
        ((), (), {}),
        (("email", "your_email"), (), {"email": ("email",)}),
        (("first_name", "last_name"), (), {"name": ("first_name", "last_name")}),
        (("last_name", "first_name"), (), {"name": ("first_name", "last_name")}),
        (("last_name",), (), {"name": ("last_name",)}),
        (("first_name", "full_name"), (), {"name": ("full_name",)}),
        (("email", "phone"), ("email",), {"phone": ("phone",)}),
        (("first_name", "phone"), ("name",), {"phone": ("phone",)}),
        (("roof", "password"), (), {}),
    ],
    ids=["none", "first wins", "parts", "order of parts", "one part", "whole", "taken", "taken name", "no lead field"],
)
def test_assign(names: tuple[str, ...], taken: tuple[str, ...], assigned: dict[str, tuple[str, ...]]) -> None:
    assert assign(fields(*names), taken=taken) == assigned


@pytest.mark.parametrize(
    ("names", "blank", "assigned"),
    [
        (("phone", "mobile"), {"phone"}, {"phone": ("mobile",)}),
        (("phone", "mobile"), {"mobile"}, {"phone": ("phone",)}),
        (("phone", "mobile"), {"phone", "mobile"}, {"phone": ("phone",)}),
        (("phone", "mobile", "gsm"), {"phone"}, {"phone": ("mobile",)}),
        (("email", "business_email", "phone"), {"email"}, {"email": ("business_email",), "phone": ("phone",)}),
        (("voornaam", "first_name", "last_name"), {"voornaam"}, {"name": ("first_name", "last_name")}),
        (("last_name", "first_name"), {"last_name"}, {"name": ("first_name", "last_name")}),
        (("full_name", "first_name"), {"full_name"}, {"name": ("first_name",)}),
        (("full_name", "first_name", "last_name"), {"full_name", "last_name"}, {"name": ("first_name", "last_name")}),
        (("full_name", "first_name"), {"full_name", "first_name"}, {"name": ("full_name",)}),
        (("full_name", "your_name", "first_name"), {"full_name"}, {"name": ("your_name",)}),
    ],
    ids=[
        *("first", "second", "both", "one of three", "email", "part", "one part", "whole", "whole and part", "all"),
        "second whole",
    ],
)
def test_what_is_filled_in_comes_before_what_is_blank(
    names: tuple[str, ...], blank: set[str], assigned: dict[str, tuple[str, ...]]
) -> None:
    assert assign(fields(*names), blank=blank) == assigned


def test_a_secret_is_never_assigned() -> None:
    assert assign([FormField(name="email", input_type="password")]) == {}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"roof": "flat", "password": "x"}, {"roof": "flat"}),
        ({"a": {"b": [{"token": "x", "c": 1}]}}, {"a": {"b": [{"c": 1}]}}),
        ({"octa_sid": "x", "a": ({"octa_sid": "x"},)}, {"a": [{}]}),
        (dict.fromkeys(CONSENT, "granted"), {}),
        ({1: "a"}, {1: "a"}),
        ({"headers": {"Authorization": "Basic x", "Accept": "y"}}, {"headers": {"Accept": "y"}}),
        ({"card": {"number": "4111", "kind": "gold"}}, {"card": {"kind": "gold"}}),
        ({"bank": [{"account": "1", "city": "Ghent"}], "api": {"key": "x"}}, {"bank": [{"city": "Ghent"}], "api": {}}),
        ("password", "password"),
        (["password"], ["password"]),
        (None, None),
    ],
    ids=["flat", "nested", "session", "consent", "number", "header", "card", "bank", "text", "list", "none"],
)
def test_without_secrets(value: Any, kept: Any) -> None:
    assert without_secrets(value) == kept


def test_more_can_stay_at_home_at_any_depth() -> None:
    value = {"a": 1, "utm": 2, "b": [{"utm": {"c": 3}, "d": ({"utm": 4, "e": 5},)}]}
    assert without_secrets(value, also=lambda name: name == "utm") == {"a": 1, "b": [{"d": [{"e": 5}]}]}


def test_of_a_large_value_no_more_is_looked_at_than_is_kept() -> None:
    looked_at = []

    class Key(str):
        def __str__(self) -> str:
            looked_at.append(1)
            return super().__str__()

    kept = without_secrets({Key(f"key {number}"): [0] * 10_000 for number in range(10_000)})
    assert (len(kept), len(kept["key 1"])) == (200, 200)
    assert len(looked_at) < 1_000


def test_what_a_visitor_calls_a_field_is_not_remembered_whole() -> None:
    tracemalloc.start()
    try:
        for number in range(50):
            is_secret_name(f"{number}" + "x" * 200_000)
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("depth", [50, 990, 10_000])
def test_no_depth_is_an_error_and_none_lets_a_secret_through(depth: int) -> None:
    value: Any = {"password": "MARKER"}
    for _ in range(depth):
        value = {"a": [value]}
    assert "MARKER" not in str(without_secrets(value))


@given(st.text(st.characters(codec=None)))
def test_no_name_is_an_error(name: str) -> None:
    field = FormField(name=name, input_type=name, autocomplete=name, kind=name)
    assert field.is_secret in (True, False)
    assert isinstance(field.lead_field, str | None)
