"""The figures, beside the same ones counted lead by lead."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from django_octanist.figures import AccountFigures, Figures, Span, histogram, taken
from django_octanist.figures.shapes import SPANS
from django_octanist.models import Lead

from . import S, attempted, many, stored
from .test_histogram import exactly

pytestmark = pytest.mark.django_db

UTC = timezone.utc
NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)
ZONES = ["UTC", "Europe/Amsterdam", "America/New_York", "Asia/Kolkata"]
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """What time it is, and a way to say so."""
    time = [NOON]
    monkeypatch.setattr(taken.clock, "now", lambda *, using: time[0])
    return time


def account(figures: Figures, name: str = "default") -> AccountFigures:
    (found,) = [one for one in figures.accounts if one.account == name]
    return found


def compare(span: Span, leads: list[Lead]) -> None:
    assert span.counts == {**dict.fromkeys(S.values, 0), **Counter(lead.status for lead in leads)}
    took = [(lead.delivered_at - lead.created_at).total_seconds() for lead in leads if lead.delivered_at]
    for share, value in [(0.5, span.median), (0.95, span.p95)]:
        if not took:
            assert value is None
            continue
        assert value is not None
        assert 1 / histogram.FACTOR < value / exactly(share, took) < histogram.FACTOR


class TestBesideEachLead:
    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("now", [NOON, datetime(2025, 11, 5, 1, tzinfo=UTC), datetime(2026, 4, 2, 23, tzinfo=UTC)])
    def test_outcomes(self, clock: list[datetime], now: datetime, zone: str) -> None:
        clock[0] = now
        with override_settings(TIME_ZONE=zone):
            many(now, number=400)
            figures = taken.take()
        for one in figures.accounts:
            leads = list(Lead.objects.filter(account=one.account))
            for name, length in SPANS.items():
                compare(one.spans[name], [lead for lead in leads if lead.created_at >= now - length])
            by_day: dict[date, list[Lead]] = {day.date: [] for day in one.days}
            for lead in leads:
                by_day.setdefault(lead.created_at.astimezone(ZoneInfo(zone)).date(), []).append(lead)
            for day in one.days:
                compare(day, by_day[day.date])
            assert len(one.days) == 30
            assert one.days[-1].date == now.astimezone(ZoneInfo(zone)).date()

    def test_pending(self, clock: list[datetime]) -> None:
        many(NOON, number=400)
        for one in taken.take().accounts:
            waiting = [lead.created_at for lead in Lead.objects.filter(account=one.account, status=S.PENDING)]
            assert (one.pending, one.oldest_pending) == (len(waiting), min(waiting))

    def test_forms(self, clock: list[datetime]) -> None:
        many(NOON, number=1_000)
        forms = taken.take().forms
        recent = [lead for lead in Lead.objects.all() if lead.created_at >= NOON - 30 * DAY]
        assert {(form.account, form.form) for form in forms} == {(lead.account, lead.form) for lead in recent}
        for form in forms:
            leads = [lead for lead in recent if (lead.account, lead.form) == (form.account, form.form)]
            linked = [lead for lead in leads if lead.linked == Lead.Linked.YES]
            granted = [
                lead
                for lead in leads
                if lead.consent.get("ad_storage") is True or lead.consent.get("analytics_storage") is True
            ]
            assert form.captured == len(leads)
            assert form.linked == pytest.approx(len(linked) / len(leads))
            assert form.without_consent == pytest.approx(1 - len(granted) / len(leads))
            assert form.lately_days is not None
            lately = [lead for lead in leads if lead.created_at >= NOON - form.lately_days * DAY]
            before = [lead for lead in leads if lead not in lately]
            for share, some in [(form.linked_lately, lately), (form.linked_before, before)]:
                assert share == pytest.approx(sum(lead.linked == Lead.Linked.YES for lead in some) / len(some))


def test_days_of_a_time_zone_without_the_databases_help(clock: list[datetime]) -> None:
    """MariaDB's time zone tables are empty on the machine that tests, as they are on many."""
    with override_settings(TIME_ZONE="Europe/Amsterdam"):
        clock[0] = datetime(2025, 10, 27, 12, tzinfo=UTC)
        # Sunday the 26th had 25 hours: from 22:00 UTC to 23:00 UTC.
        for moment in ("25 21:59", "25 22:00", "26 00:30", "26 01:30", "26 22:59", "26 23:00"):
            created = datetime.strptime(f"2025-10-{moment}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
            stored(created, ago=timedelta())
        days = {day.date.day: day.captured for day in account(taken.take()).days}
    assert [days[number] for number in (24, 25, 26, 27)] == [0, 1, 4, 1]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_without_time_zones(clock: list[datetime], zone: str) -> None:
    with override_settings(USE_TZ=False, TIME_ZONE=zone):
        clock[0] = now = datetime(2026, 3, 15, 12)
        stored(now, ago=12 * HOUR, took=3.0)
        stored(now, ago=12 * HOUR + timedelta(seconds=1), took=3.0)
        stored(now, ago=25 * HOUR)
        found = account(taken.take())
    assert [day.captured for day in found.days[-2:]] == [2, 1]
    assert found.spans["24h"].captured == 2
    assert found.oldest_pending == now - 25 * HOUR


class TestAccounts:
    @override_settings(OCTANIST_API_KEYS={"shop": "k", "later": ""})
    def test_those_of_the_settings_come_first(self, clock: list[datetime]) -> None:
        stored(NOON, ago=HOUR, account="gone")
        stored(NOON, ago=400 * DAY, account="forgotten")
        stored(NOON, ago=400 * DAY, account="finished", status=S.DELIVERED)
        names = [one.account for one in taken.take().accounts]
        assert names == ["default", "shop", "later", "forgotten", "gone"]

    def test_one_without_leads(self) -> None:
        (found,) = taken.take().accounts
        assert (found.pending, found.oldest_pending, found.failed_lately) == (0, None, 0)
        assert found.spans["30d"].counts == dict.fromkeys(S.values, 0)
        assert found.spans["30d"].success_rate is None
        assert len(found.days) == 30

    @override_settings(OCTANIST_API_KEYS=["wrong"])
    def test_a_wrong_setting_hides_no_lead(self) -> None:
        stored(taken.take().taken_at, ago=HOUR, account="shop")
        assert [one.account for one in taken.take().accounts] == ["default", "shop"]

    def test_the_success_rate_is_of_those_that_could_be_delivered(self, clock: list[datetime]) -> None:
        for status in S.values:
            stored(NOON, ago=HOUR, status=status)
        for _index in range(2):
            stored(NOON, ago=HOUR, took=1.0)
        assert account(taken.take()).spans["24h"].success_rate == 0.6

    def test_a_lead_from_a_server_whose_clock_is_ahead_counts_today(self, clock: list[datetime]) -> None:
        stored(NOON, ago=-26 * HOUR, took=1.0)
        found = account(taken.take())
        assert found.days[-1].captured == found.spans["24h"].captured == 1

    def test_one_that_is_delivered_before_it_was_captured(self, clock: list[datetime]) -> None:
        stored(NOON, ago=HOUR, took=-3600.0)
        median = account(taken.take()).spans["24h"].median
        assert median is not None
        assert 0 <= median <= histogram.LEAST

    def test_one_that_says_not_when_it_was_delivered(self, clock: list[datetime]) -> None:
        stored(NOON, ago=HOUR, status=S.DELIVERED)
        found = account(taken.take()).spans["24h"]
        assert (found.counts["delivered"], found.median) == (1, None)


class TestFailedLately:
    @pytest.mark.parametrize("status", [S.FAILED, S.INVALID])
    def test_captured_days_before(self, clock: list[datetime], status: str) -> None:
        """A lead is tried for about three days before it fails."""
        lead = stored(NOON, ago=3 * DAY, status=status)
        attempted(lead, NOON - 2 * DAY)
        assert account(taken.take()).failed_lately == 0
        attempted(lead, NOON - 23 * HOUR)
        attempted(lead, NOON - 22 * HOUR)
        assert account(taken.take()).failed_lately == 1

    def test_captured_today(self, clock: list[datetime]) -> None:
        attempted(stored(NOON, ago=HOUR, status=S.INVALID), NOON - HOUR)
        stored(NOON, ago=HOUR, status=S.FAILED)
        assert account(taken.take()).failed_lately == 2

    @pytest.mark.parametrize("status", [S.FAILED, S.INVALID])
    def test_what_was_erased_waits_for_nobody(self, clock: list[datetime], status: str) -> None:
        """Nobody can send it again, or correct it. It is counted all the same."""
        attempted(stored(NOON, ago=3 * DAY, status=status), NOON - HOUR)
        for ago in (3 * DAY, HOUR, HOUR):
            attempted(stored(NOON, ago=ago, status=status), NOON - HOUR)
        Lead.objects.filter(pk__in=list(Lead.objects.values_list("pk", flat=True)[1:3])).erase()
        found = account(taken.take())
        assert found.failed_lately == 2
        assert (found.spans["24h"].counts[status], found.spans["24h"].unwell(status)) == (2, 1)
        assert (found.spans["7d"].counts[status], found.spans["7d"].unwell(status)) == (4, 2)

    def test_others_do_not_count(self, clock: list[datetime]) -> None:
        for status in (S.PENDING, S.DELIVERED, S.REJECTED, S.CANCELLED):
            attempted(stored(NOON, ago=3 * DAY, status=status), NOON - HOUR)
            stored(NOON, ago=HOUR, status=status)
        assert account(taken.take()).failed_lately == 0


class TestForms:
    def test_one_that_lost_its_pixel_comes_first(self, clock: list[datetime]) -> None:
        captured("big", days=range(20), leads=4, linked=True)
        captured("never", days=range(20), leads=2, linked=False)
        captured("lost", days=range(3, 20), leads=3, linked=True)
        captured("lost", days=range(3), leads=3, linked=False)
        forms = taken.take().forms
        assert [form.form for form in forms] == ["lost", "never", "big"]
        assert [form.lost_pixel for form in forms] == [True, False, False]
        assert [form.never_linked for form in forms] == [False, True, False]
        assert (forms[0].lately_days, forms[0].linked_lately, forms[0].linked_before) == (4, 0.25, 1.0)

    def test_one_that_is_mended_is_lost_no_more(self, clock: list[datetime], django_assert_num_queries: Any) -> None:
        captured("contact", days=range(2, 20), leads=5, linked=True)
        captured("contact", days=range(1), leads=200, linked=False)
        (form,) = taken.take().forms
        assert form.lost_pixel
        for lead in range(4):
            stored(NOON, ago=timedelta(minutes=30 - lead), form="contact", linked=Lead.Linked.YES)
            # Others go on as before.
            stored(NOON, ago=timedelta(minutes=30 - lead), form="contact", linked=Lead.Linked.NO, account="shop")
            stored(NOON, ago=timedelta(minutes=30 - lead), form="quote", linked=Lead.Linked.NO)
        assert [form.lost_pixel for form in taken.take().forms] == [True, False, False]
        for _lead in range(6):
            stored(NOON, ago=timedelta(), form="contact", linked=Lead.Linked.YES)
        with django_assert_num_queries(5):
            forms = taken.take().forms
        (form,) = [form for form in forms if (form.form, form.account) == ("contact", "default")]
        assert not form.lost_pixel
        assert form.linked_lately == pytest.approx(10 / 210)

    def test_many_that_lost_it_at_once_cost_one_query(
        self, clock: list[datetime], django_assert_num_queries: Any
    ) -> None:
        for form in ("one", "two", "three"):
            captured(form, days=range(2, 10), leads=5, linked=True)
            captured(form, days=range(1), leads=50, linked=False)
        for _lead in range(10):
            stored(NOON, ago=timedelta(), form="two", linked=Lead.Linked.YES)
        with django_assert_num_queries(5):
            forms = taken.take().forms
        assert {form.form: form.lost_pixel for form in forms} == {"one": True, "two": False, "three": True}

    def test_a_session_that_was_refused_is_none(self, clock: list[datetime]) -> None:
        captured("contact", days=range(1, 20), leads=2, linked=True)
        Lead.objects.filter(created_at__gte=NOON - 8 * DAY).update(linked=Lead.Linked.REFUSED)
        (form,) = taken.take().forms
        assert form.lost_pixel
        assert form.linked == pytest.approx(12 / 19)

    def test_erased_leads_count(self, clock: list[datetime]) -> None:
        captured("contact", days=range(3, 20), leads=2, linked=True, status=S.DELIVERED)
        before = taken.take()
        assert Lead.objects.all().erase() == 34
        assert taken.take() == before

    def test_too_few_to_tell(self, clock: list[datetime]) -> None:
        captured("contact", days=range(7, 20), leads=20, linked=True)
        captured("contact", days=range(1), leads=9, linked=False)
        (form,) = taken.take().forms
        assert (form.lately_days, form.linked_lately, form.linked_before) == (None, None, None)
        assert not form.lost_pixel

    def test_a_new_form(self, clock: list[datetime]) -> None:
        captured("contact", days=range(1), leads=10, linked=False)
        (form,) = taken.take().forms
        assert (form.linked_lately, form.linked_before, form.lost_pixel, form.never_linked) == (0.0, None, False, True)


def captured(form: str, *, days: range, leads: int, linked: bool, **values: Any) -> None:
    for day in days:
        for _index in range(leads):
            link = Lead.Linked.YES if linked else Lead.Linked.NO
            stored(NOON, ago=day * DAY + HOUR, form=form, linked=link, **values)


def test_after_a_replay_and_a_prune_they_are_right() -> None:
    now = taken.take().taken_at
    for index in range(3):
        stored(now, ago=2 * DAY + index * HOUR, status=S.FAILED)
        stored(now, ago=20 * DAY, took=1.0)
    assert account(taken.take()).spans["30d"].counts == {**dict.fromkeys(S.values, 0), "failed": 3, "delivered": 3}
    call_command("octanist_replay", stdout=StringIO())
    call_command("octanist_prune", days=10, stdout=StringIO())
    found = account(taken.take())
    assert found.spans["30d"].counts == {**dict.fromkeys(S.values, 0), "pending": 3}
    assert (found.pending, found.oldest_pending) == (3, Lead.objects.earliest("created_at").created_at)


def test_queries_are_few_and_as_many_for_many_leads(django_assert_num_queries: Any) -> None:
    number = 4 if connection.vendor == "sqlite" else 5
    with django_assert_num_queries(number):
        taken.take()
    many(taken.take().taken_at, number=200)
    with django_assert_num_queries(number):
        taken.take()
