from __future__ import annotations

import re

import pytest

from django_octanist.vocabulary import (
    ATTRIBUTION,
    BY_NAME,
    CAMPAIGN,
    CONSENT,
    CONTACT,
    FIELDS,
    LEAD,
    MAX_LENGTH,
    QUERY,
    SESSION_ID,
    Group,
    names,
)

# As Octanist's documentation of POST /leads lists them.
DOCUMENTED = {
    Group.LEAD: "name email phone custom note",
    Group.SESSION: "sessionId",
    Group.PAGE: "website path",
    Group.CLICK_ID: "gclid dclid wbraid gbraid fbc fbp ga4cid ga4sid"
    " li_fat_id msclkid ttclid twclid rdt_cid sccid epik",
    Group.UTM: "utm_source utm_medium utm_campaign",
    Group.CONSENT: "ad_storage ad_user_data ad_personalization analytics_storage",
}


@pytest.mark.parametrize("group", Group, ids=lambda group: group.value)
def test_the_fields_of_each_group_in_the_order_of_the_documentation(group: Group) -> None:
    assert " ".join(names(group)) == DOCUMENTED[group]


def test_there_are_30_fields_and_each_once() -> None:
    assert len(FIELDS) == len(BY_NAME) == 30


def test_the_groups_that_others_derive_from() -> None:
    assert names() == ()
    assert names(*Group) == tuple(field.name for field in FIELDS)
    assert set(CONTACT) < set(LEAD)
    assert set(ATTRIBUTION) - set(CAMPAIGN) == {"website", "path"}
    assert len(CONSENT) == 4
    assert not {SESSION_ID, *LEAD, *CONSENT} & set(ATTRIBUTION)


def test_exactly_the_lead_group_is_personal() -> None:
    assert tuple(field.name for field in FIELDS if field.personal) == LEAD


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        *((name, name) for name in DOCUMENTED[Group.UTM].split()),
        *((name, name) for name in ("gclid", "dclid", "wbraid", "gbraid", "li_fat_id", "msclkid", "ttclid")),
        *((name, name) for name in ("twclid", "rdt_cid", "epik")),
        ("scclid", None),
        ("sccid", "sccid"),
        ("fbclid", "fbc"),
        ("fbc", None),
        ("fbp", None),
        ("ga4cid", None),
        ("utm_term", None),
        ("email", None),
    ],
)
def test_query_parameters(parameter: str, name: str | None) -> None:
    assert QUERY.get(parameter) == name


def test_query_parameters_are_in_lower_case() -> None:
    assert all(re.fullmatch(r"[a-z_]+", parameter) for parameter in QUERY)
    assert set(QUERY.values()) <= set(CAMPAIGN)


def test_every_field_is_capped() -> None:
    assert {field.name: field.max_length for field in FIELDS if field.max_length != MAX_LENGTH} == {
        "name": 500,
        "email": 320,
        "phone": 100,
        "sessionId": 128,
    }
