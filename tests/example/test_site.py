"""The example site over HTTP, as a browser without scripts sees it: from the page to the admin's "delivered"."""

from __future__ import annotations

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import demo_check
import django
import pytest

from .conftest import Example

PAGES = ["/", "/contact/", "/quote/", "/storm-damage/", "/open-day/", "/newsletter/", "/privacy/"]
ACCEPTED = "ads:1.statistics:1"
NECESSARY = "ads:0.statistics:0"
PANEL = re.compile(r'<details class="visit">.*?</details>', re.DOTALL)
THANKS = [f"/thanks/{form}/" for form in ("contact", "quote", "storm-damage", "open-day", "newsletter", "call-back")]


def contact_data(**data: str) -> dict[str, str]:
    return {
        "first_name": "Rosa",
        "last_name": "Lindqvist",
        "email": f"{secrets.token_hex(4)}@home.example",
        "topic": "repair",
        "message": "Two slates lie in the garden.",
        **data,
    }


def storm_data(**data: str) -> dict[str, str]:
    return {
        "name": "Gwen Ashworth",
        "phone": "0113 496 0158",
        "email": f"{secrets.token_hex(4)}@home.example",
        "address": "14, LS21 1AA",
        "damage": "water",
        "message": "It drips on the stairs.",
        **data,
    }


@pytest.mark.parametrize(
    "send",
    [
        demo_check.send_contact,
        demo_check.send_storm_damage,
        demo_check.send_open_day,
        demo_check.send_call_back,
        demo_check.send_newsletter,
        partial(demo_check.send_quote, domain="home.example"),
    ],
    ids=["contact", "storm-damage", "open-day", "call-back", "newsletter", "quote"],
)
def test_every_form_is_delivered(example: Example, send):
    expected = send(example.site_url)

    for lead in expected:
        example.wait_until(lead.contact)

    received, statuses = demo_check.leads_at(example.sandbox), example.admin.statuses()
    assert [list(demo_check.problems(lead, statuses=statuses, received=received)) for lead in expected] == [
        [] for _lead in expected
    ]


def test_two_name_fields_are_one_name_and_the_message_is_the_note(example: Example):
    data = contact_data()
    example.visitor().submit_form("/contact/", data)

    fields = example.arrived(data["email"])["fields"]

    assert (fields["name"], fields["note"]) == ("Rosa Lindqvist", "Two slates lie in the garden.")
    assert (fields["website"], fields["path"]) == (example.site_url, "/contact/")


def test_posted_consent_travels_with_the_form(example: Example):
    data = contact_data(**demo_check.CONSENT)
    example.visitor().submit_form("/contact/", data, page="/contact/?gclid=Click-1&utm_campaign=Storm")

    lead = example.arrived(data["email"])

    assert lead["consent"] == demo_check.AGREED
    assert (lead["attribution"]["gclid"], lead["attribution"]["utm_campaign"]) == ("Click-1", "Storm")


def test_a_double_click_is_one_lead(example: Example):
    data = contact_data()
    visitors = [example.visitor(), example.visitor()]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda visitor: visitor.submit_form("/contact/", data), visitors))

    example.arrived(data["email"])

    assert [row["contact"] for row in example.admin.leads()].count(data["email"]) == 1


def test_a_lead_that_octanist_turns_away_shows_as_rejected(example: Example):
    data = contact_data(email=f"{secrets.token_hex(4)}@rejected.example")
    example.visitor().submit_form("/contact/", data)

    example.wait_until(data["email"], status="rejected")


def test_the_call_back_form_works_without_scripts(example: Example):
    phone = f"0113 496 0{secrets.randbelow(1000):03}"
    data = {"name": "Tom Baxter", "phone": phone, "best_time": "evening"}
    answer = example.visitor().submit("/call-back/", data, page="/")

    assert f"We will ring you on {phone}" in answer.text
    assert example.arrived(phone)["custom"]["best_time"] == "evening"


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/contact/", {"email": "nobody"}),
        ("/quote/", {"preferred_date": "2020-01-01"}),
        ("/storm-damage/", storm_data(phone="soon")),
        ("/open-day/", demo_check.guests_data({"Rosa": "rosa@home.example", "Tom": ""})),
        ("/newsletter/", {"email": "nobody"}),
        ("/call-back/", {"phone": "soon"}),
    ],
)
def test_an_invalid_form_says_what_is_wrong_and_makes_no_lead(example: Example, path: str, data: dict[str, str]):
    before = len(example.admin.leads())

    answer = example.visitor().submit(path, data, page="/" if path == "/call-back/" else path)

    assert 'class="errorlist"' in answer.text
    assert "Nothing was sent yet." in answer.text
    assert len(example.admin.leads()) == before


class TestStormDamage:
    """A registered model: neither its form nor its view knows of Octanist."""

    def test_the_row_is_the_lead(self, example: Example):
        data = storm_data(**demo_check.CONSENT)
        example.visitor().submit_form("/storm-damage/", data, page="/storm-damage/?gclid=Click-1")

        lead = example.arrived(data["email"])

        assert (lead["fields"]["name"], lead["fields"]["phone"]) == ("Gwen Ashworth", "0113 496 0158")
        assert (lead["fields"]["note"], lead["fields"]["path"]) == ("It drips on the stairs.", "/storm-damage/")
        assert (lead["attribution"]["gclid"], lead["consent"]) == ("Click-1", demo_check.AGREED)
        assert data["address"] in example.admin.read("/admin/roofer/stormreport/")

    def test_what_the_storm_line_takes_by_phone_is_a_lead_but_not_of_the_offices_own_visit(self, example: Example):
        data = storm_data(octa_sid="Session-1")
        example.staff().submit("/admin/roofer/stormreport/add/", data, page="/admin/roofer/stormreport/add/?gclid=C-1")

        lead = example.arrived(data["email"])

        assert lead["custom"]["damage"] == "Water is coming in"
        assert (lead["session_id"], lead["attribution"].get("gclid", "")) == ("", "")


class TestOpenDay:
    """A formset: each form that was filled in is a lead."""

    def test_the_visitor_may_come_alone(self, example: Example):
        email, before = f"{secrets.token_hex(4)}@home.example", len(example.admin.leads())
        answer = example.visitor().submit("/open-day/", demo_check.guests_data({"Rosa": email}))

        assert "You are on the list: Rosa." in answer.text
        assert example.arrived(email)["fields"]["name"] == "Rosa"
        assert len(example.admin.leads()) == before + 1

    def test_everybody_is_on_the_list(self, example: Example):
        guests = {name: f"{secrets.token_hex(4)}@home.example" for name in ("Rosa", "Tom", "Ines", "Gwen")}
        answer = example.visitor().submit("/open-day/", demo_check.guests_data(guests))

        assert "You are on the list: Rosa, Tom, Ines and Gwen." in answer.text
        assert [example.arrived(email)["fields"]["name"] for email in guests.values()] == [*guests]

    @pytest.mark.parametrize(
        ("guests", "said"),
        [
            ({}, "the 2 marked fields"),
            ({"Rosa": "rosa@home.example", "Tom": "nobody"}, "the marked field"),
            ({"Rosa": "nobody", "Tom": ""}, "the 2 marked fields"),
        ],
        ids=["nobody", "one", "two"],
    )
    def test_the_errors_of_all_guests_are_counted(self, example: Example, guests: dict[str, str], said: str):
        answer = example.visitor().submit("/open-day/", demo_check.guests_data(guests))

        assert f"Please look at {said} below." in answer.text

    def test_only_the_visitor_has_to_be_there(self, example: Example):
        page = example.visitor().read("/open-day/")

        inputs = re.findall(r'<input type="(?:text|email)" name="(guest-[^"]+)"([^>]*)>', page)

        assert len(inputs) == 8
        assert [name for name, rest in inputs if " required" in rest] == ["guest-0-name", "guest-0-email"]
        assert re.findall(r' autocomplete="(\w+)"', " ".join(rest for _name, rest in inputs)) == ["name", "email"]


class TestRemembering:
    def visitor(self, example: Example, *, choice: str = "") -> demo_check.Visitor:
        visitor = example.visitor()
        if choice:
            self.choose(visitor, choice)
        return visitor

    def choose(self, visitor: demo_check.Visitor, choice: str) -> None:
        visitor.http.cookies.set("ridgeline_consent", choice)

    def remembers(self, visitor: demo_check.Visitor) -> bool:
        return "octanist_campaign" in visitor.http.cookies

    @pytest.mark.parametrize("choice", ["", NECESSARY, "ads:1", "granted"])
    def test_without_consent_nothing_is_remembered(self, example: Example, choice: str):
        visitor = self.visitor(example, choice=choice)

        visitor.read("/?gclid=Click-1")

        assert not self.remembers(visitor)

    def test_the_campaign_survives_several_pages_and_comes_with_the_lead(self, example: Example):
        visitor, data, gclid = self.visitor(example, choice=ACCEPTED), contact_data(), f"Click-{secrets.token_hex(4)}"
        visitor.read(f"/?gclid={gclid}&utm_source=google")
        for path in ("/", "/privacy/", "/quote/"):
            visitor.read(path)
        visitor.submit_form("/contact/", data)

        lead = example.arrived(data["email"])

        assert (lead["attribution"]["gclid"], lead["attribution"]["utm_source"]) == (gclid, "google")
        assert lead["consent"] == dict.fromkeys(demo_check.CONSENT, True)
        page = example.lead_page(data["email"])
        assert f">gclid</th><td><bdi>{gclid}</bdi></td><td>an earlier page, remembered</td></tr>" in page
        assert ">utm_source</th><td><bdi>google</bdi></td><td>an earlier page, remembered</td></tr>" in page

    def test_it_is_forgotten_on_the_next_page_once_consent_is_withdrawn(self, example: Example):
        visitor, data = self.visitor(example, choice=ACCEPTED), contact_data()
        visitor.read("/?gclid=Click-1")
        assert self.remembers(visitor)

        self.choose(visitor, NECESSARY)
        visitor.read("/quote/")
        assert not self.remembers(visitor)
        visitor.submit_form("/contact/", data)

        assert example.arrived(data["email"])["attribution"].get("gclid", "") == ""


class TestVisitPanel:
    """What staff sees of their own visit; see test_visit_panel.py for who else does not."""

    def rows(self, page: str) -> dict[str, tuple[str, ...]]:
        [panel] = PANEL.findall(page)
        found = re.findall(r"<div><dt>(.*?)</dt>(.*?)</div>", panel)
        return {name: tuple(re.findall(r"<dd[^>]*>(.*?)</dd>", rest)) for name, rest in found}

    @pytest.mark.parametrize("path", PAGES + THANKS)
    def test_it_is_on_every_page_for_staff_alone(self, example: Example, path: str):
        assert PANEL.search(example.staff().read(path))
        assert not PANEL.search(example.visitor().read(path))

    def test_it_shows_each_field_and_its_source(self, example: Example):
        rows = self.rows(example.staff().read("/quote/?gclid=Click-1&utm_source=google"))

        assert rows == {
            "session id": ("none",),
            "website": (example.site_url, "request"),
            "path": ("/quote/", "request"),
            "gclid": ("Click-1", "query"),
            "utm_source": ("google", "query"),
            **dict.fromkeys(demo_check.CONSENT, ("unknown",)),
        }

    def test_it_shows_the_choice_and_the_campaign_of_an_earlier_page(self, example: Example):
        staff = example.staff()
        staff.http.cookies.set("ridgeline_consent", "ads:1.statistics:0")
        staff.read("/?gclid=Click-1")
        page = staff.read("/contact/")

        rows = self.rows(page)

        assert rows["ad_user_data"] == ("granted", "ridgeline_consent")
        assert rows["analytics_storage"] == ("denied", "ridgeline_consent")
        assert page.count("<dt>gclid</dt>") == 2
        assert '<dt>gclid</dt><dd>Click-1</dd><dd class="source">remembered</dd>' in page

    def test_it_shows_the_session_that_a_form_brought(self, example: Example):
        answer = example.staff().submit("/contact/", {"octa_sid": "Session-1", "ad_storage": "granted"})

        rows = self.rows(answer.text)

        assert rows["session id"][0] == "Session-1"
        assert rows["ad_storage"] == ("granted", "form")

    def test_what_arrives_is_text(self, example: Example):
        rows = self.rows(example.staff().read("/?utm_source=<script>alert(1)</script>"))

        assert rows["utm_source"] == ("&lt;script&gt;alert(1)&lt;/script&gt;", "query")


@pytest.mark.parametrize("path", PAGES + THANKS)
def test_a_page_loads_nothing_from_elsewhere(example: Example, path: str):
    page = example.visitor().read(path)

    loaded = re.findall(r'(?:\ssrc|<link[^>]*\shref|<use href)="([^"]+)"', page)
    foreign = [url for url in loaded if not url.startswith("/")]

    assert foreign == []
    assert "/oct/p" in loaded
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page)


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has content security policies from 6.0 on")
def test_the_pixel_has_the_nonce_of_the_content_security_policy(example: Example):
    answer = example.visitor().http.get(example.site_url, timeout=10)

    nonce = re.search(r'<script[^>]* nonce="([^"]+)"', answer.text)

    assert nonce is not None
    assert f"'nonce-{nonce[1]}'" in answer.headers["Content-Security-Policy"]
