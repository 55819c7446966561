"""What is wrong with deliveries, from plain values."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.test import override_settings

from django_octanist import clock, figures, health
from django_octanist.conf import SETTINGS, Setting
from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.figures import AccountFigures, Figures, FormFigures
from django_octanist.health import Kind, Problem
from django_octanist.models import DeliveryAttempt, DeliveryPause, Lead
from django_octanist.test import TestSandbox, octanist
from tests.figures import attempted, stored

__all__ = ["octanist"]

NOW = datetime(2026, 3, 15, 12, tzinfo=timezone.utc)
R = DeliveryPause.Reason
FORM = FormFigures(
    form="contact",
    account="default",
    captured=100,
    linked=0.5,
    without_consent=0.1,
    linked_lately=0.0,
    linked_before=0.9,
    lost_pixel=False,
    never_linked=False,
)


def account(name: str = "default", *, minutes: float | None = None, **values: Any) -> AccountFigures:
    """An account whose oldest pending lead is so many ``minutes`` old."""
    oldest = None if minutes is None else NOW - timedelta(minutes=minutes)
    fields = {"pending": 0 if minutes is None else 3, "oldest_pending": oldest, "spans": {}, "days": (), **values}
    return AccountFigures(account=name, **fields)


def pause(name: str = "default", reason: R = R.UNAUTHORIZED) -> DeliveryPause:
    return DeliveryPause(account=name, reason=reason, since=NOW - timedelta(hours=2), probe_at=NOW)


def found(
    *accounts: AccountFigures,
    forms: tuple[FormFigures, ...] = (),
    pauses: tuple[DeliveryPause, ...] = (),
    keyless: tuple[str, ...] = (),
    wrong: tuple[str, ...] = (),
) -> list[Problem]:
    taken = Figures(taken_at=NOW, accounts=accounts, forms=forms)
    return health.problems(taken, pauses={row.account: row for row in pauses}, keyless=keyless, wrong=wrong)


def kinds(*arguments: Any, **named: Any) -> list[tuple[Kind, str]]:
    return [(problem.kind, problem.account) for problem in found(*arguments, **named)]


class TestProblems:
    def test_none(self) -> None:
        assert found(account(), account("shop", minutes=5), forms=(FORM,)) == []

    def test_an_account_that_is_paused(self) -> None:
        (problem,) = found(account(minutes=200), pauses=(pause(),))
        assert (problem.kind, problem.leads, problem.since) == (Kind.PAUSED, 3, NOW - timedelta(hours=2))
        assert problem.pause is not None
        assert problem.pause.reason == R.UNAUTHORIZED

    @pytest.mark.parametrize("reason", R.values)
    def test_one_that_is_rate_limited_goes_on_by_itself(self, reason: R) -> None:
        assert bool(found(account(minutes=5), pauses=(pause(reason=reason),))) is (reason != R.RATE_LIMITED)

    def test_but_not_for_ever(self) -> None:
        limited = pause(reason=R.RATE_LIMITED)
        assert kinds(account(minutes=61), pauses=(limited,)) == [(Kind.OVERDUE, "default")]

    def test_a_pause_of_an_account_that_is_gone_is_none(self) -> None:
        assert found(account(), pauses=(pause("gone"),)) == []
        assert found(account(), account("gone"), pauses=(pause("gone"),), keyless=("gone",)) == []

    def test_leads_of_an_account_without_a_key(self) -> None:
        (problem,) = found(account(minutes=200), keyless=("default",))
        assert (problem.kind, problem.leads) == (Kind.NO_KEY, 3)
        assert found(account(), keyless=("default",)) == []

    @pytest.mark.parametrize(("minutes", "late"), [(0, False), (59, False), (60, False), (61, True), (100_000, True)])
    def test_the_oldest_pending_lead(self, minutes: float, late: bool) -> None:
        assert bool(kinds(account(minutes=minutes))) is late

    def test_leads_that_failed_lately(self) -> None:
        (problem,) = found(account(failed_lately=7))
        assert (problem.kind, problem.leads, problem.is_grave) == (Kind.FAILED, 7, True)

    def test_a_form_that_lost_its_pixel_stops_no_delivery(self) -> None:
        lost = replace(FORM, lost_pixel=True)
        (problem,) = found(account(), forms=(FORM, lost))
        assert (problem.kind, problem.form, problem.is_grave) == (Kind.LOST_PIXEL, lost, False)

    def test_the_most_pressing_first(self) -> None:
        accounts = account("a", failed_lately=1), account("b", minutes=99), account("c", minutes=1), account("d")
        order = kinds(
            *accounts, forms=(replace(FORM, lost_pixel=True),), pauses=(pause("d"),), keyless=("c",), wrong=("x",)
        )
        assert [kind for kind, _account in order] == list(Kind)


class TestWrongSettings:
    def test_none(self) -> None:
        assert health.wrong_settings() == []

    @override_settings(OCTANIST_TIMEOUT="soon", OCTANIST_API_KEY=5)
    def test_some(self) -> None:
        key, timeout = health.wrong_settings()
        assert key.startswith("OCTANIST_API_KEY must be")
        assert timeout.startswith("OCTANIST_TIMEOUT must be")

    @pytest.mark.django_db
    @pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
    def test_those_without_which_nothing_is_delivered(self, setting: Setting[Any], octanist: TestSandbox) -> None:
        lead = stored(clock.now(using="default"), ago=timedelta())
        with override_settings(**{setting.name: object()}):
            stops = health.wrong_settings(delivers=True)
            with suppress(OctanistConfigurationError):
                octanist.deliver()
        lead.refresh_from_db()
        is_delivered = lead.status == Lead.Status.DELIVERED
        # What this test calls needs neither; whoever else delivers does.
        stops = stops if setting.name not in {"OCTANIST_DISPATCH", "OCTANIST_CONCURRENCY"} else []
        assert is_delivered is not bool(stops)
        if stops:
            assert (lead.attempts, lead.uncertain, lead.lease) == (0, False, None)


@override_settings(OCTANIST_API_KEYS={"shop": "k", "new": ""})
def test_keys() -> None:
    accounts = ["default", "shop", "new", "nope"]
    assert [health.has_key(account) for account in accounts] == [True, True, False, False]
    assert [health.is_known(account) for account in accounts] == [True, True, True, False]
    with override_settings(OCTANIST_API_KEYS=["x"]):
        assert health.has_key("shop")
        assert health.is_known("default")


@pytest.mark.django_db
class TestExamine:
    def test_what_the_database_says(self, django_assert_num_queries: Any) -> None:
        now = figures.read().taken_at
        stored(now, ago=timedelta(hours=2))
        stored(now, ago=timedelta(minutes=2), account="gone")
        stored(now, ago=timedelta(minutes=2), status=Lead.Status.INVALID)
        pause().save()
        taken = figures.read(fresh=True)
        with django_assert_num_queries(1):
            examined = health.examine(taken)
        assert not examined.is_well
        assert [problem.kind for problem in examined.problems] == [Kind.PAUSED, Kind.NO_KEY, Kind.FAILED]
        assert examined.keyless == {"gone"}
        assert list(examined.pauses) == ["default"]

    @override_settings(OCTANIST_TIMEOUT="soon")
    def test_what_else_is_wrong_with_settings(self) -> None:
        (said,) = health.wrong_settings()
        examined = health.examine(figures.read(fresh=True), wrong=["There is no setting OCTANIST_APIKEY.", said])
        assert [problem.said for problem in examined.problems] == [said, "There is no setting OCTANIST_APIKEY."]
        assert examined.state_of("default") == "wrong_setting"

    @override_settings(OCTANIST_TIMEOUT="soon", OCTANIST_API_KEYS={"shop": "", "two": "k"})
    def test_how_accounts_stand(self) -> None:
        pause().save()
        examined = health.examine(figures.read(fresh=True))
        assert [examined.state_of(name) for name in ("shop", "default", "two")] == ["no_key", "paused", "wrong_setting"]
        with override_settings(OCTANIST_TIMEOUT=10.0):
            assert health.examine(figures.read(fresh=True)).state_of("two") == "delivering"

    def test_all_is_well(self) -> None:
        now = figures.read().taken_at
        stored(now, ago=timedelta(minutes=2))
        stored(now, ago=timedelta(days=2), status=Lead.Status.INVALID)
        stored(now, ago=timedelta(minutes=2), status=Lead.Status.REJECTED)
        assert health.examine(figures.read(fresh=True)).is_well

    @override_settings(OCTANIST_API_KEYS={"shop": "k"})
    def test_old_leads_that_are_being_sent(self, django_assert_num_queries: Any) -> None:
        now = figures.read().taken_at
        for name in ("default", "shop"):
            lead = stored(now, ago=timedelta(hours=2), account=name)
        taken = figures.read(fresh=True)
        assert [problem.kind for problem in health.examine(taken).problems] == [Kind.OVERDUE] * 2
        attempted(lead, now, outcome=DeliveryAttempt.Outcome.DELIVERED)
        with django_assert_num_queries(2):
            examined = health.examine(taken)
        assert [problem.account for problem in examined.problems] == ["default"]
        assert [examined.state_of(name) for name in ("default", "shop")] == ["delivering", "catching_up"]
        assert examined.of(["shop"]).is_well
        with override_settings(OCTANIST_TIMEOUT="soon"):
            assert health.examine(taken).state_of("shop") == "wrong_setting"

    @override_settings(OCTANIST_API_KEYS=["wrong"])
    def test_a_wrong_setting_is_said_once(self) -> None:
        now = figures.read().taken_at
        stored(now, ago=timedelta(minutes=2), account="shop")
        (problem,) = health.examine(figures.read(fresh=True)).problems
        assert (problem.kind, problem.said[:21]) == (Kind.SETTING, "OCTANIST_API_KEYS mus")

    @override_settings(OCTANIST_TIMEOUT="soon", OCTANIST_API_KEYS={"shop": ""})
    def test_of_some_accounts(self) -> None:
        now = figures.read().taken_at
        for name in ("default", "shop"):
            stored(now, ago=timedelta(minutes=90), account=name)
        part = health.examine(figures.read(fresh=True)).of(["shop"])
        assert [one.account for one in part.figures.accounts] == ["shop"]
        assert {form.account for form in part.figures.forms} == {"shop"}
        assert [problem.kind for problem in part.problems] == [Kind.SETTING, Kind.NO_KEY]
