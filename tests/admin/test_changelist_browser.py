"""The list in headless Chromium: on a desk and on a phone, with leads that were made to break it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_octanist.models import BulkAction
from tests.sandbox.browser import chromium

from . import LIST, S, make

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HOSTILE = {
    "form": "f" * 200,
    "account": "a" * 100,
    "name": "<script>document.title = 'hurt'</script>",
    "email": "e" * 320,
    "source": "s" * 120,
    "error": "\u202e" + "x" * 5_000,
    "error_code": "C" * 100,
}


@pytest.fixture
def cookie(admin_client: Client, live_server: Any) -> dict[str, str]:
    for number in range(60):
        make(email=f"johanna.van.den.berg{number}@example.com", attempts=3, error_code="INTERNAL_ERROR")
    make(status=S.FAILED, **HOSTILE)
    return {"name": "sessionid", "value": admin_client.cookies["sessionid"].value, "url": live_server.url}


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_scrolls_sideways(cookie: dict[str, str], live_server: Any, width: int) -> None:
    with chromium() as browser:
        context = browser.new_context(viewport={"width": width, "height": 800})
        context.add_cookies([cookie])
        page = context.new_page()
        page.goto(live_server.url + LIST)
        for element in ("document.documentElement", "document.querySelector('.results')"):
            assert page.evaluate(f"{element}.scrollWidth <= {element}.clientWidth"), element
        assert page.title() != "hurt"
        assert page.locator("#result_list tbody tr").first.bounding_box()["height"] < (400 if width < 768 else 150)
        for shown in ("johanna.van.den.berg59@example.com", "Octanist had an error."):
            assert page.get_by_text(shown, exact=True).first.is_visible()


@pytest.mark.parametrize("width", [360, 900, 1300])
def test_buttons_lie_on_nothing(cookie: dict[str, str], live_server: Any, width: int) -> None:
    """Of the list, below why leads wait and what runs in the background; and of the page of what runs."""
    make(account="nope")
    running = BulkAction.objects.create(kind="replay", total=3000, touched=1500, beat_at=timezone.now())
    with chromium() as browser:
        context = browser.new_context(viewport={"width": width, "height": 600})
        context.add_cookies([cookie])
        page = context.new_page()
        page.goto(live_server.url + LIST)
        assert page.locator(".octanist-notice").count() == 2
        assert overlapping(page, ".octanist-notice", "#changelist") == []
        page.goto(live_server.url + reverse("admin:octanist_bulkaction_change", args=[running.pk]))
        assert overlapping(page, ".octanist-bulk", "#bulkaction_form") == []


def overlapping(page: Any, *selectors: str) -> list[str]:
    """Of ``selectors``, those with an element that shares a pixel with a button of Django's."""
    buttons = [button.bounding_box() for button in page.locator(".object-tools a").all()]
    assert buttons
    boxes = [(selector, element.bounding_box()) for selector in selectors for element in page.locator(selector).all()]
    return [selector for selector, box in boxes if any(_meet(box, button) for button in buttons)]


def _meet(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "width"), ("y", "height"))
    )


def test_the_last_error_has_room(cookie: dict[str, str], live_server: Any) -> None:
    """Beside the sidebar and the filter, on a common laptop."""
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1300, "height": 800})
        context.add_cookies([cookie])
        page = context.new_page()
        page.goto(live_server.url + LIST)
        assert page.locator("#nav-sidebar").is_visible()
        assert page.locator("#result_list tbody .field-last_error").first.bounding_box()["width"] >= 128


@pytest.mark.parametrize("width", [360, 1280])
def test_where_nothing_failed_the_contact_has_the_room(admin_client: Client, live_server: Any, width: int) -> None:
    address = "marie.devries18@example.com"
    make(email=address, form="newsletter", source="facebook / paid_social")
    session = {"name": "sessionid", "value": admin_client.cookies["sessionid"].value, "url": live_server.url}
    with chromium() as browser:
        context = browser.new_context(viewport={"width": width, "height": 800})
        context.add_cookies([session])
        page = context.new_page()
        page.goto(live_server.url + LIST)
        assert page.get_by_text(address, exact=True).bounding_box()["height"] < 20
        cut = "((table) => table.scrollWidth - table.clientWidth)(document.querySelector('.results'))"
        assert page.evaluate(cut) == 0


def test_all_that_match_can_be_chosen(cookie: dict[str, str], live_server: Any) -> None:
    """By Django's own script, which finds what it looks for in these templates."""
    with chromium() as browser:
        context = browser.new_context()
        context.add_cookies([cookie])
        page = context.new_page()
        page.goto(live_server.url + LIST)
        page.click("#action-toggle")
        assert page.get_by_text("50 of 50 selected").is_visible()
        page.get_by_text("Select all 61 leads").click()
        assert page.get_by_text("All 61 selected").is_visible()
        assert page.locator("input.select-across").input_value() == "1"
