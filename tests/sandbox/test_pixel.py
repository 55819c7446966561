from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest

from django_octanist.sandbox.server import Sandbox

from .browser import chromium

pytestmark = pytest.mark.browser

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>Site</title>
<script src="{pixel}" data-id="OCT-SANDBOX1" data-consent-mode="{mode}"></script></head><body>
<form id="plain" method="post" action="/sent"><input name="email" value="jo@example.com"><button>Send</button></form>
<form id="rendered" method="post"><input type="hidden" name="octa_sid" value=""></form>
<form id="odd"><input name="appendChild"><input name="querySelectorAll"><input name="elements"></form>
<div id="later"></div></body></html>"""


class Site:
    """A website that carries the pixel, and keeps what its form sent."""

    def __init__(self, sandbox: Sandbox) -> None:
        site = self
        self.sent: list[list[tuple[str, str]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mode = "granted" if "granted" in self.path else "auto"
                body = PAGE.format(pixel=sandbox.pixel_url, mode=mode).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                site.sent.append(parse_qsl(body, keep_blank_values=True))
                self.do_GET()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)


@pytest.fixture
def site(sandbox: Sandbox) -> Iterator[Site]:
    site = Site(sandbox)
    site.thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    site.thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Any, site: Site) -> Iterator[Any]:
    context = browser.new_context()
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(site.url)
    yield page
    context.close()
    assert troubles == []


def session_of(page: Any) -> str:
    return str(page.evaluate("OCT.getSessionId()"))


def fields(page: Any, form: str) -> list[str]:
    script = "form => [...document.getElementById(form).getElementsByTagName('input')]"
    return list(page.evaluate(f"{script[:-1]}].filter(i => i.name === 'octa_sid').map(i => i.value)", form))


def test_the_session_stays_over_page_loads_in_a_tab(page: Any, site: Site, browser: Any) -> None:
    session = session_of(page)
    assert re.fullmatch(UUID, session)
    assert page.evaluate("sessionStorage.getItem('octa_sid')") == session
    page.reload()
    page.goto(f"{site.url}/other")
    assert session_of(page) == session
    other = browser.new_page()
    other.goto(site.url)
    assert session_of(other) != session
    other.close()


def test_every_form_has_the_field_once(page: Any) -> None:
    session = session_of(page)
    assert [fields(page, form) for form in ("plain", "rendered", "odd")] == [[session]] * 3
    assert page.evaluate("document.querySelector('#plain [name=octa_sid]').type") == "hidden"


@pytest.mark.parametrize(
    "markup",
    [
        '<form id="added"><input name="email"></form>',
        '<section><form id="added"><input name="octa_sid" type="hidden"></form></section>',
    ],
)
def test_forms_added_later_have_it_too(page: Any, markup: str) -> None:
    page.evaluate("markup => { document.getElementById('later').innerHTML = markup }", markup)
    page.wait_for_function("document.querySelector('#added [name=octa_sid]')?.value")
    assert fields(page, "added") == [session_of(page)]
    page.evaluate("document.getElementById('added').innerHTML = '<input name=phone>'")
    page.wait_for_function("document.querySelector('#added [name=octa_sid]')?.value")
    page.evaluate("document.body.append(document.createElement('p'))")
    assert fields(page, "added") == [session_of(page)]


def test_a_form_still_sends_with_the_session(page: Any, site: Site) -> None:
    session = session_of(page)
    page.evaluate("document.querySelector('#plain [name=octa_sid]').value = ''")
    page.click("text=Send")
    page.wait_for_url("**/sent")
    assert site.sent == [[("email", "jo@example.com"), ("octa_sid", session)]]
    assert session_of(page) == session


def test_without_storage_the_session_lasts_for_the_page(browser: Any, site: Site) -> None:
    page = browser.new_page()
    page.add_init_script("Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('blocked'); } })")
    page.goto(site.url)
    session = session_of(page)
    assert re.fullmatch(UUID, session)
    assert fields(page, "plain") == [session]
    page.close()


def test_outside_a_secure_context_an_id_is_made_too(browser: Any, site: Site) -> None:
    page = browser.new_page()
    page.add_init_script("Object.defineProperty(crypto, 'randomUUID', { value: undefined })")
    page.goto(site.url)
    assert re.fullmatch(UUID, session_of(page))
    page.close()


def test_loaded_twice_it_works_once(page: Any, sandbox: Sandbox) -> None:
    session = session_of(page)
    page.evaluate("window.first = OCT")
    page.add_script_tag(url=sandbox.pixel_url)
    assert page.evaluate("OCT === window.first")
    assert session_of(page) == session
    assert fields(page, "plain") == [session]


def test_the_cookie_waits_for_consent(page: Any, site: Site) -> None:
    assert "octa_cid" not in page.evaluate("document.cookie")
    page.evaluate("OCT.setConsent('granted')")
    cookie = page.evaluate("document.cookie")
    assert re.search(rf"octa_cid={UUID}", cookie)
    page.goto(f"{site.url}/granted")
    assert page.evaluate("document.cookie") == cookie


def test_submit_lead_form_sends_nothing(page: Any, sandbox: Sandbox) -> None:
    assert page.evaluate("OCT.submitLeadForm({email: 'jo@example.com'})") is None
    assert (sandbox.leads, sandbox.exchanges, sandbox.events) == ((), (), ())
