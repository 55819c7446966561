from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_octanist import alerts, dispatch
from django_octanist.alerts import mailing
from django_octanist.capture import capture_lead
from django_octanist.conf.rules import DISPATCH_STRATEGIES
from django_octanist.dispatch import inline, manual, thread
from django_octanist.models import Lead
from tests.delivery import make_lead

OWN = override_settings(OCTANIST_DISPATCH="tests.dispatch.test_dispatch.own")
nudged: list[str] = []


def own(account: str) -> None:
    """A site's own strategy."""
    nudged.append(account)
    if account == "broken":
        raise ConnectionError("no broker for jo@example.com")


@pytest.fixture(autouse=True)
def _nudged() -> Iterator[None]:
    nudged.clear()
    yield
    nudged.clear()


def test_every_strategy_has_its_module() -> None:
    assert tuple(dispatch.STRATEGIES) == DISPATCH_STRATEGIES
    for name in DISPATCH_STRATEGIES:
        assert Path(dispatch.__file__).with_name(f"{name}.py").is_file()


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("thread", thread.dispatch),
        ("inline", inline.dispatch),
        ("manual", manual.dispatch),
        ("tests.dispatch.test_dispatch.own", own),
    ],
)
def test_the_setting_names_the_function(name: str, function: object) -> None:
    with override_settings(OCTANIST_DISPATCH=name):
        assert dispatch.strategy() is function


def test_a_path_that_leads_nowhere() -> None:
    with override_settings(OCTANIST_DISPATCH="tests.nowhere.own"), pytest.raises(ImportError):
        dispatch.strategy()


@OWN
def test_the_account_is_handed_on() -> None:
    dispatch.nudge("shop")
    assert nudged == ["shop"]


@pytest.mark.parametrize("name", ["tests.dispatch.test_dispatch.own", "tests.nowhere.own", "nonsense"])
def test_a_nudge_never_raises(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(OCTANIST_DISPATCH=name):
        try:
            dispatch.nudge("broken")
        except Exception as error:  # noqa: BLE001
            pytest.fail(f"raised {error!r}")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "jo@" not in caplog.text


@OWN
@pytest.mark.django_db(transaction=True)
def test_nudged_after_the_commit_and_once_for_each_lead() -> None:
    with transaction.atomic():
        capture_lead({"email": "jo@example.com"}, form="contact")
        capture_lead({"email": "jo@example.com"}, form="contact")
        capture_lead({"email": "an@example.com"}, form="contact", account="shop")
        assert nudged == []
    assert nudged == ["default", "shop"]


@OWN
@pytest.mark.django_db(transaction=True)
def test_a_nudge_that_fails_loses_nothing() -> None:
    with override_settings(OCTANIST_API_KEYS={"broken": "key"}):
        assert capture_lead({"email": "jo@example.com"}, account="broken") is not None
    assert nudged == ["broken"]
    assert Lead.objects.get().status == Lead.Status.PENDING


def test_the_first_request_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(OCTANIST_DISPATCH=7):
        dispatch.first_request()
    assert "could not be started" in caplog.text


@OWN
@pytest.mark.django_db
@pytest.mark.parametrize("account", ["default", "broken"])
def test_who_nudges_notices_that_nobody_delivers(told: Callable[[], list[str]], account: str) -> None:
    moment = timezone.now() - timedelta(hours=2)
    make_lead(created_at=moment, next_attempt_at=moment)
    for _ in range(3):
        dispatch.nudge(account)
    assert told() == ["1 lead of the account default has waited for more than an hour"]


@pytest.mark.django_db
def test_a_capture_costs_no_query_more_where_somebody_is_to_be_told(
    settings: Any,
    told: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured, django_capture_on_commit_callbacks(execute=True):
            assert capture_lead({"email": f"{uuid4()}@example.com"}, form="contact")
        return len(captured)

    handed_over: list[object] = []
    monkeypatch.setattr(mailing, "apart", lambda work: handed_over.append(work) or True)
    settings.OCTANIST_ALERT_EMAILS = []
    before = queries()
    alerts.forget()
    settings.OCTANIST_ALERT_EMAILS = ["ops@example.com"]
    assert queries() == before
    assert len(handed_over) == 1
