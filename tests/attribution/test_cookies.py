from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.attribution.cookies import COOKIES, ga4_session, read_cookies
from django_octanist.attribution.found import Found
from django_octanist.vocabulary import Group, names

GCLID = "CjwKCAjw7pKFBhAuEiwAqIhV_BwE"
HEX = "e1ec00b0a1b211ec8d3d0242ac130003"

ROWS: list[tuple[str, str, str, str]] = [
    ("gclid", "_gcl_aw", f"GCL.1752073534.{GCLID}", GCLID),
    ("gclid", "_gcl_aw", f"1.1752073534.{GCLID}", GCLID),
    ("gclid", "_gcl_aw", f"GCL.1752073534.{GCLID}.label.more", GCLID),
    ("gclid", "_gcl_aw", f"GCL%2E1752073534%2E{GCLID}", GCLID),
    ("gclid", "_gcl_aw", f"XYZ.1752073534.{GCLID}", ""),
    ("gclid", "_gcl_aw", f"GCL.soon.{GCLID}", ""),
    ("gclid", "_gcl_aw", "GCL.1752073534", ""),
    ("gclid", "FPGCLAW", f"2.1.k{GCLID}$i1745150118", GCLID),
    ("gclid", "FPGCLAW", f"2.1.i1745150118$k{GCLID}", GCLID),
    ("gclid", "FPGCLAW", f"2.1.k{GCLID}%2C{GCLID}$i1745150118", GCLID),
    ("gclid", "FPGCLAW", f"GCL.1745150118.{GCLID}", GCLID),
    ("gclid", "FPGCLAW", "2.1.i1745150118", ""),
    ("dclid", "_gcl_dc", "GCL.1752073534.CNDisplay", "CNDisplay"),
    ("wbraid", "_gcl_gb", "GCL.1753406116.CloKCAjw", "CloKCAjw"),
    ("gbraid", "_gcl_ag", "2.1.k0AAAAAC_x$i1753406116$b77", "0AAAAAC_x"),
    ("fbc", "_fbc", "fb.1.1752073534000.IwAR2abc", "fb.1.1752073534000.IwAR2abc"),
    ("fbc", "_fbc", "fb.1.1752073534000.IwAR2abc.AQEB", "fb.1.1752073534000.IwAR2abc.AQEB"),
    ("fbc", "_fbc", "fb.1.x.IwAR2abc", ""),
    ("fbp", "_fbp", "fb.1.1777215624514.1056617089", "fb.1.1777215624514.1056617089"),
    ("fbp", "_fbp", "fb.1.1777215624514", ""),
    ("ga4cid", "_ga", "GA1.1.1866427.1735920393", "1866427.1735920393"),
    ("ga4cid", "_ga", "GA1.2-2.1866427.1735920393", "1866427.1735920393"),
    ("ga4cid", "_ga", "GA1.1.amp-xyz.1735920393", ""),
    ("ga4sid", "_ga_ABC123", "GS1.1.1746825440.14.0.1746825440.0.0.0", "1746825440"),
    ("ga4sid", "_ga_ABC123", "GS2.1.s1747132561$o1$g0$t1747132600$j60$l0$h0", "1747132561"),
    ("ga4sid", "_ga_ABC123", "GS2.1.o1$t1747132600$s1747132561", "1747132561"),
    ("ga4sid", "_ga_ABC123", "GS2.1.o1$t1747132600", ""),
    ("ga4sid", "_ga_ABC123", "GS3.1.1747132561", ""),
    ("li_fat_id", "li_fat_id", "1ff2b5a3-0b4c-4d1e-9c1e-000000000000", "1ff2b5a3-0b4c-4d1e-9c1e-000000000000"),
    ("msclkid", "_uetmsclkid", f"_uet{HEX}", HEX),
    ("msclkid", "_uetmsclkid", HEX, ""),
    ("ttclid", "ttclid", "E.C.P.CrIBabc-_", "E.C.P.CrIBabc-_"),
    ("twclid", "twclid", "2-4n3xAbc", "2-4n3xAbc"),
    ("twclid", "_twclid", "%7B%22twclid%22%3A%222-4n3xAbc%22%7D", "2-4n3xAbc"),
    ("twclid", "_twclid", "2-4n3xAbc", "2-4n3xAbc"),
    ("twclid", "_twclid", "%7B%22other%22%3A1%7D", ""),
    ("rdt_cid", "_rdt_cid", "1234.abc.5", "1234.abc.5"),
    ("rdt_cid", "rdt_cid", "1234.abc.5", "1234.abc.5"),
    ("sccid", "_scclid", "a1b2-C3", "a1b2-C3"),
    ("epik", "_epik", "dj0yJnU9", "dj0yJnU9"),
]


@pytest.mark.parametrize(("name", "cookie", "value", "expected"), ROWS, ids=[f"{r[1]}-{i}" for i, r in enumerate(ROWS)])
def test_a_platforms_cookie(name: str, cookie: str, value: str, expected: str) -> None:
    found = read_cookies({cookie: value})
    assert found == ({name: Found(expected, f"cookie:{cookie}")} if expected else {})


def test_every_click_and_browser_id_has_a_cookie() -> None:
    assert {name for name, _cookie, _decode in COOKIES} | {"ga4sid"} == set(names(Group.CLICK_ID))


@pytest.mark.parametrize("cookie", ["_rdt_uuid", "_scid", "_gcl_au", "_gid", "_uetsid", "_ga"])
def test_what_only_looks_like_one(cookie: str) -> None:
    assert read_cookies({cookie: "abc"}) == {}


def test_a_dclid_that_is_the_gclid_again() -> None:
    found = read_cookies({"_gcl_aw": f"GCL.1.{GCLID}", "_gcl_dc": f"GCL.1.{GCLID}"})
    assert set(found) == {"gclid"}


def test_the_next_cookie_counts_where_the_first_cannot_be_read() -> None:
    assert read_cookies({"_gcl_aw": "nonsense", "FPGCLAW": f"2.1.k{GCLID}"})["gclid"] == Found(GCLID, "cookie:FPGCLAW")


class TestSeveralContainers:
    COOKIES = {
        "_ga_OLD": "GS1.1.1700000000.3.1.1700000500.0.0.0",
        "_ga_NEW": "GS2.1.s1747132561$o1$g0$t1747132600",
        "_ga_BAD": "nonsense",
    }

    def test_the_latest_counts(self) -> None:
        assert read_cookies(self.COOKIES)["ga4sid"] == Found("1747132561", "cookie:_ga_NEW")

    @pytest.mark.parametrize("container", ["OLD", "G-OLD"])
    def test_or_the_one_that_the_setting_names(self, container: str) -> None:
        assert read_cookies(self.COOKIES, container=container)["ga4sid"] == Found("1700000000", "cookie:_ga_OLD")

    @pytest.mark.parametrize("container", ["BAD", "NONE"])
    def test_and_no_other(self, container: str) -> None:
        assert "ga4sid" not in read_cookies(self.COOKIES, container=container)

    def test_activity_counts_not_the_start(self) -> None:
        assert ga4_session("GS1.1.100.1.1.900.0") == (900, "100")


@given(
    st.dictionaries(
        st.sampled_from([*(cookie for _name, cookie, _decode in COOKIES), "_ga_X", "_ga_"]),
        st.text(st.characters(codec=None), max_size=60)
        | st.from_regex(r"\A(GCL|1|2|fb|GA1|GS1|GS2)\.[0-9]{0,3}\.[ks$%0-9A-Za-z.,]{0,20}\Z"),
    )
)
def test_no_cookie_whatever_raises(cookies: dict[str, str]) -> None:
    for found in read_cookies(cookies).values():
        assert found.value
        assert not re.search(r"[\s\x00-\x1f\x7f-\x9f]", found.value)
