"""Every screen of the admin in headless Chromium: accessible, within its width, under a strict CSP, and harmless.

Desktop and phone, light and dark. axe-core judges accessibility.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from django_octanist.models import BulkAction, DeliveryAttempt, DeliveryPause, Lead

from ..sandbox.browser import chromium
from . import LIST, S, make, page
from .month import a_month

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
LOOKS = {
    "desktop": {"viewport": DESKTOP, "color_scheme": "light"},
    "desktop, dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
    "phone, dark": {"viewport": PHONE, "color_scheme": "dark"},
}
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DJANGOS_OWN = [] if django.VERSION >= (6, 0) else [[".breadcrumbs"]]
"""What no page of ours can mend: before 6.0 the links in Django's breadcrumbs hardly differ from their text."""
OVERVIEW = "/admin/octanist/lead/overview/"
EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
WIDE = "w" * 5_000
MIRRORED = "\u202egnp.exe سلام"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Playwright's loop runs in this thread, in which the tests use the database, too.
    with pytest.MonkeyPatch.context() as patch, chromium() as started:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield started


class Operator:
    """Somebody at a browser, logged in to the admin. Whatever the browser complains about is kept."""

    def __init__(self, context: Any, url: str) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.tab = context.new_page()
        self.tab.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))

    def log_in(self) -> None:
        self.tab.goto(f"{self.url}/admin/login/")
        self.tab.fill("#id_username", "admin")
        self.tab.fill("#id_password", "password")
        self.tab.click("[type=submit]")

    def open(self, path: str) -> None:
        self.tab.goto(f"{self.url}{path}")

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return int(self.tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def violations(self) -> list[str]:
        """What axe-core finds, of whatever standard, on the whole page but for :data:`DJANGOS_OWN`."""
        found = axe.Axe().run(self.tab, context={"exclude": DJANGOS_OWN}).response["violations"]
        return [f"{item['id']}: {node['target']} {node['failureSummary']}" for item in found for node in item["nodes"]]


@pytest.fixture
def operator(browser: Any, live_server: Any, admin_user: User) -> Iterator[Callable[..., Operator]]:
    """Return a function that opens a browser with one of :data:`LOOKS`, logged in as a superuser."""
    contexts = []

    def opened(look: str = "desktop", **options: Any) -> Operator:
        context = browser.new_context(**{**LOOKS[look], **options})
        contexts.append(context)

        def strict(route: Any) -> None:
            answer = route.fetch(max_redirects=0)
            route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": CSP})

        context.route("**/*", strict)
        someone = Operator(context, live_server.url)
        someone.log_in()
        return someone

    yield opened
    for context in contexts:
        context.close()


def attempt(lead: Lead, outcome: str, **values: Any) -> None:
    DeliveryAttempt.objects.create(lead=lead, started_at=timezone.now(), duration_ms=420, outcome=outcome, **values)


def bad_day() -> Lead:
    """Leads of every status, one that is hostile, and an account whose key is refused. Return the hostile one."""
    for status in S:
        lead = make(
            status=status,
            name="Jolanda de Vries",
            phone="+31 6 12345678",
            note="Our roof leaks.",
            custom={"roof": "flat"},
            session_id="0b5f0f8e-7a0c-4f3e-9d0c-0f6f4b1e7a11",
            linked=Lead.Linked.YES,
            source="google / cpc",
            attribution={"utm_source": "google", "utm_medium": "cpc", "gclid": "EAIaIQ", "path": "/contact/"},
            sources={"gclid": "cookie:_gcl_aw", "path": "referer"},
            consent={"ad_storage": True, "analytics_storage": False},
            error_code="VALIDATION_ERROR" if status == S.INVALID else "",
        )
        attempt(lead, "uncertain", http_status=502, error="bad gateway", request_id="req_1")
    DeliveryPause.objects.create(account="default", reason="unauthorized", probe_at=timezone.now())
    long_ago = timezone.now() - timedelta(hours=1)
    BulkAction.objects.create(kind="replay", total=3000, touched=1500, error=WIDE, beat_at=long_ago)
    evil = make(
        status=S.INVALID,
        form=EVIL[:200],
        name=EVIL,
        email="javascript:window.hacked=1",
        note=WIDE,
        custom={EVIL: WIDE, "mirrored": MIRRORED},
        source=EVIL[:120],
        attribution={"path": "javascript:window.hacked=1", "utm_source": EVIL, "utm_campaign": WIDE},
        error_code="VALIDATION_ERROR",
        error=f"{EVIL} {WIDE}",
    )
    attempt(evil, "invalid", http_status=400, error=f"{EVIL} {WIDE}", error_code="VALIDATION_ERROR")
    return evil


SCREENS: dict[str, Callable[[Lead], str]] = {
    "list": lambda lead: LIST,
    "list, filtered": lambda lead: f"{LIST}?status__exact=failed",
    "list, nothing found": lambda lead: f"{LIST}?q=nobody@example.com",
    "hostile lead": page,
    "pending lead": lambda lead: page(Lead.objects.filter(status=S.PENDING)[0]),
    "delivered lead": lambda lead: page(Lead.objects.filter(status=S.DELIVERED)[0]),
    "failed lead": lambda lead: page(Lead.objects.filter(status=S.FAILED)[0]),
    "erasing a lead": lambda lead: f"{LIST}{lead.pk}/erase/",
    "correcting a lead": lambda lead: f"{LIST}{lead.pk}/correct/",
    "bulk actions": lambda lead: reverse("admin:octanist_bulkaction_changelist"),
    "bulk action": lambda lead: reverse("admin:octanist_bulkaction_change", args=[BulkAction.objects.get().pk]),
    "overview": lambda lead: OVERVIEW,
    "app": lambda lead: reverse("admin:app_list", args=["octanist"]),
    "pauses": lambda lead: reverse("admin:octanist_deliverypause_changelist"),
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_screen(operator: Callable[..., Operator], look: str) -> None:
    evil = bad_day()
    someone = operator(look)
    wrong = {}
    for name, path in SCREENS.items():
        someone.complaints.clear()
        someone.open(path(evil))
        # In this order: axe-core itself adds styles to the page.
        found = [*someone.complaints, *someone.violations()]
        if someone.overflow > 0:
            found.append(f"{someone.overflow} px too wide")
        if someone.tab.evaluate("window.hacked"):
            found.append("ran what a visitor typed")
        if found:
            wrong[name] = found
    assert not wrong


@pytest.mark.parametrize("screen", ["list", "bulk actions", "pauses"])
def test_a_list_on_a_phone_is_not_cut_off(operator: Callable[..., Operator], screen: str) -> None:
    evil = bad_day()
    DeliveryPause.objects.update(error=WIDE)
    someone = operator("phone")
    someone.open(SCREENS[screen](evil))
    cut = "((table) => table.scrollWidth - table.clientWidth)(document.querySelector('.results'))"
    assert someone.tab.evaluate(cut) == 0
    assert someone.tab.locator("#result_list tbody tr").count()


def test_names_and_tags_are_whole_on_a_phone(operator: Callable[..., Operator]) -> None:
    a_month(1000)
    someone = operator("phone")
    someone.open(OVERVIEW)
    whole = someone.tab.locator(".octanist-forms tbody :is(bdi, code)").all()
    assert {each.inner_text() for each in whole} > {"newsletter", "{% octanist_pixel %}"}
    assert not [each.inner_text() for each in whole if each.bounding_box()["height"] > 20]


PICTURES = {
    "overview": (OVERVIEW, 1100),
    "leads": (f"{LIST}?status__exact=pending", 620),
    "lead": ("", 760),
}
"""Of the README: what is seen, and pixels of its height."""


def test_pictures(operator: Callable[..., Operator], tmp_path: Path) -> None:
    """The README's pictures are made by this, where ``PICTURES`` names their folder (``example_project/pictures``)."""
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    a_month(waiting=3_000)
    someone = operator(viewport={"width": 1180, "height": 800})
    someone.tab.evaluate("localStorage.setItem('django.admin.navSidebarIsOpen', 'false')")
    for name, (path, height) in PICTURES.items():
        someone.open(path or page(Lead.objects.filter(status=S.INVALID, form="contact").latest("pk")))
        clip = {"x": 0, "y": 0, "width": 1180, "height": height}
        someone.tab.screenshot(path=folder / f"{name}.png", full_page=True, clip=clip)
    assert not someone.complaints
    assert {file.stem for file in folder.glob("*.png")} == set(PICTURES)
