"""Submits each form of the running site as a browser would, and says what became of it.

The forms differ in what they know of the visitor: a pixel session, only a click ID and consent, nothing at all, and
one whose lead Octanist refuses at first.
"""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests
from demo_servers import PASSWORD, USERNAME, DemoError, Server, Servers, session

DELIVERED = "delivered"
WAIT_SECONDS = 110.0
POLL_SECONDS = 0.3
PHOTO = b"\x89PNG\r\n\x1a\n" + bytes(64)
CONSENT = {
    "ad_storage": "granted",
    "ad_user_data": "granted",
    "ad_personalization": "granted",
    "analytics_storage": "denied",
}
AGREED = {name: word == "granted" for name, word in CONSENT.items()}
NOTHING_AGREED = dict.fromkeys(CONSENT, False)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the sandbox must have got of one lead; ``contact`` tells it from all others."""

    form: str
    contact: str
    story: str
    session_id: str = ""
    gclid: str = ""
    consent: Mapping[str, bool] = field(default_factory=lambda: NOTHING_AGREED)
    custom: Mapping[str, Any] = field(default_factory=dict)


Submission = Callable[[str], list[Expected]]
"""Submits a form of the site at this address, and returns the leads that it must become."""


class Visitor:
    """A browser without scripts: one cookie jar, and forms that are posted with their token and referrer."""

    def __init__(self, site_url: str) -> None:
        self.site_url = site_url
        self.http = session()

    def read(self, path: str) -> str:
        return self._checked(self.http.get(self.site_url + path, timeout=15)).text

    def submit(self, path: str, data: Mapping[str, str], *, page: str = "", **options: Any) -> requests.Response:
        """Post ``data`` to ``path`` from ``page`` (by default the same), and follow to the page behind it.

        ``json=True`` sends it as a script would, with the token in a header.
        """
        page = page or path
        token = _token(self.read(page))
        headers = {"Referer": self.site_url + page, "Origin": self.site_url}
        if options.pop("json", False):
            options, headers["X-CSRFToken"] = {"json": dict(data)}, token
        else:
            options["data"] = {**data, "csrfmiddlewaretoken": token}
        return self._checked(self.http.post(self.site_url + path, headers=headers, timeout=30, **options))

    def submit_form(self, path: str, data: Mapping[str, str], **options: Any) -> None:
        """Submit, and raise :class:`DemoError` where the site does not say thank you."""
        answer = self.submit(path, data, **options)
        thanked = "/thanks/" in answer.url or answer.status_code == 201
        if not thanked:
            errors = ", ".join(re.findall(r'<ul class="errorlist"[^>]*>(.*?)</ul>', answer.text, re.DOTALL))
            raise DemoError(f"The form at {path} was not accepted: {errors or answer.text[:300]}")

    def _checked(self, answer: requests.Response) -> requests.Response:
        if answer.status_code >= 400:
            raise DemoError(f"{answer.url} answers {answer.status_code}: {answer.text[:300]}")
        return answer


class Admin(Visitor):
    """The staff user, who looks at the leads in Django's admin."""

    def log_in(self, username: str = USERNAME, password: str = PASSWORD) -> None:
        answer = self.submit("/admin/login/", {"username": username, "password": password, "next": "/admin/"})
        if not answer.url.endswith("/admin/"):
            raise DemoError(f"The admin does not let the user {username} in.")

    def leads(self) -> list[dict[str, str]]:
        """Return the rows of the change list, newest first: column to text."""
        table = _ChangeList()
        table.feed(self.read("/admin/octanist/lead/"))
        return table.rows

    def statuses(self) -> dict[str, str]:
        """Return what the admin says of the newest lead of each contact."""
        return {row.get("contact", ""): row.get("status", "") for row in reversed(self.leads())}


class _ChangeList(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self._column = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append({})
        if tag in ("td", "th"):
            found = re.search(r"\bfield-(\w+)", dict(attrs).get("class") or "")
            self._column = found[1] if found else ""
            if self._column:
                self.rows[-1][self._column] = ""
        if tag == "img" and self._column:
            self.rows[-1][self._column] += dict(attrs).get("alt") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._column = ""
        if tag == "tr" and self.rows and not self.rows[-1]:
            self.rows.pop()

    def handle_data(self, data: str) -> None:
        if self._column:
            self.rows[-1][self._column] += data.strip()


def run(servers: Servers, *, seconds: float = WAIT_SECONDS, submissions: Sequence[Submission] | None = None) -> int:
    """Submit every form, wait until all is delivered, print what arrived. Return 0, or 1 where something is amiss."""
    if servers.sandbox is None:
        raise DemoError("There is no sandbox to look into.")
    try:
        submissions = submissions or SUBMISSIONS
        expected = [lead for send in submissions for lead in send(servers.site.url)]
        print(
            f"Submitted {len(submissions)} forms, which make {len(expected)} leads."
            " One is refused at first, and is sent again in about 30 s.",
            flush=True,
        )
        admin = Admin(servers.site.url)
        admin.log_in()
        statuses = wait_until(admin, {item.contact: DELIVERED for item in expected}, seconds=seconds)
        received = leads_at(servers.sandbox)
        amiss = [problem for item in expected for problem in problems(item, statuses=statuses, received=received)]
    except (DemoError, requests.RequestException) as error:
        raise DemoError(f"{error}\n{servers.tails()}") from None
    print(table(expected, statuses=statuses, received=received), flush=True)
    if amiss:
        raise DemoError("\n".join(["Something is missing:", *amiss, servers.tails()]))
    print("Every form was captured, delivered once, and shows as delivered in the admin.")
    return 0


def send_contact(site_url: str) -> list[Expected]:
    sid, email = str(uuid.uuid4()), f"contact-{secrets.token_hex(4)}@home.example"
    data = {
        "first_name": "Rosa",
        "last_name": "Lindqvist",
        "email": email,
        "topic": "repair",
        "message": "Two slates lie in the garden.",
        "octa_sid": sid,
    }
    Visitor(site_url).submit_form("/contact/", data)
    return [
        Expected(
            form="contact",
            contact=email,
            story="with a pixel session",
            session_id=sid,
            custom={"form": "contact", "topic": "repair"},
        )
    ]


def send_storm_damage(site_url: str) -> list[Expected]:
    sid, email = str(uuid.uuid4()), f"storm-{secrets.token_hex(4)}@home.example"
    data = {
        "name": "Gwen Ashworth",
        "phone": "0113 496 0158",
        "email": email,
        "address": "14, LS21 1AA",
        "damage": "slates",
        "message": "A row of slates hangs over the gutter.",
        "octa_sid": sid,
    }
    Visitor(site_url).submit_form("/storm-damage/", data)
    custom = {"form": "storm-damage", "damage": "Slates or tiles have come off", "address": "14, LS21 1AA"}
    story = "a registered model, with a pixel session"
    return [Expected(form="storm-damage", contact=email, story=story, session_id=sid, custom=custom)]


def send_open_day(site_url: str) -> list[Expected]:
    sid, family = str(uuid.uuid4()), secrets.token_hex(4)
    guests = {"Wim de Groot": f"wim-{family}@home.example", "Hanna de Groot": f"hanna-{family}@home.example"}
    Visitor(site_url).submit_form("/open-day/", {**guests_data(guests), "octa_sid": sid})
    return [
        Expected(
            form="open-day",
            contact=email,
            story="two guests in a formset, with a pixel session",
            session_id=sid,
            custom={"form": "open-day"},
        )
        for email in guests.values()
    ]


def guests_data(guests: Mapping[str, str]) -> dict[str, str]:
    """Return what a browser posts where ``guests``, name to e-mail, are put on the list of the open day."""
    data = {"guest-TOTAL_FORMS": "4", "guest-INITIAL_FORMS": "0"}
    rows = [*guests.items(), *[("", "")] * (4 - len(guests))]
    for index, (name, email) in enumerate(rows):
        data |= {f"guest-{index}-name": name, f"guest-{index}-email": email}
    return data


def send_call_back(site_url: str) -> list[Expected]:
    phone, gclid = f"0113 496 0{secrets.randbelow(1000):03}", f"Demo-{secrets.token_hex(6)}"
    data = {"name": "Tom Baxter", "phone": phone, "best_time": "morning", **CONSENT}
    Visitor(site_url).submit_form("/call-back/", data, page=f"/?gclid={gclid}", json=True)
    return [
        Expected(
            form="call-back",
            contact=phone,
            story="with a click ID and consent, as JSON",
            gclid=gclid,
            consent=AGREED,
            custom={"form": "call-back", "best_time": "morning"},
        )
    ]


def send_newsletter(site_url: str) -> list[Expected]:
    email = f"letter-{secrets.token_hex(4)}@home.example"
    Visitor(site_url).submit_form("/newsletter/", {"email": email}, page="/")
    return [Expected(form="newsletter", contact=email, story="with nothing", custom={"form": "newsletter"})]


def send_quote(site_url: str, *, domain: str = "down.example") -> list[Expected]:
    email = f"quote-{secrets.token_hex(4)}@{domain}"
    data = {
        "full_name": "Ines Moreau",
        "email": email,
        "phone": "0113 496 0177",
        "roof_type": "slate",
        "area": "84",
        "message": "The loft is damp on the north side.",
    }
    Visitor(site_url).submit_form("/quote/", data, files={"photo": ("north side.png", PHOTO, "image/png")})
    return [
        Expected(
            form="quote",
            contact=email,
            story="refused at first, with a photo",
            custom={"form": "quote", "roof_type": "slate", "area": 84, "photo": "north side.png"},
        )
    ]


def send_roof_check(site_url: str) -> list[Expected]:
    email, gclid = f"page-{secrets.token_hex(4)}@home.example", f"Demo-{secrets.token_hex(6)}"
    path = "/pages/roof-check/"
    data = {"your_name": "Priya Nair", "e_mail": email, "what_worries_you": "Moss on the north side."}
    answer = Visitor(site_url).submit(path, data, page=f"{path}?gclid={gclid}")
    if "<h1>Thank you</h1>" not in answer.text:
        raise DemoError(f"The form at {path} was not accepted: {answer.text[:300]}")
    return [
        Expected(
            form="roof-check",
            contact=email,
            story="a page of Wagtail, with a click ID",
            gclid=gclid,
            custom={"form": "roof-check", "page_title": "Book a roof check"},
        )
    ]


def send_estimate(site_url: str) -> list[Expected]:
    sid, email = str(uuid.uuid4()), f"api-{secrets.token_hex(4)}@home.example"
    visitor = Visitor(site_url)
    visitor.http.headers["X-Octanist-Session-ID"] = sid
    visitor.submit_form("/api/estimate/", {"email": email, "area": "84"}, page="/contact/", json=True)
    return [
        Expected(
            form="estimate",
            contact=email,
            story="the API, with a pixel session",
            session_id=sid,
            custom={"form": "estimate", "area": 84},
        )
    ]


EXTRA_SUBMISSIONS: tuple[Submission, ...] = (send_roof_check, send_estimate)
"""Of the settings with Wagtail and Django REST framework."""
SUBMISSIONS: tuple[Submission, ...] = (
    send_quote,
    send_contact,
    send_storm_damage,
    send_open_day,
    send_call_back,
    send_newsletter,
)


def wait_until(admin: Admin, wanted: Mapping[str, str], *, seconds: float) -> dict[str, str]:
    """Return what the admin says of each contact's lead, once it is as ``wanted`` or after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        statuses = admin.statuses()
        if wanted.items() <= statuses.items() or time.monotonic() > deadline:
            return statuses
        time.sleep(POLL_SECONDS)


def leads_at(sandbox: Server) -> list[dict[str, Any]]:
    """Return every lead that the sandbox has, newest first."""
    with session() as http:
        answer = http.get(urljoin(sandbox.url, "/sandbox/leads.json"), timeout=10)
    answer.raise_for_status()
    leads: list[dict[str, Any]] = answer.json()["leads"]
    return leads


def leads_of(contact: str, received: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those of ``received`` whose e-mail address or phone is ``contact``."""
    return [lead for lead in received if contact in (lead["fields"].get("email"), lead["fields"].get("phone"))]


def problems(
    expected: Expected, *, statuses: Mapping[str, str], received: Iterable[Mapping[str, Any]]
) -> Iterable[str]:
    """Yield what is wrong with one lead: what was expected, and what came."""
    name = f"- {expected.form} ({expected.contact})"
    status = statuses.get(expected.contact)
    if status != DELIVERED:
        yield f"{name}: the admin should say {DELIVERED!r}, and says {status or 'nothing of it'!r}."
    leads = leads_of(expected.contact, received)
    if len(leads) != 1:
        yield f"{name}: the sandbox should have 1 lead, and has {len(leads)}."
        return
    lead = leads[0]
    came = {
        "session_id": lead["session_id"],
        "gclid": lead["attribution"].get("gclid", ""),
        "consent": lead["consent"],
        "custom": {key: lead["custom"].get(key) for key in expected.custom},
    }
    for key, value in came.items():
        if value != getattr(expected, key):
            yield f"{name}: {key} should be {getattr(expected, key)!r}, and is {value!r}."


def table(expected: Iterable[Expected], *, statuses: Mapping[str, str], received: Iterable[Mapping[str, Any]]) -> str:
    """Return what arrived, a line per lead."""
    received = list(received)
    rows = [("form", "contact", "sent", "admin says", "at Octanist", "joined by", "consent")]
    for item in expected:
        leads = leads_of(item.contact, received)
        facts = (leads[0]["id"], _joined_by(leads[0]), _agreed(leads[0])) if leads else ("-", "-", "-")
        rows.append((item.form, item.contact, item.story, statuses.get(item.contact) or "nothing", *facts))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]  # noqa: B905
    return "\n".join(["", lines[0], "  ".join("-" * width for width in widths), *lines[1:], ""])


def _joined_by(lead: Mapping[str, Any]) -> str:
    if lead["session_id"]:
        return f"session {lead['session_id'][:8]}…"
    gclid = lead["attribution"].get("gclid")
    return f"gclid {gclid}" if gclid else "page only"


def _agreed(lead: Mapping[str, Any]) -> str:
    if lead["session_id"]:
        return "the session's"
    return ", ".join(name for name, granted in lead["consent"].items() if granted) or "none"


def _token(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    if found is None:
        raise DemoError("The page has no form: no csrfmiddlewaretoken on it.")
    return found[1]
