"""Which field of a form is the name, the e-mail, the phone, the note, and which is a secret.

A field is found by its widget's ``autocomplete`` token, then its input type, then its name. Names are compared by
whole words (``compass`` is no password), in English, Dutch, German and French.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from .plain import MAX_DEPTH, TOO_DEEP
from .text import MAX_ITEMS
from .vocabulary import CONSENT, SESSION_FIELD

GIVEN_NAME = "given name"
FAMILY_NAME = "family name"

# https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#autofill-field
_AUTOCOMPLETE = {
    "name": "name",
    "given-name": GIVEN_NAME,
    "family-name": FAMILY_NAME,
    "email": "email",
    "tel": "phone",
    "tel-national": "phone",
}
_SECRET_AUTOCOMPLETE = {"current-password", "new-password", "one-time-code"}
_INPUT_TYPES = {"email": "email", "tel": "phone"}
_CHOOSING = {"checkbox", "radio", "file"}

_NAMES = {
    "name": {"name", "fullname", "full name", "naam", "volledige naam", "vollständiger name", "nom complet"},
    GIVEN_NAME: {"firstname", "first name", "given name", "forename", "voornaam", "vorname", "prenom", "prénom"},
    FAMILY_NAME: {
        *("lastname", "last name", "family name", "surname", "achternaam", "familienaam"),
        *("nachname", "familienname", "nom", "nom de famille"),
    },
    "email": {"email", "e mail", "mail", "emailaddress", "mailadres", "emailadres", "courriel", "business email"},
    "phone": {
        *("phone", "telephone", "tel", "mobile", "cell", "cellphone", "phonenumber", "gsm", "mobiel"),
        *("telefoon", "telefoonnummer", "telefon", "telefonnummer", "handy", "handynummer", "téléphone", "portable"),
        *("mobile phone", "business phone", "business number"),
    },
    "note": {
        *("note", "notes", "message", "comment", "comments", "remark", "remarks", "question", "enquiry", "inquiry"),
        *("bericht", "opmerking", "opmerkingen", "vraag", "nachricht", "bemerkung", "bemerkungen", "mitteilung"),
        *("commentaire", "commentaires", "remarque"),
    },
}
# Words that say nothing about what a field is.
_FILLERS = {
    *("your", "my", "contact", "customer", "client", "visitor", "work", "home", "number", "nr", "no"),
    *("address", "adres", "adresse", "uw", "je", "jouw", "ihr", "ihre", "deine", "votre", "field", "input"),
    *("nummer", "numero", "numéro", "de", "d"),
}

_SECRET_WORDS = {
    *("password", "passwords", "passwd", "passphrase", "passcode", "passkey", "pwd", "pin", "pincode", "otp", "mdp"),
    *("wachtwoord", "passwort", "kennwort", "captcha", "recaptcha", "hcaptcha", "altcha", "turnstile", "token", "csrf"),
    *("csrfmiddlewaretoken", "nonce", "secret", "apikey", "authtoken", "accesstoken", "jwt", "totp", "smscode"),
    *("secretkey", "clientsecret", "iban", "bic", "cvv", "cvc", "cvv2", "csc", "ssn", "bsn", "creditcard"),
    *("cardholder", "kontoinhaber", "kreditkarte", "kreditkartennummer", "bankaccount", "bankrekening", "bankkonto"),
    *("bankleitzahl", "sicherheitscode", "verificatiecode"),
}
# Words of their own only: a `session_id` may be that of a course.
_SECRET_AS_ONE_WORD = {"sessionid"}
# Inside a word, too: Dutch and German write compounds, and JSON knows no capitals.
_SECRET_PART = re.compile(
    r"password|passwort|passphrase|passcode|wachtwoord|kennwort|motdepasse|captcha|tokens?$|creditcard|kreditkart"
    r"|(bank|pin)pas(?!s)|kartenpr(ü|ue)f|(karten|kaart|konto|rekening)(nummer|nr)"
)
# Cards of a customer, a library, a visit or a field.
_NO_BANKS_CARD = re.compile(r"(klanten|kunden|bibliothee?k|visite|flur) ?(kaart|karten) ?(nummer|nr)")
# What else they are part of is no secret: a bus pass, an authorization to call back, the bearer of a cost.
_SECRET_ALONE = {"pass", "authorization", "bearer", "pw"}
_SECRET_PHRASES = (
    *("card holder", "card expiry", "card expiration", "card exp", "card code", "credit card", "debit card"),
    *("bank card", "cc expiry", "cc expiration", "cc exp", "bank account", "routing number", "sort code"),
    *("swift code", "security code", "security answer", "social security", "api key", "private key", "access key"),
    *("auth key", "mot de passe", "carte bancaire", "carte de credit", "carte de crédit", "user pass", "user pw"),
    *("verification code", "recovery code", "sms code", "one time code", "fa code", "mfa code", "auth code"),
    *("numero carte", "numéro carte", "numero de carte", "numéro de carte", "numero de compte", "numéro de compte"),
    *(
        f"{what} {number}"
        for what in ("card", "kaart", "karte", "karten", "carte", "cc", "account", "konto", "rekening")
        for number in ("number", "num", "nr", "no", "nummer", "numero", "numéro")
    ),
)
_TOGETHER = 3
"""Words of a name that may be one, written apart: "mot_de_passe"."""
_SHORTEST_APART = 6
"""Characters of a secret that is known when its one word is written apart. Shorter ones arise by chance: "to_tp"."""
_SECRETS = _SECRET_WORDS | _SECRET_AS_ONE_WORD | {phrase.replace(" ", "") for phrase in _SECRET_PHRASES}
_SECRETS_APART = {phrase.replace(" ", "") for phrase in _SECRET_PHRASES} | {
    word for word in _SECRET_WORDS if len(word) >= _SHORTEST_APART
}

MAX_NAME = 200
"""Characters of a name that are looked at."""

_WORD = re.compile(r"[A-Z]+(?![^\W\dA-Z_])|[A-Z]?[^\W\dA-Z_]+|\d+")


def words(name: str) -> list[str]:
    """Return the words of a field's ``name`` in lower case: ``billingAddress``, ``billing-address[2]`` → two words."""
    return [word.lower() for word in _WORD.findall(name[:MAX_NAME]) if not word.isdigit()]


def is_secret_name(name: str) -> bool:
    """Whether ``name`` speaks of a password, a captcha, a token, a card or a bank account."""
    # Cut first: what is remembered may have been typed by a visitor.
    return _is_secret_name(name[:MAX_NAME])


@lru_cache(maxsize=2_048)
def _is_secret_name(name: str) -> bool:
    # "cvv2" and "password1": the digits belong to the word or number the field.
    parts = _NO_BANKS_CARD.sub("*", " ".join(words(name))).split()
    return (
        bool(_SECRETS.intersection(parts))
        or any(map(_SECRET_PART.search, parts))
        or (len(parts) == 1 and parts[0] in _SECRET_ALONE)
        # Of words apart, a secret begins where a word does: "compass_word" is none.
        or any(word in _SECRETS_APART or _SECRET_PART.match(word) for word in _joined(parts))
    )


def _joined(parts: list[str]) -> list[str]:
    """Words that stand side by side as one: a password may be called ``passWord`` or ``pass-word``."""
    ends = range(2, _TOGETHER + 1)
    return ["".join(parts[at : at + count]) for count in ends for at in range(len(parts) - count + 1)]


def lead_field_by_name(name: str) -> str | None:
    """Return what the field called ``name`` is: an API name of the lead group, a part of a name, or ``None``."""
    parts = words(name)
    for candidate in (" ".join(parts), " ".join(part for part in parts if part not in _FILLERS)):
        for lead_field, known in _NAMES.items():
            if candidate in known:
                return lead_field
    return None


@dataclass(frozen=True, kw_only=True)
class FormField:
    """What detection looks at: a field's name, its widget's ``type`` and its ``autocomplete`` attribute."""

    name: str
    input_type: str = ""
    autocomplete: str = ""
    kind: str = ""

    @property
    def is_secret(self) -> bool:
        """Whether the field's value must not leave the site."""
        tokens = set(self.autocomplete.lower().split())
        return (
            self.input_type == "password"
            or "captcha" in self.kind.lower()
            or bool(tokens & _SECRET_AUTOCOMPLETE)
            or any(token.startswith("cc-") for token in tokens)
            or is_secret_name(self.name)
        )

    @property
    def lead_field(self) -> str | None:
        """What the field is, or ``None``: see :func:`lead_field_by_name`."""
        tokens = self.autocomplete.lower().split()
        # The last token names the field; "section-…", "shipping", "work" and the like may stand before it.
        by_token = _AUTOCOMPLETE.get(tokens[-1]) if tokens else None
        return by_token or _INPUT_TYPES.get(self.input_type) or (None if self._ticks else lead_field_by_name(self.name))

    @property
    def _ticks(self) -> bool:
        """Whether the field chooses: a box that is called ``phone`` is no number."""
        return self.input_type in _CHOOSING or "boolean" in self.kind.lower()


def assign(
    fields: Iterable[FormField], *, taken: Iterable[str] = (), blank: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Return which form fields make which lead field: of each kind the first, but of ``blank`` ones only where all are.

    ``taken`` are lead fields that were mapped explicitly. A whole name beats its parts.
    """
    found: dict[str, str] = {}
    for field in sorted(fields, key=lambda field: field.name in blank):
        lead_field = None if field.is_secret else field.lead_field
        if lead_field is not None:
            found.setdefault(lead_field, field.name)
    parts = tuple(found.pop(part) for part in (GIVEN_NAME, FAMILY_NAME) if part in found)
    if found.get("name") in blank and not set(parts).issubset(blank):
        del found["name"]
    assigned: dict[str, tuple[str, ...]] = {lead_field: (name,) for lead_field, name in found.items()}
    if parts:
        assigned.setdefault("name", parts)
    return {lead_field: names for lead_field, names in assigned.items() if lead_field not in set(taken)}


def without_secrets(
    value: Any, *, also: Callable[[str], bool] | None = None, depth: int = MAX_DEPTH, within: str = ""
) -> Any:
    """Return ``value`` less the secrets in it; also less the pixel's and the consent fields.

    ``also`` says of a name whether what it stands for stays at home, too. ``within`` is the name under which ``value``
    stands: ``{"card": {"number": …}}`` is a card number. What is nested deeper than ``depth`` levels cannot be looked
    through, and stays at home too. Of a level no more than ``text.MAX_ITEMS`` items are looked at, and no more are
    returned: a lead keeps no more.
    """
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if not depth:
        return TOO_DEEP
    if isinstance(value, Mapping):
        kept = ((key, item) for key, item in value.items() if not _stays_home(str(key), within=within, also=also))
        first = islice(kept, MAX_ITEMS)
        return {key: without_secrets(item, also=also, depth=depth - 1, within=str(key)) for key, item in first}
    return [without_secrets(item, also=also, depth=depth - 1, within=within) for item in value[:MAX_ITEMS]]


def _stays_home(name: str, *, within: str, also: Callable[[str], bool] | None) -> bool:
    is_own = name == SESSION_FIELD or name in CONSENT
    hides = is_own or is_secret_name(name) or (bool(within) and is_secret_name(f"{within[:100]} {name}"))
    return hides or (also is not None and also(name))
