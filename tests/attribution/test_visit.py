from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, QueryDict
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.attribution import (
    MAX_QUERY,
    NOTHING,
    Found,
    Visit,
    first_session_id,
    form_session_id,
    nested_session_id,
    parse_query,
    read_session_id,
    visit_of,
)
from django_octanist.consent import Consent
from django_octanist.vocabulary import CAMPAIGN, MAX_LENGTH, QUERY, SESSION_ID

SESSION = "550e8400-e29b-41d4-a716-446655440000"
NOW_MS = 1_700_000_000_000
ANY_TEXT = st.text(st.characters(codec=None), max_size=100)
# What a server can hand on: bytes, each as one character.
HEADER = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=100)
PARAMETERS = st.lists(st.tuples(st.sampled_from([*QUERY, "octa_sid", "x"]), HEADER), max_size=5)

rf = RequestFactory()


def parsed(query: str) -> dict[str, str]:
    return parse_query(query, now_ms=NOW_MS)


def read(request: HttpRequest) -> Visit:
    """Return the visit of ``request`` with everything in it read once."""
    visit = Visit(request)
    _ = (bool(visit), visit.session_id, visit.website, visit.path, visit.attribution, visit.sources, visit.consent)
    return visit


def post_json(body: Any, path: str = "/", **headers: Any) -> HttpRequest:
    raw = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return rf.generic("POST", path, raw, content_type="application/json", headers=headers)


class TestParseQuery:
    @pytest.mark.parametrize("parameter", [parameter for parameter in QUERY if parameter != "fbclid"])
    def test_each_parameter_alone_is_worth_keeping(self, parameter: str) -> None:
        assert parsed(f"{parameter}=Ab.C-_9") == {QUERY[parameter]: "Ab.C-_9"}

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", {}),
            ("gclid", {}),
            ("gclid=", {}),
            ("gclid=%00%20", {}),
            ("GCLID=AbC", {"gclid": "AbC"}),
            ("ScCid=AbC", {"sccid": "AbC"}),
            ("fbclid=IwAR", {"fbc": f"fb.1.{NOW_MS}.IwAR"}),
            ("utm_source=a+b%20c", {"utm_source": "a b c"}),
            ("utm_source=a%2520b", {"utm_source": "a%20b"}),
            ("utm_source=Zo%C3%AB", {"utm_source": "Zoë"}),
            ("utm_source=%FF", {"utm_source": "\ufffd"}),
            ("utm_source=a%0D%0Ab%00", {"utm_source": "a b"}),
            ("gclid=first&gclid=second", {"gclid": "first"}),
            ("gclid=&gclid=second", {"gclid": "second"}),
            ("x=1&&&=&gclid=G;utm_source=a", {"gclid": "G;utm_source=a"}),
            ("email=jo&utm_term=x&utm_content=y&fbp=z&ga4cid=1", {}),
        ],
    )
    def test_what_a_query_gives(self, query: str, found: dict[str, str]) -> None:
        assert parsed(query) == found

    def test_over_long_values_are_cut(self) -> None:
        assert parsed("utm_source=" + "x" * 5000) == {"utm_source": "x" * MAX_LENGTH}

    @pytest.mark.parametrize("query", ["a=1&" * 100_000 + "gclid=G", "&".join(f"a{n}=1" for n in range(2000))])
    def test_an_oversized_query_gives_nothing(self, query: str) -> None:
        assert parsed(query) == {}

    def test_what_stands_before_the_cap_of_a_query_is_read(self) -> None:
        assert parsed("gclid=G&x=" + "x" * 2 * MAX_QUERY) == {"gclid": "G"}

    @given(ANY_TEXT)
    def test_no_query_is_an_error(self, query: str) -> None:
        for value in (query, f"gclid={query}", f"{query}=x&fbclid={query}"):
            assert parsed(value).keys() <= set(CAMPAIGN)


class TestSessionId:
    @pytest.mark.parametrize(
        ("raw", "found"),
        [
            (SESSION, Found(SESSION, "form")),
            (f" {SESSION} ", Found(SESSION, "form")),
            ("a/b+c=~", Found("a/b+c=~", "form")),
            ("x" * 128, Found("x" * 128, "form")),
            ("x" * 129, Found("", "refused: too long (form)")),
            ("two words", Found("", "refused: unprintable (form)")),
            ("a\x00b", Found("", "refused: unprintable (form)")),
            ("a\n", Found("", "refused: unprintable (form)")),
            ("Zoë", Found("", "refused: unprintable (form)")),
            ("\ud800", Found("", "refused: unprintable (form)")),
            ("", NOTHING),
            (None, NOTHING),
            (5, NOTHING),
            (b"abc", NOTHING),
            ([SESSION], NOTHING),
        ],
        ids=lambda value: f"{value!a:.20}",
    )
    def test_what_can_be_one(self, raw: Any, found: Found) -> None:
        assert read_session_id(raw, source="form") == found

    def test_the_first_usable_one_wins_and_a_refused_one_is_remembered(self) -> None:
        refused = Found("", "refused: too long (form)")
        assert first_session_id() == NOTHING
        assert first_session_id(NOTHING, refused, Found("", "other")) == refused
        assert first_session_id(refused, Found("a", "header"), Found("b", "query")) == Found("a", "header")

    def test_a_forms_prefix(self) -> None:
        assert form_session_id(QueryDict("c-octa_sid=a"), prefix="c") == Found("a", "form")
        assert form_session_id(QueryDict("c-octa_sid=a&octa_sid=b"), prefix="c") == Found("b", "form")
        assert form_session_id(QueryDict("c-octa_sid=a&octa_sid="), prefix="c") == Found("a", "form")
        assert form_session_id(QueryDict("c-octa_sid=a")) == NOTHING

    @pytest.mark.parametrize(
        "body",
        [
            {"octa_sid": SESSION},
            {"data": {"fields": [{"x": 1}, {"octa_sid": SESSION}]}},
            [[[[{"octa_sid": SESSION}]]]],
            {"octa_sid": None, "form": {"octa_sid": SESSION}},
            {"octa_sid": {"octa_sid": SESSION}},
            {"octa_sid": "two words", "form": {"octa_sid": SESSION}},
        ],
        ids=["top", "nested", "lists", "null first", "in itself", "refused first"],
    )
    def test_at_any_depth_of_json(self, body: Any) -> None:
        assert nested_session_id(body) == Found(SESSION, "json")

    def test_at_a_depth_that_recursion_could_not_reach(self) -> None:
        body: Any = {"octa_sid": SESSION}
        for _ in range(5_000):
            body = [body]
        assert nested_session_id(body) == Found(SESSION, "json")

    @pytest.mark.parametrize(
        "body",
        [
            {"a": {"b": {"octa_sid": "deep"}}, "octa_sid": "top"},
            {"a": {"octa_sid": "top"}, "b": {"c": {"octa_sid": "deep"}}},
            {"b": {"c": {"octa_sid": "deep"}}, "a": {"octa_sid": "top"}},
        ],
        ids=["top", "first", "last"],
    )
    def test_the_shallowest_of_several(self, body: Any) -> None:
        assert nested_session_id(body).value == "top"

    @pytest.mark.parametrize("body", [None, 5, "octa_sid", [], {}, {"sid": SESSION}, [SESSION]], ids=str)
    def test_json_without_one(self, body: Any) -> None:
        assert nested_session_id(body) == NOTHING


class TestSources:
    """The session id: posted form, header, JSON body, query, in that order."""

    @pytest.mark.parametrize(
        ("request_", "found"),
        [
            (rf.get("/"), NOTHING),
            (rf.get("/?octa_sid=q"), Found("q", "query")),
            (rf.post("/?octa_sid=q", {"octa_sid": "f"}), Found("f", "form")),
            (
                rf.post("/?octa_sid=q", {"octa_sid": "f"}, headers={"X-Octanist-Session-ID": "h"}),
                Found("f", "form"),
            ),
            (post_json({"octa_sid": "j"}, "/?octa_sid=q", **{"X-Octanist-Session-ID": "h"}), Found("h", "header")),
            (post_json({"a": [{"octa_sid": "j"}]}, "/?octa_sid=q"), Found("j", "json")),
            (post_json({"octa_sid": ""}, "/?octa_sid=q"), Found("q", "query")),
            (post_json({"octa_sid": "x" * 200}, "/?octa_sid=q"), Found("q", "query")),
            (post_json({"octa_sid": "x" * 200}), Found("", "refused: too long (json)")),
            (rf.post("/", {"octa_sid": "\x00\x01"}), Found("", "refused: unprintable (form)")),
            (rf.get("/", headers={"X-Octanist-Session-ID": "x" * 500}), Found("", "refused: too long (header)")),
        ],
        ids=[
            *("none", "query", "form", "form beats header", "header beats JSON", "JSON beats query", "empty"),
            *("refused gives way", "refused JSON", "binary form", "long header"),
        ],
    )
    def test_the_order(self, request_: HttpRequest, found: Found) -> None:
        visit = read(request_)
        assert visit.session == found
        assert visit.session_id == found.value
        assert bool(visit) is bool(found.value)
        assert visit.sources.get(SESSION_ID, "") == found.source

    def test_a_multipart_form_with_a_file(self) -> None:
        visit = read(rf.post("/", {"octa_sid": "f", "photo": SimpleUploadedFile("roof.jpg", b"\xff\xd8" * 1000)}))
        assert visit.session == Found("f", "form")


class TestPosted:
    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("application/x-www-form-urlencoded; charset=latin-1", b"octa_sid=f"),
            ("application/x-www-form-urlencoded; charset=nonsense", b"\xff"),
            ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(2000))),
            ("multipart/form-data", b"x"),
            ("multipart/form-data; boundary=", b"x"),
            ("multipart/form-data; boundary=b", b"--b\r\n"),
            ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'),
            ("multipart/form-data; boundary=\xff", b"x"),
            (
                "multipart/form-data; boundary=b",
                b"--b\r\nContent-Disposition: form-data; name=a; filename=a\r\n%s: base64\r\n\r\n!"
                % b"Content-Transfer-Encoding",
            ),
            ("application/json", b""),
            ("application/json", b"{"),
            ("application/json", b"\xff\xfe"),
            ("application/json", b'"octa_sid"'),
            ("application/json", b"5"),
            ("application/json", b"[null]"),
            ("application/json", b"9" * 5000),
            ("application/json; charset=nonsense", b'{"a": "\xff"}'),
            ("application/json", b"[" * 100_000),
            ("application/json", b'{"ad_storage":' * 900 + b"1" + b"}" * 900),
            ("text/html", b"octa_sid=f"),
            ("", b"octa_sid=f"),
            (";;;", b"octa_sid=f"),
        ],
        ids=lambda value: f"{value[:48]!a}",
    )
    def test_a_body_that_cannot_be_read_gives_nothing(self, content_type: str, body: bytes) -> None:
        visit = read(rf.generic("POST", "/?utm_source=a", body, content_type=content_type))
        assert visit.session == NOTHING
        assert visit.consent in (Consent(), Consent(ad_storage=False))
        assert visit.attribution["utm_source"] == "a"

    @override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10)
    @pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
    def test_a_body_that_is_too_big_gives_nothing(self, content_type: str) -> None:
        assert read(rf.generic("POST", "/", b"octa_sid=" + b"x" * 50, content_type=content_type)).session == NOTHING

    @pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
    def test_a_body_that_the_view_read_as_a_stream(self, content_type: str) -> None:
        request = rf.generic("POST", "/?octa_sid=q", b'{"octa_sid": "j"}', content_type=content_type)
        request.read()
        assert read(request).session == Found("q", "query")

    def test_a_body_that_breaks_off(self) -> None:
        request = rf.generic("POST", "/?octa_sid=q", b"octa_sid=f", content_type="application/x-www-form-urlencoded")

        def read_(*arguments: Any) -> bytes:
            raise OSError("the client hung up")

        request._stream.read = read_
        assert read(request).session == Found("q", "query")

    def test_reading_leaves_the_body_to_the_view(self) -> None:
        request = post_json({"octa_sid": "j"})
        assert read(request).session_id == "j"
        assert json.loads(request.body) == {"octa_sid": "j"}
        form = rf.post("/", {"octa_sid": "f", "a": "b"})
        assert read(form).session_id == "f"
        assert form.POST["a"] == "b"

    @given(
        st.sampled_from(
            ["application/json", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
        ),
        st.binary(max_size=200)
        | st.lists(
            st.sampled_from(
                [
                    *(b"--b\r\n", b"--b--", b"\r\n", b"\r\n\r\n", b'Content-Disposition: form-data; name="octa_sid"'),
                    *(b"; filename=x", b"Content-Type: text/plain; charset=", b"Content-Transfer-Encoding: base64"),
                    *(b"Content-Transfer-Encoding: quoted-printable", b"=", b"\x00", b"\xff", b"a", b"*=utf-8''%ff"),
                ]
            ),
            max_size=12,
        ).map(b"".join),
    )
    def test_no_body_is_an_error(self, content_type: str, body: bytes) -> None:
        read(rf.generic("POST", "/", body, content_type=content_type))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.text(),
            lambda item: st.lists(item) | st.dictionaries(st.sampled_from(["octa_sid", "ad_storage", "x"]), item),
        )
    )
    def test_no_json_is_an_error(self, body: Any) -> None:
        read(post_json(body))


class TestConsent:
    def test_of_a_form_beats_json(self) -> None:
        assert read(rf.post("/", {"ad_storage": "denied"})).consent == Consent(ad_storage=False)
        assert read(post_json({"ad_storage": True, "analytics_storage": "granted"})).consent == Consent(
            ad_storage=True, analytics_storage=True
        )

    @pytest.mark.parametrize("body", [[], [{"ad_storage": True}], "granted", None], ids=str)
    def test_json_that_is_no_object_says_nothing(self, body: Any) -> None:
        assert read(post_json(body)).consent == Consent()


class TestReferer:
    @pytest.mark.parametrize(
        ("referer", "same"),
        [
            ("http://testserver/landing?gclid=G", True),
            ("http://testserver:80/landing?gclid=G", True),
            ("HTTP://TESTSERVER/landing?gclid=G", True),
            ("http://testserver/landing?gclid=G#top", True),
            ("http://user@testserver/landing?gclid=G", True),
            ("https://testserver/landing?gclid=G", False),
            ("http://testserver:8000/landing?gclid=G", False),
            ("http://www.testserver/landing?gclid=G", False),
            ("http://testserver.example.com/landing?gclid=G", False),
            ("http://example.com/landing?gclid=G", False),
            ("//testserver/landing?gclid=G", False),
            ("/landing?gclid=G", False),
            ("testserver/landing?gclid=G", False),
            ("http://testserver:x/landing?gclid=G", False),
            ("http://testserver:99999/landing?gclid=G", False),
            ("http://[testserver/landing?gclid=G", False),
            ("http://testserver@example.com/landing?gclid=G", False),
            ("http:///landing?gclid=G", False),
            ("javascript:alert(1)?gclid=G", False),
            ("http://ﬀ℀/landing?gclid=G", False),
            ("", False),
        ],
        ids=ascii,
    )
    def test_counts_only_from_the_same_origin(self, referer: str, same: bool) -> None:
        visit = read(rf.post("/send", headers={"Referer": referer}))
        expected = ("/landing", "referer", "G") if same else ("/send", "request", None)
        assert (visit.path, visit.sources["path"], visit.attribution.get("gclid")) == expected
        assert visit.website == "http://testserver"

    @pytest.mark.parametrize(
        ("secure", "host", "referer", "same"),
        [
            (True, "example.com", "https://example.com/a", True),
            (True, "example.com", "https://example.com:443/a", True),
            (True, "example.com:443", "https://example.com/a", True),
            (True, "example.com", "http://example.com/a", False),
            (True, "example.com:8443", "https://example.com:8443/a", True),
            (True, "example.com:8443", "https://example.com/a", False),
            (False, "localhost:8000", "http://localhost:8000/a", True),
            (False, "localhost:8000", "http://127.0.0.1:8000/a", False),
            (False, "a.example.org", "http://b.example.org/a", False),
        ],
    )
    def test_ports_schemes_and_subdomains(self, secure: bool, host: str, referer: str, same: bool) -> None:
        visit = read(rf.post("/send", secure=secure, headers={"Host": host, "Referer": referer}))
        assert visit.path == ("/a" if same else "/send")
        assert visit.website == f"{'https' if secure else 'http'}://{host}"

    def test_without_a_path(self) -> None:
        assert read(rf.post("/send", headers={"Referer": "http://testserver"})).path == "/"

    def test_the_query_beats_it(self) -> None:
        visit = read(
            rf.post("/send?utm_source=query", headers={"Referer": "http://testserver/?utm_source=referer&utm_medium=m"})
        )
        assert visit.campaign == {"utm_source": Found("query", "query"), "utm_medium": Found("m", "referer")}
        assert visit.sources == {
            "website": "referer",
            "path": "referer",
            "utm_source": "query",
            "utm_medium": "referer",
        }

    @pytest.mark.parametrize(
        "host",
        ["evil.example", "testserver:x", "test server", "<script>", "testserver/../", "", "[::1", "a" * 300, "\x00"],
        ids=ascii,
    )
    def test_a_hostile_host_gives_no_page_and_no_referer(self, host: str) -> None:
        request = rf.get("/a?gclid=G&octa_sid=s", headers={"Referer": f"http://{host}/landing?utm_source=x"})
        request.META["HTTP_HOST"] = host
        visit = read(request)
        assert visit.attribution == {"gclid": "G"}
        assert (visit.website, visit.path, visit.session_id) == ("", "", "s")


class TestVisit:
    def test_of_a_page_view(self) -> None:
        visit = read(rf.get("/pages/r%C3%A9sum%C3%A9/?x=1"))
        assert not visit
        assert visit.attribution == {"website": "http://testserver", "path": "/pages/r%C3%A9sum%C3%A9/"}
        assert visit.sources == {"website": "request", "path": "request"}
        assert visit.consent == Consent()

    def test_is_true_with_a_campaign(self) -> None:
        assert Visit(rf.get("/?msclkid=x"))

    def test_fbclid_becomes_fbc_with_the_time_of_the_visit(self) -> None:
        fbc = read(rf.get("/?fbclid=IwAR_x")).attribution["fbc"]
        assert re.fullmatch(r"fb\.1\.\d{13}\.IwAR_x", fbc)

    def test_fbc_stays_the_same_within_a_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        visit = Visit(rf.get("/?fbclid=x"))
        first = visit.attribution
        monkeypatch.setattr("time.time", lambda: 0.0)
        assert visit.attribution == first

    def test_nothing_is_read_before_it_is_asked_for(self) -> None:
        request = rf.post("/", {"octa_sid": "f"})
        Visit(request)
        assert not hasattr(request, "_post")
        assert request.read()

    def test_a_query_with_too_many_parameters(self) -> None:
        query = "&".join(f"a{number}=1" for number in range(2000))
        visit = read(rf.get(f"/?octa_sid=q&{query}"))
        assert visit.session == NOTHING
        assert visit.attribution["path"] == "/"

    def test_of_a_request_made_by_hand(self) -> None:
        visit = read(HttpRequest())
        assert visit.attribution == {}
        assert visit.session == NOTHING

    def test_of_the_middleware_or_a_new_one(self) -> None:
        request = rf.get("/?octa_sid=a")
        assert visit_of(request).session_id == "a"
        mine = Visit(rf.get("/?octa_sid=b"))
        request.octanist = mine  # type: ignore[attr-defined]
        assert visit_of(request) is mine
        request.octanist = "of another package"  # type: ignore[attr-defined]
        assert visit_of(request).session_id == "a"

    @given(HEADER, HEADER, HEADER, HEADER, PARAMETERS)
    def test_no_header_is_an_error(
        self, query: str, referer: str, host: str, session: str, parameters: list[tuple[str, str]]
    ) -> None:
        pairs = "&".join(f"{name}={value}" for name, value in parameters)
        for own_host in (host, "testserver"):
            visit = read(
                rf.generic(
                    "GET",
                    "/",
                    QUERY_STRING=f"{query}&{pairs}",
                    HTTP_REFERER=f"http://{own_host}{referer}?{pairs}",
                    HTTP_HOST=own_host,
                    HTTP_X_OCTANIST_SESSION_ID=session,
                )
            )
            for value in (visit.session_id, *visit.attribution.values(), *visit.sources.values()):
                assert value == value.strip()
                assert not re.search(r"[\x00-\x1f\x7f-\x9f]", value)
                value.encode("utf-8")
