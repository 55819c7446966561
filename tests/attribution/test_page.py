from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import example, given
from hypothesis import strategies as st

from django_octanist.attribution import Visit
from django_octanist.consent import Consent

SESSION = "550e8400-e29b-41d4-a716-446655440000"
ANYTHING = st.text(st.characters(codec=None), max_size=60)

rf = RequestFactory()


def page(**headers: str) -> tuple[str, str, str]:
    """Website, path and campaign of a request with ``headers``."""
    visit = Visit(rf.post("/api/leads/", headers={name.replace("_", "-"): value for name, value in headers.items()}))
    return visit.website, visit.path, visit.attribution.get("gclid", "")


API = ("http://testserver", "/api/leads/", "")


class TestHtmx:
    def test_its_page_counts_as_the_referer_does(self) -> None:
        assert page(HX_Current_URL="http://testserver/a/?gclid=G") == ("http://testserver", "/a/", "G")

    def test_it_says_more_than_a_referer_without_query(self) -> None:
        said = page(HX_Current_URL="http://testserver/a/?gclid=G", Referer="http://testserver/")
        assert said == ("http://testserver", "/a/", "G")

    def test_only_of_the_same_origin(self) -> None:
        assert page(HX_Current_URL="http://evil.example/a/?gclid=G", Origin="http://evil.example") == API

    def test_then_the_referer_counts(self) -> None:
        said = page(HX_Current_URL="http://evil.example/a/?gclid=G", Referer="http://testserver/b/?gclid=H")
        assert said == ("http://testserver", "/b/", "H")


class TestFrontEnd:
    @pytest.mark.parametrize("origin", ["https://www.example.com", "http://127.0.0.1:3000", "http://[::1]:3000"])
    def test_of_another_origin(self, origin: str) -> None:
        assert page(X_Octanist_Page=f"{origin}/a/?gclid=G#x", Origin=origin) == (origin, "/a/", "G")

    @pytest.mark.parametrize(
        "origin", ["", "null", "https://other.example.com", "https://www.example.com:444", "x://["]
    )
    def test_not_of_an_origin_that_the_browser_does_not_name(self, origin: str) -> None:
        assert page(X_Octanist_Page="https://www.example.com/a/?gclid=G", Origin=origin) == API

    def test_of_the_same_origin(self) -> None:
        assert page(X_Octanist_Page="http://testserver:80/a/?gclid=G") == ("http://testserver", "/a/", "G")

    def test_a_file_is_no_page(self) -> None:
        assert page(X_Octanist_Page="file:///a/?gclid=G", Origin="file://") == API

    def test_whose_it_is_does_not_come_along(self) -> None:
        said = page(X_Octanist_Page="https://jo:secret@www.example.com/", Origin="https://www.example.com")
        assert said[0] == "https://www.example.com"


class Lines(Mapping[str, str]):
    """Headers as Starlette's, Werkzeug's and aiohttp's are: a mapping to the first, whose items are all lines."""

    def __init__(self, *lines: tuple[str, str]) -> None:
        self.lines = lines

    def __getitem__(self, name: str) -> str:
        return next(value for key, value in self.lines if key.lower() == name.lower())

    def __iter__(self) -> Iterator[str]:
        return iter({key.lower() for key, _value in self.lines})

    def __len__(self) -> int:
        return len(set(self))

    def items(self) -> Any:
        return list(self.lines)


class TestAnotherFramework:
    def test_everything_that_a_request_says(self) -> None:
        visit = Visit.from_headers(
            {
                "cookie": "cookieyes-consent=action:yes,analytics:yes,advertisement:no; _gcl_aw=GCL.1.Old",
                "referer": "https://example.com/a%20b/?gclid=G",
                "X-Octanist-Session-ID": SESSION,
            },
            url="https://example.com/leads?utm_source=Flyer",
        )
        assert visit.session == (SESSION, "header")
        assert visit.attribution == {
            "website": "https://example.com",
            "path": "/a%20b/",
            "gclid": "G",
            "utm_source": "Flyer",
        }
        assert visit.consent == Consent(
            ad_storage=False, ad_user_data=False, ad_personalization=False, analytics_storage=True
        )

    def test_cookies_in_several_headers(self) -> None:
        visit = Visit.from_headers(
            Lines(
                ("cookie", "cookieyes-consent=action:yes,analytics:yes,advertisement:yes"),
                ("Cookie", "_gcl_aw=GCL.1752073534.Old"),
            ),
            url="https://example.com/",
        )
        assert visit.consent.ad_storage is True
        assert visit.attribution["gclid"] == "Old"

    def test_its_own_path(self) -> None:
        visit = Visit.from_headers({}, url="https://example.com:8443/caf%C3%A9/?x=1")
        assert (visit.website, visit.path) == ("https://example.com:8443", "/caf%C3%A9/")

    @pytest.mark.parametrize(
        ("said", "source"),
        [
            ({"posted": {"octa_sid": SESSION}}, "form"),
            ({"body": {"a": [{"octa_sid": SESSION}]}}, "json"),
            ({"url": f"https://example.com/?octa_sid={SESSION}"}, "query"),
        ],
    )
    def test_the_session(self, said: dict[str, Any], source: str) -> None:
        assert Visit.from_headers({}, **{"url": "https://example.com/", **said}).session == (SESSION, source)

    def test_consent_posted(self) -> None:
        assert Visit.from_headers({}, url="", posted={"ad_storage": "granted"}).consent.ad_storage is True
        assert Visit.from_headers({}, url="", body={"ad_storage": "granted"}).consent.ad_storage is True

    @pytest.mark.parametrize("url", ["", "/leads", "http://[", "https://exa mple.com/", "https://", "https://a:b/"])
    def test_a_url_without_a_host_that_could_be_one(self, url: str) -> None:
        visit = Visit.from_headers({"referer": "https://example.com/?gclid=G"}, url=url)
        assert visit.attribution == {}

    @given(url=ANYTHING, cookie=ANYTHING, referer=ANYTHING)
    @example(url="\ud800", cookie="", referer="")
    def test_nothing_raises(self, url: str, cookie: str, referer: str) -> None:
        for address in (url, f"https://{url}/", f"https://example.com/{url}?{url}"):
            visit = Visit.from_headers({"Cookie": cookie, "Referer": referer, "X-Octanist-Page": url}, url=address)
            _ = (bool(visit), visit.session_id, visit.attribution, visit.sources, visit.consent)
