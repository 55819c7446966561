from __future__ import annotations

import pytest

from django_octanist.attribution.found import Found
from django_octanist.attribution.merge import arriving, brings_something_new, merge, with_first_seen

COOKIES = {"gclid": Found("old", "cookie:_gcl_aw"), "fbp": Found("fb.1.2.3", "cookie:_fbp")}


def merged(
    *,
    query: dict[str, str] | None = None,
    referer: dict[str, str] | None = None,
    remembered: dict[str, str] | None = None,
    cookies: dict[str, Found] | None = None,
) -> dict[str, tuple[str, str]]:
    found = merge(
        arriving(query=query or {}, referer=referer or {}), remembered=remembered or {}, cookies=cookies or {}
    )
    return {name: tuple(value) for name, value in found.items()}


class TestPrecedence:
    def test_query_beats_referer_by_field(self) -> None:
        assert merged(query={"utm_source": "q"}, referer={"utm_source": "r", "gclid": "G"}) == {
            "utm_source": ("q", "query"),
            "gclid": ("G", "referer"),
        }

    @pytest.mark.parametrize("source", ["query", "referer"])
    def test_a_new_campaign_replaces_the_remembered_one_as_a_whole(self, source: str) -> None:
        found = merged(**{source: {"utm_source": "new"}}, remembered={"gclid": "old", "utm_medium": "cpc"})  # type: ignore[arg-type]
        assert found == {"utm_source": ("new", source)}

    def test_remembered_beats_cookies(self) -> None:
        assert merged(remembered={"gclid": "R"}, cookies=COOKIES)["gclid"] == ("R", "remembered")

    def test_cookies_alone(self) -> None:
        assert merged(cookies=COOKIES)["gclid"] == ("old", "cookie:_gcl_aw")

    @pytest.mark.parametrize("source", ["query", "referer", "remembered"])
    def test_an_old_click_does_not_travel_with_a_newer_one(self, source: str) -> None:
        found = merged(**{source: {"msclkid": "new"}}, cookies=COOKIES)  # type: ignore[arg-type]
        assert "gclid" not in found

    def test_a_click_that_only_a_cookie_knows_travels_with_utm_parameters(self) -> None:
        assert set(merged(query={"utm_source": "x"}, cookies=COOKIES)) == {"utm_source", "gclid", "fbp"}

    def test_the_browser_is_the_browser(self) -> None:
        assert merged(query={"msclkid": "new"}, cookies=COOKIES)["fbp"] == ("fb.1.2.3", "cookie:_fbp")


class TestFirstSeen:
    FRESH = {"fbc": Found("fb.1.900.IwAR", "query")}

    @pytest.mark.parametrize("own", ["fb.1.100.IwAR", "fb.1.100.IwAR.fifth"])
    def test_metas_cookie_of_the_same_click(self, own: str) -> None:
        cookies = {"fbc": Found(own, "cookie:_fbc")}
        assert with_first_seen(self.FRESH, remembered={}, cookies=cookies)["fbc"] == Found(own, "cookie:_fbc")

    def test_metas_cookie_of_another_click(self) -> None:
        cookies = {"fbc": Found("fb.1.100.Other", "cookie:_fbc")}
        assert with_first_seen(self.FRESH, remembered={}, cookies=cookies) == self.FRESH

    def test_the_remembered_click(self) -> None:
        found = with_first_seen(self.FRESH, remembered={"fbc": "fb.1.200.IwAR"}, cookies={})
        assert found["fbc"] == Found("fb.1.200.IwAR", "query")


class TestSomethingNew:
    @pytest.mark.parametrize(
        ("query", "remembered", "expected"),
        [
            ({}, {}, False),
            ({}, {"gclid": "a"}, False),
            ({"gclid": "a"}, {}, True),
            ({"gclid": "a"}, {"gclid": "a"}, False),
            ({"gclid": "A"}, {"gclid": "a"}, True),
            ({"gclid": "a"}, {"gclid": "a", "utm_source": "x"}, True),
            ({"fbc": "fb.1.900.I"}, {"fbc": "fb.1.100.I"}, False),
            ({"fbc": "fb.1.900.J"}, {"fbc": "fb.1.100.I"}, True),
        ],
    )
    def test_something_new(self, query: dict[str, str], remembered: dict[str, str], expected: bool) -> None:
        assert brings_something_new(arriving(query=query, referer={}), remembered=remembered) is expected
