"""The overview, from made-up figures; pauses and keys are real, and so is a fake Octanist behind the button."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.utils import timezone, translation
from django.utils.html import escape

import django_octanist
from django_octanist import figures as figures_module
from django_octanist.admin import keycheck
from django_octanist.admin.shown import second_shown
from django_octanist.figures import Figures
from django_octanist.figures.shapes import SPANS
from django_octanist.models import DeliveryAttempt, DeliveryPause, Lead
from django_octanist.test import TestSandbox, octanist
from tests.delivery import UNREACHABLE, RawServer, http
from tests.figures import attempted

from . import LIST, NUDGES, S, make, note_nudge, staff
from .made_up import TODAY, account, day, figures, form, month, span
from .month import LOST_PIXEL, a_month

__all__ = ["octanist"]

pytestmark = pytest.mark.django_db

URL = f"{LIST}overview/"
CHECK = f"{URL}check/"

Show = Callable[..., Figures]


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One entry for each time that the figures were to be counted anew."""
    seen: list[bool] = []
    monkeypatch.setattr(figures_module, "forget", lambda: seen.append(True))
    return seen


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Have the overview show these figures."""

    def shown(*accounts: Any, **values: Any) -> Figures:
        made = figures(*accounts, **values)
        monkeypatch.setattr(figures_module, "read", lambda: made)
        return made

    return shown


def pause(name: str = "default", reason: str = "unauthorized", **values: Any) -> DeliveryPause:
    values = {"probe_at": timezone.now() + timedelta(minutes=4), "error": "HTTP 401", **values}
    return DeliveryPause.objects.create(account=name, reason=reason, **values)


def text_of(client: Client) -> str:
    """The page as it is read: without tags, each space once."""
    html = client.get(URL).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", html[html.index('<div id="content"') :]).replace("\xa0", " ").split())


def links(html: str, text: str) -> list[dict[str, list[str]]]:
    """Where the links lead whose text is ``text``: the list's filters."""
    found = re.findall(rf'<a href="([^"]+)">{re.escape(text)}</a>', html)
    return [parse_qs(urlsplit(url.replace("&amp;", "&")).query) for url in found]


class TestStates:
    def test_delivering(self, admin_client: Client, show: Show) -> None:
        show(account(days=month(delivered=3)))
        text = text_of(admin_client)
        assert "default Delivering" in text
        assert "Nothing needs a look" in text
        assert "No lead is waiting." in text

    @pytest.mark.parametrize(
        ("reason", "why", "todo"),
        [
            ("unauthorized", "API key refused (HTTP 401)", "Set the right key as OCTANIST_API_KEY"),
            ("outage", "Octanist unavailable (HTTP 401)", "Nothing to do: deliveries go on by themselves"),
            ("rate_limited", "rate limited (HTTP 401)", "Nothing to do: deliveries go on by themselves"),
            ("endpoint", "not the API that answers (HTTP 401)", "See that OCTANIST_API_URL (http://127.0.0.1:9/api)"),
        ],
    )
    def test_paused(self, admin_client: Client, show: Show, reason: str, why: str, todo: str) -> None:
        now = timezone.now()
        show(account(pending=3012, oldest_pending=now - timedelta(hours=2), days=month(delivered=3)))
        pause(reason=reason, since=now - timedelta(hours=3))
        text = text_of(admin_client)
        assert "default Paused" in text
        assert re.search(rf"\(3 hours\): {re.escape(why)}\. Next try in [34] minutes\.", text)
        assert todo in text
        assert "othing is lost." in text
        # That Octanist asks for a rest passes by itself.
        needs_a_look = "Deliveries of the account default are paused. Pending leads: 3,012." in text
        assert needs_a_look is (reason != "rate_limited")
        assert "Pending: 3,012 · the oldest has waited for: 2 hours" in text

    def test_a_try_that_is_due(self, admin_client: Client, show: Show) -> None:
        show()
        pause(probe_at=timezone.now() - timedelta(minutes=1))
        assert "The next try comes with the next lead that is due." in text_of(admin_client)

    def test_another_key_is_tried_at_once(self, admin_client: Client, show: Show) -> None:
        show()
        pause(key_fingerprint="of another key")
        assert "The next try comes with the next lead that is due." in text_of(admin_client)

    def test_no_key(self, admin_client: Client, show: Show, settings: Any) -> None:
        settings.OCTANIST_API_KEY = ""
        show(account(pending=2, oldest_pending=timezone.now(), days=month(delivered=1)))
        text = text_of(admin_client)
        assert "default No key" in text
        assert "The account has no API key. Set OCTANIST_API_KEY (in Octanist: Settings → API), and restart." in text
        assert "misspelt" not in text

    def test_an_account_that_no_setting_knows(self, admin_client: Client, show: Show) -> None:
        show(account("gone", days=month(delivered=1)))
        text = text_of(admin_client).replace("&quot;", '"')
        assert 'No setting knows it: set OCTANIST_API_KEYS["gone"]' in text
        assert "octanist_account is misspelt" in text

    def test_leads_that_wait_though_nothing_is_paused(self, admin_client: Client, show: Show) -> None:
        show(account(pending=1, oldest_pending=timezone.now() - timedelta(hours=2), days=month(delivered=1)))
        text = text_of(admin_client).replace("&quot;", '"')
        assert "default Late" in text
        assert "its oldest lead has waited for 2 hours." in text
        assert 'OCTANIST_DISPATCH is "manual": does its worker run?' in text

    def test_leads_that_waited_and_are_being_sent(self, admin_client: Client, show: Show) -> None:
        now = timezone.now()
        show(account(pending=3000, oldest_pending=now - timedelta(hours=2), days=month(delivered=1)))
        attempted(make(), now, outcome=DeliveryAttempt.Outcome.DELIVERED)
        text = text_of(admin_client)
        assert "default Delivering" in text
        assert "Catching up: the oldest lead has waited for 2 hours. The leads that waited are being sent." in text
        assert "Nothing needs a look" in text

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [("TIMEOUT", "10", "must be a number of seconds"), ("API_KEYS", ["x"], "must be a dict")],
    )
    def test_a_wrong_setting_comes_first(
        self, admin_client: Client, show: Show, settings: Any, name: str, value: Any, said: str
    ) -> None:
        show(account("shop"))
        setattr(settings, f"OCTANIST_{name}", value)
        text = text_of(admin_client)
        assert "A setting is wrong: nothing is delivered until it is right" in text
        assert f"OCTANIST_{name} {said}" in text
        assert "Delivering" not in text

    @pytest.mark.parametrize(
        ("name", "value"), [("REMEMBER_DAYS", "90"), ("ALERT_EMAILS", "ops@example.com"), ("ADMIN_URL", "example.com")]
    )
    def test_a_wrong_setting_that_deliveries_do_without_hides_nothing(
        self, admin_client: Client, show: Show, settings: Any, name: str, value: Any
    ) -> None:
        show(account(pending=3, oldest_pending=timezone.now(), days=month(delivered=1)))
        pause()
        setattr(settings, f"OCTANIST_{name}", value)
        text = text_of(admin_client)
        assert f"A setting is wrong: OCTANIST_{name} must be" in text
        assert "Deliveries of the account default are paused. Pending leads: 3." in text
        assert "Check the key now" in text
        notices = admin_client.get(LIST).context["octanist_notices"]
        assert [notice.partition(" ")[0] for notice in map(str, notices)] == [f"OCTANIST_{name}", "Account"]


class TestFigures:
    def test_numbers_lead_to_the_leads(self, admin_client: Client, show: Show) -> None:
        spans = {
            "24h": span(0.84, 184.0, delivered=12, failed=1),
            "7d": span(0.84, 184.0, delivered=80),
            "30d": span(0.84, 7300.0, delivered=1412, pending=7),
        }
        shown = show(account(spans=spans, pending=9, oldest_pending=timezone.now(), days=month(delivered=1)))
        html = admin_client.get(URL).content.decode()
        since = {name: (shown.taken_at - length).isoformat(timespec="seconds") for name, length in SPANS.items()}
        delivered = {"account": ["default"], "status__exact": ["delivered"]}
        assert links(html, "12") == [{**delivered, "created_at__gte": [since["24h"]]}]
        assert links(html, "80") == [{**delivered, "created_at__gte": [since["7d"]]}]
        assert links(html, "1,412") == [{**delivered, "created_at__gte": [since["30d"]]}]
        assert links(html, "9") == [{"account": ["default"], "status__exact": ["pending"]}]
        assert links(html, "0") == []
        text = text_of(admin_client)
        assert "Success rate 92.3% 100% 100%" in text
        assert "Half within 0.8 s 0.8 s 0.8 s" in text
        assert "95 of 100 within 3.1 min 3.1 min 2 h" in text

    def test_the_list_understands_the_links(self, admin_client: Client, show: Show) -> None:
        spans = {name: span(failed=5) for name in SPANS}
        show(account(spans=spans, pending=1, oldest_pending=timezone.now(), days=month(failed=1)), forms=(form(),))
        old = {"created_at": timezone.now() - timedelta(days=40)}
        make(status=S.FAILED)
        make(), make(account="shop", status=S.FAILED), make(status=S.FAILED, **old)
        make(status=S.REJECTED, form="quote")
        html = admin_client.get(URL).content.decode()
        urls = {url.replace("&amp;", "&") for url in re.findall(rf'href="({LIST}\?[^"]+)"', html)}
        counted = {url: admin_client.get(url).context["cl"].result_count for url in urls}
        assert sorted(counted.values()) == [1, 1, 1, 1, 2]

    def test_their_age(self, admin_client: Client, show: Show) -> None:
        shown = show(taken_at=timezone.now() - timedelta(seconds=40))
        at = second_shown(shown.taken_at, "TIME_FORMAT")
        assert re.search(rf"Counted {at}, 4\d seconds ago; counted anew at most once a minute\.", text_of(admin_client))

    def test_what_failed_needs_a_look(self, admin_client: Client, show: Show) -> None:
        week, rest = span(delivered=5, failed=12, invalid=1), span(delivered=5, failed=30, invalid=30)
        shown = show(account(spans={"24h": span(), "7d": week, "30d": rest}, days=month(failed=1)))
        text = text_of(admin_client)
        assert "12 leads of the account default failed in 7 days: open one to see why, then send them again." in text
        assert "Octanist refused the data of 1 lead of the account default in 7 days: open it to see why." in text
        since = (shown.taken_at - SPANS["7d"]).isoformat(timespec="seconds")
        filters = urlencode({"account": "default", "status__exact": "failed", "created_at__gte": since})
        assert f'<li><a href="{escape(f"{LIST}?{filters}")}">12 leads' in admin_client.get(URL).content.decode()

    @pytest.mark.parametrize(("lately", "said"), [(1, "3 leads of the account default failed in 30 days"), (0, "")])
    def test_what_failed_only_now(self, admin_client: Client, show: Show, lately: int, said: str) -> None:
        spans = {"24h": span(), "7d": span(), "30d": span(failed=3)}
        show(account(spans=spans, days=month(failed=1), failed_lately=lately))
        text = text_of(admin_client)
        assert said in text
        assert ("Nothing needs a look" in text) is (not said)

    @pytest.mark.parametrize(
        ("language", "expected"), [("en", "1,412 leads in 30 days, most on November 3"), ("de", "3. November")]
    )
    def test_in_the_readers_language(self, admin_client: Client, show: Show, language: str, expected: str) -> None:
        show(account(days=month({20: day(20, delivered=1412)})))
        with translation.override(language):
            assert expected in text_of(admin_client)


class TestPictures:
    def test_a_gist_in_words(self, admin_client: Client, show: Show) -> None:
        days = month({20: day(20, 0.5, 2.0, delivered=40), 3: day(3, 1.0, 7200.0, delivered=2, failed=5, invalid=7)})
        show(account(days=days, median=0.8, p95=180.0))
        text = text_of(admin_client)
        assert days[-1].date == TODAY
        assert ("54 leads in 30 days, most on November 3 (40). 12 failed or were invalid, all on November 20.") in text
        assert (
            "Half of the leads were delivered within 0.8 s, 95 of 100 within 3 min."
            " Slowest on November 20: 95 of 100 within 2 h."
        ) in text

    def test_a_bar_that_is_taller_than_drawn(self, admin_client: Client, show: Show) -> None:
        show(account(days=month({0: day(0, pending=3000)}, delivered=70)))
        html = admin_client.get(URL).content.decode()
        assert "most on November 23 (3,000). None failed or was invalid. Taller than drawn: November 23.</p>" in html
        assert 'class="octanist-path octanist-draw-cut"' in html
        assert "octanist-ink-cut" not in html

    def test_failures_since_a_day(self, admin_client: Client, show: Show) -> None:
        show(account(days=month({3: day(3, failed=1), 1: day(1, invalid=1)}, delivered=1)))
        assert "2 failed or were invalid, all since November 20." in text_of(admin_client)

    def test_named_by_what_is_on_the_page(self, admin_client: Client, show: Show) -> None:
        show(account(days=month(median=1.0, p95=2.0, delivered=1)), account("shop", days=month(delivered=1)))
        html = admin_client.get(URL).content.decode()
        names = re.findall(r'<svg role="img" aria-labelledby="([^"]+)"', html)
        assert len(names) == len(set(names)) == 3
        for name in " ".join(names).split():
            assert html.count(f'id="{name}"') == 1

    def test_the_same_as_a_table(self, admin_client: Client, show: Show) -> None:
        show(account(days=month({3: day(3, 0.9, 78.0, delivered=2, rejected=5)}, median=1.0, p95=2.0, delivered=1)))
        text = text_of(admin_client)
        assert "November 20 2 5 0 0 0 0" in text
        assert "November 20 1.3 min 0.9 s" in text

    def test_no_style_or_script_of_its_own(self, admin_client: Client, show: Show) -> None:
        show(account(days=month(median=1.0, p95=2.0, delivered=1)), forms=(form(),))
        html = admin_client.get(URL).content.decode()
        content = html[html.index("<main") : html.index("</main>")]
        for forbidden in ("style=", "<style", "<script", "onclick", "javascript:"):
            assert forbidden not in content


class TestForms:
    def test_a_form_that_lost_its_pixel(self, admin_client: Client, show: Show, settings: Any) -> None:
        settings.OCTANIST_PIXEL_ID = "OCT-1A2B3C4D"
        lost = form("quote", linked=0.31, linked_lately=0.02, linked_before=0.81, lost_pixel=True)
        show(account(days=month(delivered=1)), forms=(lost, form("contact")))
        text = text_of(admin_client)
        assert "The form quote has lost its pixel: 2% of its leads are linked in the last 3 days, 81% before." in text
        assert (
            "quote 100 31% 2% 25% The pixel is lost: 2% of the leads are linked in the last 3 days, 81% before." in text
        )
        assert "See that {% octanist_pixel %} is still on its page" in text
        assert "prints nothing" not in text
        assert "contact 100 80% 80% 25%" in text

    def test_a_form_that_never_had_one(self, admin_client: Client, show: Show) -> None:
        never = form("import", linked=0.0, linked_lately=0.0, linked_before=0.0, never_linked=True)
        show(account(days=month(delivered=1)), forms=(never,))
        text = text_of(admin_client)
        assert "None of its leads is linked to a pixel session: put {% octanist_pixel %} on its page." in text
        assert "OCTANIST_PIXEL_ID is not set: {% octanist_pixel %} prints nothing." in text
        # It may have no page: that is no alarm.
        assert "Nothing needs a look" in text

    def test_tags_are_whole(self, admin_client: Client, show: Show) -> None:
        show(account(days=month(delivered=1)), forms=(form(lost_pixel=True),))
        html = admin_client.get(URL).content.decode()
        assert "See that <code>{% octanist_pixel %}</code> is still on its page" in html
        assert "the form is in the page&#x27;s HTML. Where" in html
        assert "put <code>{% octanist_session_field %}</code> in it." in html

    def test_too_few_to_tell(self, admin_client: Client, show: Show) -> None:
        show(account(days=month(delivered=1)), forms=(form(linked_lately=None),))
        assert "contact 100 80% - 25%" in text_of(admin_client)

    def test_all_is_said_only_of_all(self, admin_client: Client, show: Show) -> None:
        show(account(days=month(delivered=1)), forms=(form(linked=0.9999, linked_lately=0.0001, without_consent=1.0),))
        assert "contact 100 99% 1% 100%" in text_of(admin_client)

    @pytest.mark.parametrize("name", ["<script>alert(1)</script>", "x" * 200, "\u202egnirts", "javascript:alert(1)"])
    def test_hostile_names(self, admin_client: Client, show: Show, name: str) -> None:
        show(account(name, days=month(delivered=1)), forms=(form(name, lost_pixel=True),))
        html = admin_client.get(URL).content.decode()
        assert "<script>alert" not in html
        assert 'href="javascript' not in html
        assert f"<bdi>{escape(name)}</bdi>" in html


class TestAccounts:
    def test_the_worst_first(self, admin_client: Client, show: Show, settings: Any) -> None:
        settings.OCTANIST_API_KEYS = {"good": "k", "bad": "k", "late": "k"}
        old = timezone.now() - timedelta(hours=1)
        show(
            account("good", days=month(delivered=1)),
            account("late", pending=50, oldest_pending=old, days=month(delivered=1)),
            account("gone", pending=20, oldest_pending=old, days=month(delivered=1)),
            account("bad", pending=1, oldest_pending=old, days=month(delivered=1)),
        )
        pause("bad")
        html = admin_client.get(URL).content.decode()
        assert re.findall(r'<a href="#(account-\d)"><bdi>(\w+)</bdi>', html) == [
            ("account-1", "bad"),
            ("account-2", "gone"),
            ("account-3", "late"),
            ("account-4", "good"),
        ]

    def test_nobody_uses_the_default_one(self, admin_client: Client, show: Show, settings: Any) -> None:
        settings.OCTANIST_API_KEY = ""
        settings.OCTANIST_API_KEYS = {"shop": "k"}
        show(account("default"), account("shop", days=month(delivered=1)))
        text = text_of(admin_client)
        assert "shop Delivering" in text
        assert "default" not in text

    def test_twenty_of_them(self, admin_client: Client, show: Show, settings: Any) -> None:
        settings.OCTANIST_API_KEYS = {f"shop-{number}": "k" for number in range(20)}
        show(*(account(f"shop-{number}", days=month(delivered=1)) for number in range(20)))
        html = admin_client.get(URL).content.decode()
        assert html.count("<details open>") == 3
        assert len(re.findall(r'<section class="module octanist-account"', html)) == 20

    def test_few_queries_however_many(
        self, admin_client: Client, show: Show, settings: Any, django_assert_max_num_queries: Any
    ) -> None:
        settings.OCTANIST_API_KEYS = {f"shop-{number}": "k" for number in range(20)}
        for number in range(20):
            pause(f"shop-{number}")
        many = [account(f"shop-{number}", days=month(delivered=1), pending=1) for number in range(20)]
        show(*many, forms=tuple(form(f"form {number}") for number in range(50)))
        with django_assert_max_num_queries(4):
            admin_client.get(URL)

    def test_no_leads_at_all(self, admin_client: Client, show: Show) -> None:
        show(account())
        text = text_of(admin_client)
        assert "No leads yet" in text
        assert "Put OctanistFormMixin on a form and OctanistFormViewMixin on its view" in text
        assert "Put {% octanist_pixel %} into the head" in text
        assert "Leads per day" not in text


class TestABadDay:
    """With leads that are there, and figures that are counted."""

    def test_each_cause_is_named(self, admin_client: Client) -> None:
        a_month(1000, waiting=30)
        text = text_of(admin_client)
        assert "Deliveries of the account default are paused. Pending leads: 30." in text
        assert re.search(r"Octanist refused the data of \d+ leads? of the account default in 7 days", text)
        assert re.search(r"\d+ leads? of the account default failed in 7 days", text)
        assert f"The form {LOST_PIXEL} has lost its pixel: 0% of its leads are linked in the last" in text
        assert re.search(r"1,0\d\d leads in 30 days, most on", text)
        assert re.search(r"API key refused \(HTTP 401 UNAUTHORIZED\)\. Next try in [89] minutes\.", text)

    def test_few_queries_once_counted(self, admin_client: Client, django_assert_max_num_queries: Any) -> None:
        a_month(50, waiting=5)
        admin_client.get(URL)
        with django_assert_max_num_queries(4):
            admin_client.get(URL)

    def test_it_is_mended(
        self, admin_client: Client, octanist: TestSandbox, django_capture_on_commit_callbacks: Any
    ) -> None:
        a_month(50, waiting=5)
        assert "default Paused" in text_of(admin_client)
        with django_capture_on_commit_callbacks(execute=True):
            response = admin_client.post(CHECK, {"account": "default"}, follow=True)
        assert "Its deliveries go on. 5 leads go out now." in response.content.decode()
        assert octanist.deliver() == 5
        figures_module.forget()
        text = text_of(admin_client)
        assert "default Delivering" in text
        assert "No lead is waiting." in text


class TestPermissions:
    def test_anonymous_goes_to_the_login(self, client: Client) -> None:
        for response in (client.get(URL), client.post(CHECK)):
            assert response.status_code == 302
            assert "/login/" in response["Location"]

    def test_without_permission(self, client: Client, show: Show) -> None:
        show()
        staff(client, "view_deliverypause", "replay_lead")
        assert client.get(URL).status_code == 403
        assert client.post(CHECK, {"account": "default"}).status_code == 403
        assert "lead/overview/" not in client.get("/admin/octanist/").content.decode()

    def test_viewing_is_not_checking(self, client: Client, show: Show, octanist: TestSandbox) -> None:
        show()
        pause()
        staff(client, "view_lead")
        assert "Check the key now" not in client.get(URL).content.decode()
        assert client.post(CHECK, {"account": "default"}).status_code == 403
        assert octanist.exchanges == ()
        assert DeliveryPause.objects.exists()

    def test_with_both(self, client: Client, show: Show) -> None:
        show()
        staff(client, "view_lead", "replay_lead")
        assert "Check the key now" in client.get(URL).content.decode()

    def test_get_checks_nothing(self, admin_client: Client, octanist: TestSandbox) -> None:
        pause()
        assert admin_client.get(CHECK).status_code == 405
        assert octanist.exchanges == ()
        assert DeliveryPause.objects.exists()

    def test_a_forged_request(self, show: Show, admin_user: Any, octanist: TestSandbox) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        assert client.post(CHECK, {"account": "default"}).status_code == 403
        assert octanist.exchanges == ()

    def test_the_button_is_no_forged_request(self, show: Show, admin_user: Any, octanist: TestSandbox) -> None:
        show()
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        html = client.get(URL).content.decode()
        form = re.search(rf'<form method="post" action="{CHECK}">.*?</form>', html)
        assert form is not None
        posted = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))
        assert client.post(CHECK, posted).status_code == 302
        assert len(octanist.exchanges) == 1

    def test_linked_from_the_list_and_the_apps_page(self, client: Client) -> None:
        staff(client, "view_lead")
        for page in (LIST, "/admin/octanist/"):
            assert f'<a href="{URL}">Overview' in client.get(page).content.decode()


class TestCheck:
    """`Check the key now`, against a fake Octanist on this machine."""

    @pytest.fixture(autouse=True)
    def _noted(self, settings: Any, show: Show) -> Iterator[None]:
        show()
        NUDGES.clear()
        settings.OCTANIST_DISPATCH = f"{note_nudge.__module__}.{note_nudge.__name__}"
        yield
        NUDGES.clear()

    @pytest.fixture
    def check(self, admin_client: Client, django_capture_on_commit_callbacks: Any) -> Callable[..., str]:
        def checked(name: str = "default") -> str:
            with django_capture_on_commit_callbacks(execute=True):
                response = admin_client.post(CHECK, {"account": name})
            assert response.status_code == 302
            assert response["Location"] == URL
            (message,) = response.wsgi_request._messages
            return str(message)

        return checked

    def test_a_good_key(
        self, octanist: TestSandbox, check: Callable[..., str], forgotten: list[bool], settings: Any
    ) -> None:
        settings.OCTANIST_DISPATCH = "tests.admin.note_nudge"
        pause(), pause("shop")
        make(), make(), make(account="shop"), make(status=S.DELIVERED)
        make(next_attempt_at=timezone.now() + timedelta(hours=1))
        text = check()
        assert text == ("Octanist accepts the key of the account default. Its deliveries go on. 2 leads go out now.")
        assert [row.account for row in DeliveryPause.objects.all()] == ["shop"]
        assert NUDGES == ["default"]
        assert forgotten == [True]
        entry = LogEntry.objects.get()
        assert (entry.object_repr, entry.change_message) == (
            "default: unauthorized",
            "Resumed: Octanist accepts the key.",
        )
        assert [exchange.path for exchange in octanist.exchanges] == ["/api/check"]

    def test_a_good_key_of_an_account_that_was_not_paused(
        self, octanist: TestSandbox, check: Callable[..., str], forgotten: list[bool]
    ) -> None:
        make()
        text = check()
        assert "Its deliveries were not paused. 1 lead goes out now." in text
        assert not LogEntry.objects.exists()

    def nothing_changed(self) -> bool:
        kept = DeliveryPause.objects.filter(account="default").count() == 1
        return kept and not NUDGES and not LogEntry.objects.exists() and Lead.objects.get().attempts == 0

    def test_a_refused_key(
        self, octanist: TestSandbox, check: Callable[..., str], forgotten: list[bool], settings: Any
    ) -> None:
        settings.OCTANIST_API_KEY = "sk-wrong"
        pause(), make()
        text = check()
        assert f"Octanist at {octanist.api_url} refuses the key of the account default. Nothing was changed." in text
        assert "sk-wrong" not in text
        assert self.nothing_changed()
        assert forgotten == []

    def test_nobody_answers(self, check: Callable[..., str], forgotten: list[bool], settings: Any) -> None:
        settings.OCTANIST_API_URL = UNREACHABLE
        pause(), make()
        assert f"The key of the account default could not be checked at {UNREACHABLE}: no connection" in check()
        assert self.nothing_changed()

    def test_somebody_else_answers(self, check: Callable[..., str], forgotten: list[bool], settings: Any) -> None:
        pause(), make()
        with RawServer(http(200, b"<html>")) as server:
            settings.OCTANIST_API_URL = server.api_url
            assert "the answer is not the API's" in check()
        assert self.nothing_changed()

    def test_no_answer_is_waited_for_a_moment_only(
        self, check: Callable[..., str], settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keycheck, "SECONDS", 0.2)
        pause(), make()
        with RawServer(None) as server:
            settings.OCTANIST_API_URL = server.api_url
            assert "no full answer within 0.2 s" in check()
        assert self.nothing_changed()

    def test_no_key(self, octanist: TestSandbox, check: Callable[..., str], settings: Any) -> None:
        settings.OCTANIST_API_KEY = ""
        pause(), make()
        assert "The account default has no API key" in check()
        assert octanist.exchanges == ()
        assert self.nothing_changed()

    def test_an_account_that_there_is_not(self, octanist: TestSandbox, check: Callable[..., str]) -> None:
        pause(), make()
        assert "The account <b>x</b> has no API key" in check("<b>x</b>")
        assert octanist.exchanges == ()
        assert self.nothing_changed()

    def test_a_wrong_setting(self, octanist: TestSandbox, check: Callable[..., str], settings: Any) -> None:
        pause(), make()
        settings.OCTANIST_TIMEOUT = "10"
        assert "OCTANIST_TIMEOUT must be a number of seconds" in check()
        assert self.nothing_changed()

    @pytest.mark.django_db(transaction=True)
    def test_no_transaction_is_open_while_octanist_is_asked(
        self, admin_client: Client, octanist: TestSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_then: list[bool] = []
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        monkeypatch.setattr(keycheck.client, "check_key", lambda **_: open_then.append(connection.in_atomic_block))
        admin_client.post(CHECK, {"account": "default"})
        assert open_then == [False]


class TestInks:
    """The colours of the pictures are told apart by everybody, and from the background, light and dark."""

    CSS = (Path(django_octanist.__file__).parent / "static/octanist/overview.css").read_text()
    OUTCOMES = ("delivered", "rejected", "cancelled", "pending", "invalid", "failed")
    # How people without one of the three cones see linear RGB (Machado, Oliveira and Fernandes, 2009).
    EYES = {
        "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
        "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
        "tritanopia": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
    }

    def inks(self, theme: str) -> dict[str, str]:
        block = self.CSS.partition({"light": ":root,", "dark": 'html[data-theme="dark"]'}[theme])[2].partition("}")[0]
        return dict(re.findall(r"--octanist-([\w-]+): (#\w{6});", block))

    @pytest.mark.parametrize(("theme", "background"), [("light", "#ffffff"), ("dark", "#121212")])
    def test_contrast(self, theme: str, background: str) -> None:
        inks = self.inks(theme)
        for name, ink in inks.items():
            # WCAG 2.2: 4.5 for words, 3 for graphics.
            least = 4.5 if name in ("good", "bad", "late") else 3
            assert _contrast(ink, background) >= least, name

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("eyes", EYES)
    def test_told_apart(self, theme: str, eyes: str) -> None:
        inks = self.inks(theme)
        for one, other in itertools.combinations(self.OUTCOMES, 2):
            seen = [_lab(_through(self.EYES[eyes], _linear(inks[name]))) for name in (one, other)]
            assert math.dist(*seen) >= 15, (one, other)

    def test_the_theme_that_is_chosen_is_the_one_that_is_preferred(self) -> None:
        preferred = self.CSS.partition("prefers-color-scheme: dark) {")[2].partition("}")[0]
        assert dict(re.findall(r"--octanist-([\w-]+): (#\w{6});", preferred)) == self.inks("dark")


def _linear(ink: str) -> list[float]:
    values = [int(ink[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]


def _through(eyes: Any, light: list[float]) -> list[float]:
    return [min(1.0, max(0.0, sum(a * b for a, b in zip(row, light, strict=True)))) for row in eyes]


def _luminance(light: list[float]) -> float:
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted(_luminance(_linear(ink)) for ink in (one, other))
    return (high + 0.05) / (low + 0.05)


def _lab(light: list[float]) -> tuple[float, float, float]:
    red, green, blue = light
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (
            (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
            _luminance(light),
            (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089,
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)
