"""The 30 fields of Octanist's Create Lead API, as data.

This is the one place where they stand: the parser, the payload, the admin, the sandbox and the tests derive
from it. Source: Octanist's public API documentation, ``POST /leads``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MAX_LENGTH = 2_000
"""Characters that a value keeps. The API documents no limit; Octanist's own WordPress plugin cuts at 2,000."""


class Group(str, Enum):
    """What a field is about, in the order of the API's documentation."""

    LEAD = "lead"
    SESSION = "session"
    PAGE = "page"
    CLICK_ID = "click ID"
    UTM = "UTM"
    CONSENT = "consent"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of the API.

    ``max_length`` is in characters; ``personal`` says that the value alone can name a person; ``query`` are the
    URL parameters that carry it, in lower case (they are matched without regard to case).
    """

    name: str
    group: Group
    max_length: int = MAX_LENGTH
    personal: bool = False
    query: tuple[str, ...] = ()


def _click_id(name: str, *query: str) -> Field:
    return Field(name=name, group=Group.CLICK_ID, query=query)


FIELDS: tuple[Field, ...] = (
    Field(name="name", group=Group.LEAD, max_length=500, personal=True),
    # RFC 5321: 64 characters before the @ and 255 behind it. Longer is no address.
    Field(name="email", group=Group.LEAD, max_length=320, personal=True),
    Field(name="phone", group=Group.LEAD, max_length=100, personal=True),
    Field(name="custom", group=Group.LEAD, personal=True),
    Field(name="note", group=Group.LEAD, personal=True),
    Field(name="sessionId", group=Group.SESSION, max_length=128),
    Field(name="website", group=Group.PAGE),
    Field(name="path", group=Group.PAGE),
    _click_id("gclid", "gclid"),
    _click_id("dclid", "dclid"),
    _click_id("wbraid", "wbraid"),
    _click_id("gbraid", "gbraid"),
    _click_id("fbc", "fbclid"),
    _click_id("fbp"),
    _click_id("ga4cid"),
    _click_id("ga4sid"),
    _click_id("li_fat_id", "li_fat_id"),
    _click_id("msclkid", "msclkid"),
    _click_id("ttclid", "ttclid"),
    _click_id("twclid", "twclid"),
    _click_id("rdt_cid", "rdt_cid"),
    _click_id("sccid", "sccid"),
    _click_id("epik", "epik"),
    Field(name="utm_source", group=Group.UTM, query=("utm_source",)),
    Field(name="utm_medium", group=Group.UTM, query=("utm_medium",)),
    Field(name="utm_campaign", group=Group.UTM, query=("utm_campaign",)),
    Field(name="ad_storage", group=Group.CONSENT),
    Field(name="ad_user_data", group=Group.CONSENT),
    Field(name="ad_personalization", group=Group.CONSENT),
    Field(name="analytics_storage", group=Group.CONSENT),
)

BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}


def names(*groups: Group) -> tuple[str, ...]:
    """Return the API names of the fields in ``groups``, in the API's order."""
    return tuple(field.name for field in FIELDS if field.group in groups)


LEAD = names(Group.LEAD)
CONTACT = ("name", "email", "phone")
SESSION_ID = "sessionId"
ATTRIBUTION = names(Group.PAGE, Group.CLICK_ID, Group.UTM)
PAGE = names(Group.PAGE)
CAMPAIGN = names(Group.CLICK_ID, Group.UTM)
UTM = names(Group.UTM)
CONSENT = names(Group.CONSENT)

SOURCE_LENGTH = 120
"""Characters of a lead's source in one word (see ``attribution.source``)."""
SESSION_FIELD = "octa_sid"
"""The hidden form field that the pixel fills."""
SESSION_HEADER = "X-Octanist-Session-ID"
PAGE_HEADER = "X-Octanist-Page"
"""The header in which a front end of another origin says which page the visitor sees."""

QUERY: dict[str, str] = {parameter: field.name for field in FIELDS for parameter in field.query}
"""Query parameter, in lower case, to API name."""
