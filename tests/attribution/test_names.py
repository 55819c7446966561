from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.attribution import is_campaign_name
from django_octanist.attribution.cookies import COOKIES
from django_octanist.vocabulary import CAMPAIGN, QUERY


@pytest.mark.parametrize("name", [*CAMPAIGN, *QUERY, *(cookie for _name, cookie, _decode in COOKIES)])
def test_all_that_the_app_reads(name: str) -> None:
    for written in (name, name.upper(), name.title(), f"lead_{name}", f"contact-{name}", f"{name}_1"):
        if name != "_ga" or written == name:
            assert is_campaign_name(written), written


@pytest.mark.parametrize(
    "name",
    [
        *("ScCid", "sc_cid", "GCLID", "gclid[]", "hidden.fbclid", "li-fat-id", "liFatId", "rdtCid", "_fbp", "_ga"),
        *("_ga_ABC123", "utm_term", "UTM_Content", "utm_id", "utm-source", "utmSource", "utmterm", "utm_anything"),
        *("first_utm_source", "UTM"),
    ],
)
def test_however_it_is_written(name: str) -> None:
    assert is_campaign_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "campaign",
        "source",
        "medium",
        "utmost",
        "ga",
        "garage",
        "click_id",
        "session",
        "fat_id",
        "epikouros",
        "roof",
    ],
)
def test_what_is_no_campaign(name: str) -> None:
    assert not is_campaign_name(name)


@given(st.text(st.characters(codec=None)))
def test_no_name_is_an_error(name: str) -> None:
    assert is_campaign_name(name) in (True, False)
