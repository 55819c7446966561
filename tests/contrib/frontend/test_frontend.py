"""README's snippet in headless Chromium, on a page of another origin than the API."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client

from django_octanist.capture import storing
from django_octanist.models import Lead
from django_octanist.sandbox.server import Sandbox
from tests.contrib.frontend import settings as site
from tests.sandbox.browser import chromium
from tests.ways import EMAIL, WayIn, _fails

Error = pytest.importorskip("playwright.sync_api", reason="needs playwright").Error
README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
[SNIPPET] = re.findall(r"```javascript\n(.*?)```", README, re.DOTALL)
PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>Front end</title>{pixel}<script>{snippet}</script>
</head><body><form><input name="name" value="Jo"><input name="email" value="jo@example.com"></form></body></html>"""
JSON = {"name": "Jo", "email": EMAIL}
SEND = {
    "JSON": f"url => sendLead(url, {JSON!r})",
    "FormData": "url => sendLead(url, new FormData(document.forms[0]))",
}
LANDING = "/roofs/?gclid=Click-1&utm_source=google&utm_medium=cpc"


class FrontEnd:
    """A website of static pages, which may carry the pixel."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.pixel = f'<script src="{sandbox.pixel_url}" data-id="OCT-SANDBOX1" data-consent-mode="granted"></script>'
        front_end = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = PAGE.format(pixel=front_end.pixel, snippet=SNIPPET).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def url(self, *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server.server_port}"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


@pytest.fixture
def front_end(sandbox: Sandbox) -> Iterator[FrontEnd]:
    started = FrontEnd(sandbox)
    started.thread.start()
    yield started
    started.server.shutdown()
    started.server.server_close()
    started.thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Playwright's loop runs in this thread, in which the tests use the database, too.
    with pytest.MonkeyPatch.context() as patch, chromium() as started:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield started


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("body", SEND)
class TestInABrowser:
    def send(self, tab: Any, front_end: FrontEnd, live_server: Any, body: str, *, host: str = "127.0.0.1") -> Any:
        tab.goto(front_end.url(host=host) + LANDING)
        return tab.evaluate(f"url => ({SEND[body]})(url).then(response => response.json())", self.api(live_server))

    def api(self, live_server: Any) -> str:
        return f"{live_server.url}/api/contact/"

    def test_with_a_session(self, tab: Any, front_end: FrontEnd, live_server: Any, body: str) -> None:
        assert self.send(tab, front_end, live_server, body) == {"done": True}
        session = tab.evaluate("window.OCT.getSessionId()")
        lead = Lead.objects.get()
        assert (lead.name, lead.email, lead.custom) == ("Jo", EMAIL, {})
        # The pixel has put it into the page's form, too.
        source = {"JSON": "header", "FormData": "form"}[body]
        assert (lead.session_id, lead.sources["sessionId"]) == (session, source)
        assert session

    def test_with_attribution_only(self, tab: Any, front_end: FrontEnd, live_server: Any, body: str) -> None:
        front_end.pixel = ""
        assert self.send(tab, front_end, live_server, body) == {"done": True}
        lead = Lead.objects.get()
        assert lead.session_id == ""
        assert lead.attribution == {
            "website": front_end.url(),
            "path": "/roofs/",
            "gclid": "Click-1",
            "utm_source": "google",
            "utm_medium": "cpc",
        }

    def test_a_failing_capture(
        self, tab: Any, front_end: FrontEnd, live_server: Any, body: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(storing, "_insert", _fails)
        assert self.send(tab, front_end, live_server, body) == {"done": True}
        assert not Lead.objects.exists()

    def test_a_double_submission(self, tab: Any, front_end: FrontEnd, live_server: Any, body: str) -> None:
        for _time in range(2):
            assert self.send(tab, front_end, live_server, body) == {"done": True}
        assert Lead.objects.count() == 1

    def test_an_origin_that_cors_does_not_allow(
        self, tab: Any, front_end: FrontEnd, live_server: Any, body: str
    ) -> None:
        """The browser itself keeps the headers, and with them the form, from the API."""
        with pytest.raises(Error, match="Failed to fetch"):
            self.send(tab, front_end, live_server, body, host="localhost")
        assert not Lead.objects.exists()


class OfAnotherOrigin(WayIn):
    """The same without a browser, with what one would send."""

    def posted(self, client: Client, headers: dict[str, str], **posted: str) -> HttpResponseBase:
        raise NotImplementedError

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        page = client.defaults.pop("HTTP_REFERER", "http://testserver/")
        headers = {"Origin": "http://testserver", "X-Octanist-Page": page, "Referer": "http://testserver/"}
        return self.posted(client, headers, **posted)

    def accepted(self, response: Any) -> bool:
        return bool(response.json() == {"done": True})


class TestJson(OfAnotherOrigin):
    def posted(self, client: Client, headers: dict[str, str], **posted: str) -> HttpResponseBase:
        if "octa_sid" in posted:
            headers["X-Octanist-Session-ID"] = posted["octa_sid"]
        return client.post("/api/contact/", JSON, content_type="application/json", headers=headers)


class TestFormData(OfAnotherOrigin):
    def posted(self, client: Client, headers: dict[str, str], **posted: str) -> HttpResponseBase:
        return client.post("/api/contact/", {**JSON, **posted}, headers=headers)


def test_the_headers_that_readme_allows() -> None:
    assert 'CORS_ALLOW_HEADERS = [*default_headers, "x-octanist-session-id", "x-octanist-page"]\n' in README
    assert {"x-octanist-session-id", "x-octanist-page"} <= set(site.CORS_ALLOW_HEADERS)


@pytest.mark.parametrize(("origin", "allowed"), [("http://127.0.0.1:3000", True), ("http://evil.example", False)])
def test_a_preflight(client: Client, origin: str, allowed: bool) -> None:
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-octanist-session-id"}
    response = client.options("/api/contact/", headers={"Origin": origin, **wanted})
    assert ("x-octanist-session-id" in response.headers.get("Access-Control-Allow-Headers", "")) is allowed
