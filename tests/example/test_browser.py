"""The example site in headless Chromium, with the sandbox's stand-in pixel."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from urllib.parse import urlsplit

import pytest

from .conftest import Example

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
PAGES = ["/", "/contact/", "/quote/", "/storm-damage/", "/open-day/", "/newsletter/", "/privacy/", "/thanks/quote/"]
ALL_GRANTED = {"ad_storage": True, "ad_user_data": True, "ad_personalization": True, "analytics_storage": True}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: install it, or name it in the environment as CHROMIUM"),
]


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, example: Example):
    """Return a function that opens a page in a browser of its own. Requests beyond this machine fail the test."""
    contexts, foreign = [], []

    def guard(route):
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    def opened(*, blocked: str = "", **options):
        context = chromium.new_context(**{"viewport": DESKTOP, "base_url": example.site_url, **options})
        contexts.append(context)
        context.set_default_timeout(15_000)
        context.route("**/*", guard)
        if blocked:
            context.route(blocked, lambda route: route.abort())
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()
    assert foreign == []


@pytest.fixture
def page(open_page):
    """A page of a fresh visitor. Errors in its console, such as broken content security rules, fail the test."""
    page, errors = open_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []


def fill_contact(page) -> str:
    email = f"{secrets.token_hex(4)}@home.example"
    page.get_by_label("First name").fill("Rosa")
    page.get_by_label("Last name").fill("Lindqvist")
    page.get_by_label("E-mail", exact=True).fill(email)
    page.get_by_label("What is it about?").select_option("repair")
    page.get_by_label("Your message").fill("Two slates lie in the garden.")
    return email


def fill_call_back(page) -> str:
    phone = f"0113 496 0{secrets.randbelow(1000):03}"
    page.get_by_label("Your name").fill("Tom Baxter")
    page.get_by_label("Phone").fill(phone)
    page.get_by_label("Best time to call").select_option("morning")
    return phone


def log_in(page, path: str) -> None:
    """Open a page of the admin, by way of its login."""
    page.goto(path)
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("octanist")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="View site").wait_for()


def session_id(page) -> str:
    page.wait_for_function("window.OCT && window.OCT.getSessionId()")
    return page.evaluate("window.OCT.getSessionId()")


def consent_fields(page, form: str) -> dict[str, str]:
    inputs = page.locator(f'{form} input[type="hidden"]').evaluate_all("all => all.map(i => [i.name, i.value])")
    return {name: value for name, value in inputs if name in ALL_GRANTED}


def test_from_the_ad_to_the_admin(page, example: Example):
    page.goto("/?gclid=Click-1")
    session = session_id(page)
    page.get_by_role("button", name="Accept all").click()
    page.get_by_label("Main").get_by_role("link", name="Contact").click()
    email = fill_contact(page)
    page.get_by_role("button", name="Send message").click()
    playwright.expect(page.get_by_role("status")).to_have_text("Thank you, Rosa. Your message is with us.")

    assert example.arrived(email)["session_id"] == session

    log_in(page, "/admin/octanist/lead/")
    row = page.get_by_role("row").filter(has_text=email)
    playwright.expect(row.locator(".field-status")).to_have_text("delivered")
    row.get_by_role("link").first.click()
    playwright.expect(page.get_by_text(session).first).to_be_visible()
    playwright.expect(page.locator(".octanist-consent").get_by_text("granted")).to_have_count(4)


def test_the_call_back_form_sends_json_with_session_and_consent(page, example: Example):
    page.goto("/?gclid=Click-2")
    session = session_id(page)
    page.get_by_role("button", name="Accept all").click()
    phone = fill_call_back(page)
    with page.expect_request("**/call-back/") as sent:
        page.get_by_role("button", name="Call me back").click()
    playwright.expect(page.get_by_role("status")).to_have_text(f"Thank you, Tom Baxter. We will ring you on {phone}.")

    body = sent.value.post_data_json

    assert example.arrived(phone)["session_id"] == session
    assert body == {
        "name": "Tom Baxter",
        "phone": phone,
        "best_time": "morning",
        "octa_sid": session,
        **dict.fromkeys(ALL_GRANTED, "granted"),
    }


def test_the_call_back_form_shows_what_is_wrong_at_the_field(open_page):
    page = open_page()
    page.goto("/")
    page.get_by_label("Your name").fill("Tom Baxter")
    page.get_by_label("Phone").fill("soon")
    page.get_by_role("button", name="Call me back").click()

    phone = page.get_by_label("Phone")
    playwright.expect(phone).to_have_attribute("aria-invalid", "true")
    playwright.expect(phone).to_have_accessible_description(
        "Please give a phone number that we can dial, such as 0113 496 0142."
    )
    playwright.expect(phone).to_be_focused()


@pytest.mark.parametrize("form", ["call-back", "newsletter"])
def test_with_the_pixel_blocked_the_click_comes_from_the_referrer(open_page, example: Example, form: str):
    page = open_page(blocked="**/oct/p")
    gclid = f"Click-{secrets.token_hex(4)}"
    page.goto(f"/?gclid={gclid}")
    page.get_by_role("button", name="Accept all").click()
    if form == "call-back":
        contact = fill_call_back(page)
        page.get_by_role("button", name="Call me back").click()
    else:
        contact = f"{secrets.token_hex(4)}@home.example"
        page.get_by_label("Your e-mail").fill(contact)
        page.get_by_role("button", name="Sign up").click()
    playwright.expect(page.get_by_role("status")).to_contain_text(contact)

    lead = example.arrived(contact)

    assert (lead["session_id"], lead["attribution"]["gclid"], lead["consent"]) == ("", gclid, ALL_GRANTED)


class TestRemembering:
    def land(self, open_page, example: Example, *, gclid: str):
        """Come from an ad with the pixel blocked, accept the banner, and follow links until the query is gone."""
        page = open_page(blocked="**/oct/p")
        page.goto(f"/?gclid={gclid}&utm_source=google")
        assert not self.remembers(page)
        page.get_by_role("button", name="Accept all").click()
        page.get_by_label("Main").get_by_role("link", name="Services").click()
        page.wait_for_url("**/#services")
        assert self.remembers(page)
        page.get_by_role("link", name="Get a quote").first.click()
        page.wait_for_url("**/quote/")
        page.get_by_label("Main").get_by_role("link", name="Contact").click()
        page.wait_for_url("**/contact/")
        return page

    def remembers(self, page) -> bool:
        return "octanist_campaign" in {cookie["name"] for cookie in page.context.cookies()}

    def test_the_click_comes_with_the_lead_pages_later(self, open_page, example: Example):
        gclid = f"Click-{secrets.token_hex(4)}"
        page = self.land(open_page, example, gclid=gclid)
        email = fill_contact(page)
        page.get_by_role("button", name="Send message").click()
        playwright.expect(page.get_by_role("heading", name="Message sent")).to_be_visible()

        lead = example.arrived(email)

        assert (lead["session_id"], lead["consent"]) == ("", ALL_GRANTED)
        assert (lead["attribution"]["gclid"], lead["attribution"]["utm_source"]) == (gclid, "google")
        assert f"<bdi>{gclid}</bdi></td><td>an earlier page, remembered</td>" in example.lead_page(email)

    def test_withdrawn_consent_forgets_it_on_the_next_page(self, open_page, example: Example):
        page = self.land(open_page, example, gclid="Click-3")
        page.get_by_role("button", name="Cookie choices").click()
        page.get_by_role("button", name="Only necessary").click()
        page.get_by_label("Main").get_by_role("link", name="Reviews").click()
        page.wait_for_url("**/#reviews")

        assert not self.remembers(page)


class TestVisitPanel:
    @pytest.fixture
    def staff(self, page):
        log_in(page, "/admin/")
        return page

    def rows(self, page, name: str):
        return page.locator(".visit dl div").filter(has=page.get_by_text(name, exact=True))

    def test_staff_sees_each_value_with_its_source(self, staff, example: Example):
        staff.goto("/?fbclid=Click-4")
        panel = staff.locator(".visit")
        playwright.expect(panel.get_by_text("This is your own visit, admin")).to_be_hidden()
        panel.get_by_text("Your visit").click()

        playwright.expect(panel.get_by_text("This is your own visit, admin")).to_be_visible()
        fbc = self.rows(staff, "fbc").locator("dd")
        playwright.expect(fbc).to_have_text([re.compile(r"^fb\.1\.\d+\.Click-4$"), "query"])
        playwright.expect(self.rows(staff, "ad_storage").locator("dd")).to_have_text(["unknown"])

    def test_the_choice_shows_on_the_next_page(self, staff):
        staff.goto("/?fbclid=Click-4")
        staff.get_by_role("button", name="Accept all").click()
        staff.get_by_label("Main").get_by_role("link", name="Contact").click()
        staff.get_by_text("Your visit").click()

        playwright.expect(self.rows(staff, "ad_storage").locator("dd")).to_have_text(["granted", "ridgeline_consent"])
        playwright.expect(self.rows(staff, "fbc").locator(".source")).to_have_text(["referer"])

    @pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
    def test_it_fits_beside_the_banner(self, staff, size: dict[str, int]):
        staff.set_viewport_size(size)
        staff.goto(f"/?fbclid={'Click-4' * 20}&utm_campaign=storm")
        staff.get_by_text("Your visit").click()

        panel, banner = staff.locator(".visit").bounding_box(), staff.get_by_role("dialog").bounding_box()

        assert panel["y"] >= 0
        assert panel["x"] + panel["width"] <= banner["x"] or panel["y"] + panel["height"] <= banner["y"]
        assert staff.evaluate("document.documentElement.scrollWidth") <= size["width"]

    def test_it_covers_no_part_of_the_page(self, staff):
        staff.set_viewport_size(PHONE)
        staff.goto("/")
        staff.get_by_role("button", name="Accept all").click()
        staff.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")

        last, panel = staff.locator(".small-print").bounding_box(), staff.locator(".visit").bounding_box()

        assert last["y"] + last["height"] <= panel["y"]


def test_a_quote_with_a_photo(page, example: Example):
    page.goto("/quote/")
    session = session_id(page)
    email = f"{secrets.token_hex(4)}@home.example"
    page.get_by_label("Your name").fill("Ines Moreau")
    page.get_by_label("E-mail", exact=True).fill(email)
    page.get_by_label("Phone").fill("0113 496 0177")
    page.get_by_label("What is on your roof?").select_option("slate")
    page.get_by_label("What should we know?").fill("The loft is damp.")
    photo = {"name": "roof.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n"}
    page.get_by_label("A photo of the roof").set_input_files(photo)
    page.get_by_role("button", name="Ask for my quote").click()
    playwright.expect(page.get_by_role("heading", name="Quote requested")).to_be_visible()

    lead = example.arrived(email)

    assert (lead["session_id"], lead["custom"]["photo"]) == (session, "roof.png")


def test_a_storm_report_has_the_session_though_its_form_knows_nothing_of_it(page, example: Example):
    page.goto("/storm-damage/")
    session = session_id(page)
    email = f"{secrets.token_hex(4)}@home.example"
    page.get_by_label("Your name").fill("Gwen Ashworth")
    page.get_by_label("Phone").fill("0113 496 0158")
    page.get_by_label("E-mail optional").fill(email)
    page.get_by_label("Where is the roof?").fill("14, LS21 1AA")
    page.get_by_label("What happened?").select_option("water")
    page.get_by_role("button", name="Report the damage").click()
    playwright.expect(page.get_by_role("heading", name="Report received")).to_be_visible()

    assert example.arrived(email)["session_id"] == session


def test_two_guests_of_the_open_day_share_the_session(page, example: Example):
    page.goto("/open-day/")
    session = session_id(page)
    guests = {"You": f"{secrets.token_hex(4)}@home.example", "Guest 2 optional": f"{secrets.token_hex(4)}@home.example"}
    for group, email in guests.items():
        guest = page.get_by_role("group", name=group, exact=True)
        guest.get_by_label("Name").fill(group)
        guest.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Put us on the list").click()
    playwright.expect(page.get_by_role("heading", name="See you at the yard")).to_be_visible()

    assert [example.arrived(email)["session_id"] for email in guests.values()] == [session] * 2


class TestConsent:
    def test_the_banner_hides_no_part_of_the_page(self, page, example: Example):
        page.goto("/")
        page.get_by_label("Your e-mail").fill("nobody")
        page.get_by_role("button", name="Sign up").click()

        assert page.get_by_label("Your e-mail").evaluate("input => input.validity.typeMismatch")

    def test_before_a_choice_nothing_is_said(self, page):
        page.goto("/contact/")

        playwright.expect(page.get_by_role("dialog")).to_be_visible()
        assert consent_fields(page, "main form") == {}

    @pytest.mark.parametrize(
        ("choose", "ads", "statistics"),
        [
            (["Accept all"], "granted", "granted"),
            (["Only necessary"], "denied", "denied"),
            (["Choose", "Ads", "Save my choice"], "granted", "denied"),
            (["Choose", "Statistics", "Save my choice"], "denied", "granted"),
        ],
        ids=["all", "necessary", "ads", "statistics"],
    )
    def test_a_choice_is_kept_and_goes_into_every_form(self, page, choose: list[str], ads: str, statistics: str):
        page.goto("/")
        session_id(page)
        dialog = page.get_by_role("dialog")
        for label in choose:
            if label in ("Ads", "Statistics"):
                dialog.get_by_label(label).check()
            else:
                dialog.get_by_role("button", name=label).click()
        playwright.expect(dialog).to_be_hidden()
        page.goto("/contact/")

        playwright.expect(dialog).to_be_hidden()
        for form in ("main form", "footer form"):
            assert consent_fields(page, form) == {
                "ad_storage": ads,
                "ad_user_data": ads,
                "ad_personalization": ads,
                "analytics_storage": statistics,
            }

    def test_it_can_be_changed_from_the_footer(self, page):
        page.goto("/")
        page.get_by_role("button", name="Accept all").click()
        page.get_by_role("button", name="Cookie choices").click()

        playwright.expect(page.get_by_role("dialog")).to_be_focused()
        playwright.expect(page.get_by_label("Ads")).to_be_checked()
        page.get_by_role("button", name="Only necessary").click()

        assert set(consent_fields(page, "footer form").values()) == {"denied"}
        playwright.expect(page.get_by_role("button", name="Cookie choices")).to_be_focused()


def test_the_site_works_without_scripts(open_page, example: Example):
    page = open_page(java_script_enabled=False)
    page.goto("/contact/")
    playwright.expect(page.get_by_role("dialog")).to_be_hidden()
    email = fill_contact(page)
    page.get_by_role("button", name="Send message").click()
    playwright.expect(page.get_by_role("heading", name="Message sent")).to_be_visible()

    assert example.arrived(email)["session_id"] == ""


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_page_scrolls_sideways(open_page, size: dict[str, int]):
    page = open_page(viewport=size)
    for path in PAGES:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
