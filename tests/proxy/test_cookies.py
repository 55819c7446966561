from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.proxy import cookies


def up(**sent: str) -> str:
    request = RequestFactory().post("/oct/e")
    request.COOKIES.update(sent)
    return cookies.header_of(request)


def down(*lines: str, secure: bool = False, may_keep: bool = True) -> Any:
    response = HttpResponse()
    cookies.pass_on(lines, RequestFactory().post("/oct/e", secure=secure), response, may_keep=may_keep)
    return response.cookies


def test_only_the_pixels_own_go_up() -> None:
    sent = {
        "sessionid": "secret",
        "octa_cid": "c-1",
        "csrftoken": "t",
        "octa_sid": "s-1",
        "xocta_a": "1",
        "OCTA_b": "1",
    }
    assert up(**sent) == "octa_cid=c-1; octa_sid=s-1"


def test_without_any_there_is_no_header() -> None:
    assert up(sessionid="secret") == ""


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a; sessionid=1", "a b", 'a"', "a,b", "ä", "a\x00", "x" * 1025])
def test_what_is_no_cookies_value_stays(value: str) -> None:
    assert up(octa_a=value, octa_b="fine") == "octa_b=fine"


def test_no_more_than_a_few_go_up() -> None:
    assert up(**{f"octa_{number}": "x" for number in range(100)}).count("=") == cookies.MOST


def test_only_the_pixels_own_come_back() -> None:
    assert list(down("sessionid=stolen; Path=/", "octa_cid=c-1; Path=/", "__Host-octa_x=1", "octa_=1", "")) == [
        "octa_cid"
    ]


def test_they_are_set_for_this_site_alone() -> None:
    morsel = down("octa_cid=c-1/2=; Domain=.example.com; Path=/x; Max-Age=3600; SameSite=None; HttpOnly", secure=True)[
        "octa_cid"
    ]
    morsel["expires"] = ""  # Django derives it from the age
    assert morsel.OutputString() == "octa_cid=c-1/2=; HttpOnly; Max-Age=3600; Path=/; SameSite=Lax; Secure"


def test_over_http_they_are_not_secure() -> None:
    assert down("octa_a=1; Secure")["octa_a"].OutputString() == "octa_a=1; Path=/; SameSite=Lax"


@pytest.mark.parametrize(
    ("age", "kept"),
    [("60", 60), ("0", 0), (str(10**11), cookies.MAX_AGE), ("-1", 0), ("x", ""), ("\u0665", ""), ("9" * 5000, "")],
)
def test_their_age(age: str, kept: object) -> None:
    assert down(f"octa_a=1; Max-Age={age}")["octa_a"]["max-age"] == kept


PAST, FUTURE = "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01-Jan-2100 00:00:00 GMT"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"Max-Age=-1; Expires={PAST}", 0),
        (f"Expires={PAST}", 0),
        ("Expires=Thu, 01-Jan-1970 00:00:00 GMT", 0),
        (f"Max-Age=x; Expires={PAST}", 0),
        (f"Max-Age=60; Expires={PAST}", 60),
        (f"Expires={FUTURE}", cookies.MAX_AGE),
        (f"Max-Age=0; Expires={FUTURE}", 0),
        ("Expires=soon", ""),
        (f"Expires=Thu, 01 Jan {'9' * 5000} 00:00:00 GMT", ""),
        ("Expires=", ""),
    ],
)
def test_until_when(said: str, kept: object) -> None:
    morsel = down(f"octa_a=; {said}")["octa_a"]
    assert morsel["max-age"] == kept
    assert morsel["expires"].endswith(" GMT") == isinstance(kept, int)


@pytest.mark.parametrize(
    "deletes", ["octa_cid=; Max-Age=0", "octa_cid=c-1; Max-Age=-1", f"octa_cid=; Expires={PAST}", "octa_cid=;max-age=0"]
)
def test_where_none_may_be_kept_only_deletions_come_back(deletes: str) -> None:
    kept = ("octa_a=1", "octa_b=1; Max-Age=60", f"octa_c=1; Expires={FUTURE}", f"octa_d=1; Max-Age=9; Expires={PAST}")
    found = down(*kept, deletes, may_keep=False)
    assert {name: morsel["max-age"] for name, morsel in found.items()} == {"octa_cid": 0}


@given(st.lists(st.text()))
def test_whatever_comes_back_no_header_is_made_of_it(lines: list[str]) -> None:
    for morsel in down(
        *lines, *(f"octa_a={line}" for line in lines), *(f"octa_a=1; Expires={line}" for line in lines)
    ).values():
        assert morsel.OutputString().isprintable()
        assert morsel.OutputString().isascii()


def test_the_client_id_is_given_once() -> None:
    request, response = RequestFactory().get("/oct/p?cookie=1", secure=True), HttpResponse()
    cookies.give_client_id(request, response)
    morsel = response.cookies["octa_cid"]
    assert UUID(morsel.value).version == 4
    assert (morsel["path"], morsel["samesite"], morsel["secure"], morsel["httponly"]) == ("/", "Lax", True, "")
    assert morsel["max-age"] == cookies.MAX_AGE
    request.COOKIES["octa_cid"] = morsel.value
    cookies.give_client_id(request, again := HttpResponse())
    assert not again.cookies
