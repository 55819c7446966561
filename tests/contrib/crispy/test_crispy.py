"""What crispy-forms renders is sent as it was rendered: without a browser, and by one in which the pixel runs."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client

from django_octanist.models import Lead
from django_octanist.sandbox.server import Sandbox
from tests.sandbox.browser import chromium
from tests.ways import EMAIL, WayIn

PATHS = ["/layout/", "/field/", "/filter/"]


class Inputs(HTMLParser):
    """The inputs of a page, by name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        said = dict(attributes)
        if tag == "input" and said.get("name"):
            self.values[said["name"]] = said.get("value") or ""


class Rendered(WayIn):
    """Fills in what the page has, as a browser does."""

    path: str

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        inputs = Inputs(client.get(self.path).content.decode()).values
        assert inputs.keys() >= {"name", "email", "message"}
        return client.post(self.path, {**inputs, "name": "Jo", "email": EMAIL, **posted})

    def accepted(self, response: Any) -> bool:
        return bool(response.status_code == 302 and response["Location"] == "/thanks/")

    def test_nothing_of_the_layout_is_captured(self, client: Client) -> None:
        self.send(client)
        assert (self.lead().name, self.lead().custom) == ("Jo", {})


class TestLayout(Rendered):
    path = "/layout/"


class TestLayoutWithTheField(Rendered):
    path = "/field/"

    def test_the_field_is_there(self, client: Client) -> None:
        assert Inputs(client.get(self.path).content.decode()).values["octa_sid"] == ""


class TestFilter(Rendered):
    path = "/filter/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Playwright's loop runs in this thread, in which the tests use the database, too.
    with pytest.MonkeyPatch.context() as patch, chromium() as started:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield started


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", PATHS)
def test_the_pixel_puts_the_session_into_it(browser: Any, live_server: Any, settings: Any, path: str) -> None:
    with Sandbox() as sandbox:
        settings.OCTANIST_PIXEL_ID = "OCT-SANDBOX1"
        settings.OCTANIST_PIXEL_URL = sandbox.pixel_url
        context = browser.new_context()
        tab = context.new_page()
        tab.goto(f"{live_server.url}{path}?gclid=Click-1")
        tab.fill("[name=name]", "Jo")
        tab.fill("[name=email]", EMAIL)
        session = tab.evaluate("window.OCT.getSessionId()")
        tab.click("[type=submit], button")
        tab.wait_for_url("**/thanks/")
        context.close()
    lead = Lead.objects.get()
    assert (lead.email, lead.session_id, lead.sources["sessionId"]) == (EMAIL, session, "form")
    assert session
