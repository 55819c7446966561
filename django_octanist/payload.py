"""Lead data → the exact JSON body of ``POST /leads``, obeying the contract.

Source of the rules: Octanist's public API documentation. Consent travels as real booleans, since the API takes
every string but ``true`` for a refusal; no empty strings; with a session, attribution would be ignored, and stays
at home.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from .exceptions import InvalidLeadError
from .text import clean_json, clean_line, clean_text
from .vocabulary import ATTRIBUTION, BY_NAME, CONSENT, CONTACT, SESSION_ID

FORM_KEY = "form"
SUBMISSION_KEY = "submission_id"


@dataclass(frozen=True, kw_only=True)
class LeadData:
    """What a lead says, by the API's groups. Its ``repr`` holds no personal data.

    ``custom`` is a mapping or list, to which the form and the submission id are added, or the site's own string.
    """

    submission_id: UUID
    form: str = ""
    name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    note: str = field(default="", repr=False)
    custom: Any = field(default=None, repr=False)
    session_id: str = field(default="", repr=False)
    attribution: Mapping[str, str] = field(default_factory=dict, repr=False)
    consent: Mapping[str, bool | None] = field(default_factory=dict, repr=False)


def build_payload(data: LeadData, *, with_session: bool = True) -> dict[str, Any]:
    """Return the JSON body for ``data``.

    ``with_session=False`` leaves the session out and lets the attribution travel: what is sent once Octanist has
    refused the session. Raises :class:`InvalidLeadError` where nothing identifies the lead.
    """
    body: dict[str, Any] = {
        "name": clean_line(data.name, max_length=BY_NAME["name"].max_length),
        "email": clean_line(data.email, max_length=BY_NAME["email"].max_length),
        "phone": clean_line(data.phone, max_length=BY_NAME["phone"].max_length),
        "custom": custom_with_reference(data),
        "note": clean_text(data.note),
    }
    body = {name: value for name, value in body.items() if value}
    if not body.keys() & set(CONTACT) and not clean_json(data.custom):
        raise InvalidLeadError("the lead has no name, email, phone or custom")
    if data.session_id and with_session:
        body[SESSION_ID] = data.session_id
        return body
    for name in ATTRIBUTION:
        value = clean_line(data.attribution.get(name) or "", max_length=BY_NAME[name].max_length)
        if value:
            body[name] = value
    return body | {name: data.consent.get(name) is True for name in CONSENT}


def custom_with_reference(data: LeadData) -> Any:
    """Return ``custom`` with the form and the submission id in it, by which the lead is found again.

    The site's own string stays as it is, and cannot be found by it. A list becomes ``{"items": […]}``. A field of
    the site's that has one of the two names moves aside (``field_form``).
    """
    custom = clean_json(data.custom)
    if isinstance(custom, str) and custom:
        return custom
    if not isinstance(custom, dict):
        custom = {"items": custom} if custom else {}
    reference = {FORM_KEY: data.form, SUBMISSION_KEY: str(data.submission_id)}
    for key in reference.keys() & custom.keys():
        aside = f"field_{key}"
        while aside in custom:
            aside = f"field_{aside}"
        custom[aside] = custom.pop(key)
    # First, so that nothing which cuts what is long off takes it for that.
    return {**{key: value for key, value in reference.items() if value}, **custom}
