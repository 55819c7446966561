"""The first-party pixel in Chromium: the site's server, the sandbox behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from django_octanist.proxy import script
from django_octanist.sandbox.server import Sandbox

from ..sandbox.browser import chromium

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_test_run")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Playwright's loop runs in this thread, which clears the database afterwards, too.
    with pytest.MonkeyPatch.context() as patch, chromium() as started:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield started


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox() as running:
        settings.OCTANIST_PIXEL_URL = running.pixel_url
        script.warm()
        script.finish(20)
        yield running


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(locale="nl-NL", user_agent="Mozilla/5.0 (a visitor)")
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(f"{said.text} {said.location}") if said.type == "error" else None)
    yield page
    context.close()
    assert [trouble for trouble in troubles if "favicon.ico" not in trouble] == []


def visit(page: Any, url: str) -> None:
    """Open ``url`` and wait until its event is answered."""
    with page.expect_response("**/oct/e") as event:
        page.goto(url)
    assert event.value.status == 204


def test_the_pixel_works_through_the_site(page: Any, live_server: Any, sandbox: Sandbox) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    visit(page, f"{live_server.url}/?gclid=Click-1")
    session = page.evaluate("OCT.getSessionId()")
    assert {url.partition("://")[2].partition("/")[0] for url in asked} == {live_server.url.partition("://")[2]}

    (event,) = sandbox.events
    address = f"{live_server.url}/?gclid=Click-1"
    assert event.data == {"mid": "OCT-1A2B3C4D", "sid": session, "type": "page_view", "url": address}
    said = {name: value for name, value in event.headers.items() if name.startswith("x-octanist-client-")}
    assert said.pop("x-octanist-client-accept-language").startswith("nl-NL")
    assert said == {
        "x-octanist-client-ip": "127.0.0.1",
        "x-octanist-client-ua": "Mozilla/5.0 (a visitor)",
        "x-octanist-client-referer": address,
    }
    assert "cookie" not in event.headers

    page.click("text=Send")
    page.wait_for_url("**/sent/")
    assert json.loads(page.inner_text("body")) == {"email": "jo@example.com", "octa_sid": session}


def test_with_consent_the_cookie_is_the_sites_own(page: Any, live_server: Any, sandbox: Sandbox, settings: Any) -> None:
    settings.OCTANIST_PIXEL_CONSENT_MODE = "granted"
    page.context.add_cookies([{"name": "basket", "value": "secret", "url": live_server.url}])
    with page.expect_response("**/oct/p?cookie=1") as given:
        visit(page, live_server.url)
    assert given.value.status == 204
    (cookie,) = [cookie for cookie in page.context.cookies() if cookie["name"] == "octa_cid"]
    assert (cookie["domain"], cookie["path"], cookie["sameSite"]) == ("localhost", "/", "Lax")
    visit(page, f"{live_server.url}/?again")
    assert sandbox.events[-1].headers["cookie"] == f"octa_cid={cookie['value']}"
