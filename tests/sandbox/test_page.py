from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.test import override_settings

from django_octanist.sandbox import page as module
from django_octanist.sandbox.contract import accept
from django_octanist.sandbox.message import Request
from django_octanist.sandbox.page import SHOWN_EVENTS, SHOWN_LEADS, inbox, page_data, settings_for
from django_octanist.sandbox.rules import RULES
from django_octanist.sandbox.server import Sandbox
from django_octanist.sandbox.store import ReceivedEvent, Store

from .browser import chromium
from .conftest import SESSION

Send = Callable[..., requests.Response]
HOSTILE = "</script><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">'\"&{{ 1 }}"


@pytest.fixture
def store() -> Store:
    return Store(api_key="sandbox-key")


def render(store: Store, **headers: str) -> str:
    request = Request(method="GET", path="/", headers={"host": "127.0.0.1:8765", **headers})
    return inbox(store, request).body.decode()


def test_the_empty_page_says_what_to_do(store: Store) -> None:
    html = render(store)
    assert "No leads yet" in html
    assert "OCTANIST_API_URL = &quot;http://127.0.0.1:8765/api&quot;" in html
    assert "Nothing was refused." in html


def test_the_page_lists_every_rule(store: Store) -> None:
    html = render(store)
    for rule in RULES:
        assert f"…@{rule.domain}" in html


def test_a_lead_in_full(store: Store) -> None:
    store.add(
        accept({"name": "Jo", "phone": "1", "note": "Hi", "custom": {"form": "quote", "list": [1]}, "gclid": "abc"})
    )
    (lead,) = page_data(store, host="x")["leads"]
    html = render(store)
    assert (lead["title"], lead["contact"]) == ("Jo", ["1"])
    assert lead["custom"] == [("form", "quote"), ("list", "[1]")]
    assert "<b>gclid</b> abc" in html
    assert "No session. Octanist makes one" in html
    assert "No consent was sent" in html


def test_beside_a_session_nothing_is_said_of_consent_that_was_not_sent(store: Store) -> None:
    store.add(accept({"name": "Jo", "sessionId": SESSION}))
    html = render(store)
    assert "Consent is the session&#x27;s" in html or "Consent is the session's" in html
    assert "denied" not in html.partition('class="facts"')[2].partition("</li>")[0]


def test_beside_a_session_the_page_shows_what_was_ignored(store: Store) -> None:
    store.add(accept({"name": "Jo", "sessionId": SESSION, "gclid": "abc", "ad_storage": True, "ad_user_data": "no"}))
    html = render(store)
    assert f"Linked to session <code>{SESSION}</code>" in html
    assert "<b>gclid</b> <s>abc</s>" in html
    assert "ad_storage <b>granted</b>" in html
    assert "ad_user_data <b>denied</b>" in html
    assert "so denied: ad_personalization, analytics_storage" in html


@pytest.mark.parametrize(
    ("custom", "rows"), [("text", [("custom", "text")]), (["a", {"b": 1}], [("1", "a"), ("2", '{"b":1}')])]
)
def test_custom_as_rows(store: Store, custom: Any, rows: list[tuple[str, str]]) -> None:
    store.add(accept({"custom": custom}))
    assert page_data(store, host="x")["leads"][0]["custom"] == rows


def test_newest_first_and_no_more_than_fit(store: Store) -> None:
    for number in range(SHOWN_LEADS + 1):
        store.add(accept({"name": str(number)}))
    data = page_data(store, host="x")
    assert [lead["title"] for lead in data["leads"][:2]] == [str(SHOWN_LEADS), str(SHOWN_LEADS - 1)]
    assert len(data["leads"]) == SHOWN_LEADS
    assert f"{SHOWN_LEADS + 1} leads, the last {SHOWN_LEADS} shown" in render(store)


def test_markup_shows_as_text(store: Store) -> None:
    fields = {"name": HOSTILE, "email": HOSTILE, "note": HOSTILE, "gclid": HOSTILE, "custom": {HOSTILE: HOSTILE}}
    store.add(accept(fields))
    html = render(store, host=HOSTILE)
    assert "<img" not in html
    assert html.count("<script") == 1
    assert html.count("&lt;img src=x onerror=&quot;") == 7  # the host and six values


def note(store: Store, *, headers: dict[str, str] | None = None, **data: Any) -> None:
    store.note(ReceivedEvent(data={"mid": "OCT-SANDBOX1", **data}, headers=headers or {}))


class TestEvents:
    def test_none(self, store: Store) -> None:
        assert "None arrived. The stand-in sends one with each page" in render(store)

    def test_through_the_site(self, store: Store) -> None:
        seen = {"ip": "203.0.113.9", "country": "NL", "ua": "Firefox", "referer": "https://x.example/", "more": "x"}
        headers = {f"x-octanist-client-{name}": value for name, value in seen.items()}
        note(
            store, headers={**headers, "user-agent": "Python"}, type="page_view", sid=SESSION, url="https://x.example/a"
        )
        html = render(store)
        assert "1 pixel event<" in html
        assert f"Session <code>{SESSION}</code>" in html
        assert "Through the site, which saw:" in html
        for shown in ("<b>page_view</b>", "https://x.example/a", "<b>IP</b> 203.0.113.9", "<b>country</b> NL"):
            assert shown in html
        (event,) = page_data(store, host="x")["events"]
        assert event["client"] == {
            "IP": "203.0.113.9",
            "country": "NL",
            "browser": "Firefox",
            "referer": seen["referer"],
        }

    def test_from_the_browser_with_nothing_to_tell(self, store: Store) -> None:
        note(store, headers={"user-agent": "Firefox"})
        html = render(store)
        for shown in ("<b>event</b>", "No session", "Straight from the browser"):
            assert shown in html

    def test_through_a_site_that_saw_nothing(self, store: Store) -> None:
        note(store, headers={"x-octanist-client-ip": ""})
        assert "Through the site<" in render(store)

    def test_newest_first_and_no_more_than_fit(self, store: Store) -> None:
        for number in range(SHOWN_EVENTS + 1):
            note(store, type=str(number))
        events = page_data(store, host="x")["events"]
        assert [event["type"] for event in events] == [str(number) for number in range(SHOWN_EVENTS, 0, -1)]
        assert len({event["id"] for event in events}) == SHOWN_EVENTS
        assert f"{SHOWN_EVENTS + 1} pixel events, the last {SHOWN_EVENTS} shown" in render(store)

    def test_whatever_it_says_the_page_is_harmless(self, store: Store) -> None:
        note(store, headers={"x-octanist-client-ua": HOSTILE}, type=HOSTILE, sid=HOSTILE, url=HOSTILE)
        note(store, headers={"x-octanist-client-ip": "x" * 5000}, type="x" * 5000, sid={"a": "x" * 5000}, url="\ud800")
        html = render(store)
        assert "<img" not in html
        assert html.count("<script") == 1
        assert html.count("&lt;img src=x onerror=&quot;") == 4
        assert "x" * 200 + "…" in html
        assert "x" * 201 not in html

    def test_as_json(self, sandbox: Sandbox, http: requests.Session) -> None:
        address = f"{sandbox.url}/sandbox/events.json"
        assert http.get(address, timeout=5).json() == {"total": 0, "events": []}
        for number in range(2):
            data = {"mid": "OCT-SANDBOX1", "sid": SESSION, "event": str(number), "more": [{"a": "\ud800"}]}
            http.post(f"{sandbox.url}/e", json=data, headers={"X-Octanist-Client-IP": "203.0.113.9"}, timeout=5)
        answer = http.get(address, timeout=5)
        newest, oldest = answer.json()["events"]
        assert (answer.json()["total"], newest["type"], oldest["type"]) == (2, "1", "0")
        assert (newest["session_id"], newest["through_site"], newest["client"]) == (
            SESSION,
            True,
            {"IP": "203.0.113.9"},
        )
        assert (newest["data"], newest["headers"]["x-octanist-client-ip"]) == (data, "203.0.113.9")
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert sandbox.exchanges == ()

    def test_the_deepest_that_is_taken_is_shown(self, sandbox: Sandbox, http: requests.Session) -> None:
        taken = 0
        for depth in range(900, 1000):
            body = b'{"mid": 1, "a": ' + b"[" * depth + b"]" * depth + b"}"
            taken += http.post(f"{sandbox.url}/e", data=body, timeout=5).status_code == 204
        assert http.get(f"{sandbox.url}/sandbox/events.json", timeout=5).text.startswith(f'{{"total": {taken},')


@override_settings(TEMPLATES=[], USE_THOUSAND_SEPARATOR=True)
def test_the_sites_template_settings_play_no_part(store: Store) -> None:
    store.add(accept({"name": "Jo"}))
    assert "Jo" in render(store)


def test_an_unchanged_page_is_304(store: Store) -> None:
    request = Request(method="GET", path="/", headers={"host": "localhost"})
    etag = inbox(store, request).headers["ETag"]
    again = Request(method="GET", path="/", headers={"host": "localhost", "if-none-match": etag})
    assert (inbox(store, again).status, inbox(store, again).body) == (304, b"")
    store.add(accept({"name": "Jo"}))
    assert inbox(store, again).status == 200


def test_settings_to_paste_are_python() -> None:
    values: dict[str, str] = {}
    exec(settings_for("http://localhost:1", api_key='a"b'), {}, values)
    assert values == {
        "OCTANIST_API_URL": "http://localhost:1/api",
        "OCTANIST_API_KEY": 'a"b',
        "OCTANIST_PIXEL_URL": "http://localhost:1/p",
        "OCTANIST_PIXEL_ID": "OCT-SANDBOX1",
    }


def test_files_and_headers(sandbox: Sandbox, http: requests.Session) -> None:
    page = http.get(f"{sandbox.url}/", timeout=5)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "onclick" not in page.text
    for path, kind in (("/p", "application/javascript"), ("/sandbox/inbox.js", "application/javascript")):
        assert http.get(sandbox.url + path, timeout=5).headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert http.get(f"{sandbox.url}/sandbox/inbox.css", timeout=5).headers["Content-Type"].startswith("text/css")


def test_leads_as_json(sandbox: Sandbox, http: requests.Session, send: Send) -> None:
    send(name="1")
    send(name="2", sessionId=SESSION, gclid="x", custom={"a": 1})
    data = http.get(f"{sandbox.url}/sandbox/leads.json", timeout=5).json()["leads"]
    assert [lead["fields"]["name"] for lead in data] == ["2", "1"]
    assert (data[0]["session_id"], data[0]["ignored"], data[0]["custom"]) == (SESSION, {"gclid": "x"}, {"a": 1})
    assert json.dumps(data)


def test_refused_requests_are_shown_with_their_reason(sandbox: Sandbox, http: requests.Session, send: Send) -> None:
    send(email="jo@example.com", utm_term="x")
    send(email="jo@example.com", key="wrong")
    html = http.get(sandbox.url, timeout=5).text
    assert html.index("UNAUTHORIZED") < html.index("VALIDATION_ERROR")
    assert "The API has no field utm_term" in html


@pytest.mark.browser
def test_in_a_browser(sandbox: Sandbox, send: Send) -> None:
    troubles: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 700})
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text))
        page.goto(sandbox.url)
        for number in range(8):
            send(name=f"Jo {number}", note=HOSTILE, gclid="x" * 300)
        page.wait_for_selector("#leads li:nth-child(8)")
        page.evaluate("scrollTo(0, 900)")
        before = page.evaluate("document.querySelectorAll('#leads > li')[4].getBoundingClientRect().top")
        send(name="Late", custom={HOSTILE: HOSTILE})
        page.wait_for_selector("#leads li:nth-child(9)")
        after = page.evaluate("document.querySelectorAll('#leads > li')[5].getBoundingClientRect().top")
        assert abs(before - after) < 2
        sandbox._store.note(ReceivedEvent(data={"mid": HOSTILE, "type": HOSTILE, "url": "x" * 300}, headers={}))
        page.wait_for_selector("#events li")
        assert page.inner_text("#event-count") == "1 pixel event"
        assert page.title() == "(9) Octanist sandbox"
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.select_option("[name=status]", "403")
        page.click("text=Arm")
        page.wait_for_selector("#faults li")
        assert send(name="Jo").status_code == 403
        page.wait_for_selector("#refused li")
        page.click("text=Clear all")
        page.wait_for_selector(".empty")
        page.wait_for_selector("#events li", state="detached")
        assert sandbox.leads == ()
        assert troubles == []
        sandbox.stop()
        page.wait_for_selector("html.stopped")


def test_the_files_are_read_once() -> None:
    assert module._read("pixel.js") is module._read("pixel.js")
