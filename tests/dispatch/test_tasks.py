"""The strategy ``tasks``, on the backends that Django (on 5.2: django-tasks) ships. Workers have files of their own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from django_octanist import dispatch
from django_octanist.capture import capture_lead
from django_octanist.dispatch import turn
from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import Lead
from django_octanist.test import TestSandbox, octanist_sandbox
from tests.delivery import a_site, make_lead, make_leads

PACKAGE = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
MODULE = "django_octanist.dispatch.tasks"
needs_tasks = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason="needs django-tasks, which Django 5.2 does not have itself"
)


class Router:
    """One that has no opinion."""


def backend(name: str) -> dict[str, Any]:
    return {"default": {"BACKEND": f"{PACKAGE}.backends.{name.lower()}.{name}Backend"}}


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = importlib.import_module(MODULE)
    monkeypatch.setattr(module, "_latest", None)
    monkeypatch.setattr(turn, "_look_at", 0.0)
    return module


@pytest.fixture
def queue(tasks: Any) -> Iterator[list[Any]]:
    """What was enqueued: the dummy backend keeps it, and runs nothing."""
    with override_settings(TASKS=backend("Dummy"), OCTANIST_DISPATCH="tasks"):
        yield tasks.deliver_leads.get_backend().results


def run_first(queue: list[Any]) -> None:
    """Let a worker take the first task of ``queue``."""
    object.__setattr__(queue[0], "status", "RUNNING")
    queue.pop(0).task.call()


@pytest.fixture
def octanist() -> Iterator[TestSandbox]:
    with octanist_sandbox(OCTANIST_DISPATCH="tasks") as sandbox:
        yield sandbox


# Nudges


@needs_tasks
@pytest.mark.django_db(transaction=True)
def test_a_task_is_enqueued_after_the_commit(queue: list[Any]) -> None:
    with transaction.atomic():
        capture_lead({"email": "jo@example.com"}, form="contact")
        assert queue == []
    (result,) = queue
    assert result.task.module_path == f"{MODULE}.deliver_leads"
    # Nobody's data lies in a queue.
    assert (result.args, result.kwargs, result.task.run_after) == ([], {}, None)


@needs_tasks
@pytest.mark.django_db(transaction=True)
def test_no_task_for_what_is_rolled_back(queue: list[Any]) -> None:
    with transaction.atomic():
        capture_lead({"email": "jo@example.com"}, form="contact")
        transaction.set_rollback(True)
    assert queue == []


@needs_tasks
@pytest.mark.django_db(transaction=True)
def test_many_nudges_are_one_task_while_it_waits(queue: list[Any], octanist: TestSandbox) -> None:
    with transaction.atomic():
        for number in range(20):
            capture_lead({"email": f"jo{number}@example.com"}, form="contact")
    capture_lead({"email": "an@example.com"}, form="contact")
    assert len(queue) == 1
    run_first(queue)
    assert set(Lead.objects.values_list("status", flat=True)) == {Lead.Status.DELIVERED}
    assert len(octanist.leads) == 21


@needs_tasks
@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "SUCCESSFUL"])
def test_a_task_that_has_begun_may_have_missed_the_lead(queue: list[Any], status: str) -> None:
    dispatch.nudge("default")
    object.__setattr__(queue[0], "status", status)
    dispatch.nudge("default")
    dispatch.nudge("default")
    assert len(queue) == 2


@needs_tasks
def test_a_task_that_is_gone_is_not_waited_for(queue: list[Any]) -> None:
    dispatch.nudge("default")
    queue.clear()
    dispatch.nudge("default")
    assert len(queue) == 1


@needs_tasks
def test_a_router_may_ask_a_replica_that_lags_behind(queue: list[Any]) -> None:
    with override_settings(DATABASE_ROUTERS=["tests.dispatch.test_tasks.Router"]):
        dispatch.nudge("default")
        dispatch.nudge("default")
    assert len(queue) == 2


@needs_tasks
@pytest.mark.django_db(transaction=True)
def test_a_queue_that_breaks_costs_the_visitor_nothing(
    queue: list[Any], tasks: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_arguments: Any) -> None:
        raise ConnectionError("no broker for jo@example.com")

    monkeypatch.setattr(tasks.deliver_leads.get_backend(), "enqueue", broken)
    assert capture_lead({"email": "jo@example.com"}, form="contact") is not None
    assert "the dispatch 'tasks' broke, leads wait: ConnectionError" in caplog.text
    assert "jo@" not in caplog.text
    monkeypatch.undo()
    # And the next nudge does not rely on what was not enqueued.
    dispatch.nudge("default")
    assert len(queue) == 1


# Coming back


@needs_tasks
@pytest.mark.django_db
def test_what_is_put_off_is_enqueued_for_when_it_is_due(queue: list[Any], octanist: TestSandbox) -> None:
    make_lead()
    octanist.fail_next(status=408)
    dispatch.nudge("default")
    run_first(queue)
    moments = [result.task.run_after for result in queue]
    due = Lead.objects.get().next_attempt_at
    assert due is not None
    assert len([moment for moment in moments if due < moment < due + timedelta(seconds=10)]) == 1
    # Besides it, the look at what a turn might leave.
    assert len(moments) == 2


@needs_tasks
@pytest.mark.django_db
def test_a_nudge_is_not_kept_back_by_what_waits_for_later(queue: list[Any], octanist: TestSandbox) -> None:
    make_lead()
    octanist.fail_next(status=408)
    dispatch.nudge("default")
    run_first(queue)
    dispatch.nudge("default")
    assert [result.task.run_after for result in queue].count(None) == 1


@needs_tasks
@pytest.mark.django_db
def test_more_than_a_turn_has_time_for_goes_on_at_once(
    queue: list[Any], octanist: TestSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "TURN_SECONDS", 0.0)
    make_leads(200)
    dispatch.nudge("default")
    for _ in range(3):
        run_first(queue)
        # One that goes on, before those for later.
        queue.sort(key=lambda result: result.task.run_after is not None)
        assert [result.task.run_after for result in queue[:2]].count(None) == 1
    monkeypatch.undo()
    run_first(queue)
    assert set(Lead.objects.values_list("status", flat=True)) == {Lead.Status.DELIVERED}


@needs_tasks
@pytest.mark.django_db(transaction=True)
def test_a_backend_that_runs_tasks_at_once_and_cannot_wait(
    tasks: Any, octanist: TestSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(TASKS=backend("Immediate")):
        make_lead(next_attempt_at=timezone.now() + timedelta(hours=1))
        octanist.fail_next(status=408)
        capture_lead({"email": "jo@example.com"}, form="contact")
        assert [lead.attempts for lead in Lead.objects.order_by("pk")] == [0, 1]
        capture_lead({"email": "an@example.com"}, form="contact")
    assert [received.fields["email"] for received in octanist.leads] == ["an@example.com"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# Imported where it is chosen, and nowhere else

IMPORTED = f"""
call_command("check")
capture_lead({{"email": "jo@example.com"}}, form="contact")
print([name for name in ("{MODULE}", "django_tasks") if name in sys.modules])
"""


@pytest.mark.django_db(transaction=True)
def test_not_imported_where_another_strategy_is_chosen(tmp_path: Path) -> None:
    with a_site(tmp_path, OCTANIST_DISPATCH="manual") as site:
        assert site.run(IMPORTED).splitlines()[-1] == "[]"


@needs_tasks
@pytest.mark.django_db(transaction=True)
def test_on_django_6_the_package_is_not_needed(tmp_path: Path) -> None:
    expected = [MODULE] if django.VERSION >= (6, 0) else [MODULE, "django_tasks"]
    with a_site(tmp_path, OCTANIST_DISPATCH="tasks", TASKS=backend("Dummy")) as site:
        # What is None there cannot be imported.
        forbid = "sys.modules['django_tasks'] = None\n" if django.VERSION >= (6, 0) else ""
        code = forbid + IMPORTED.replace("if name in sys.modules", "if sys.modules.get(name)")
        process = site.start(code, SILENCED_SYSTEM_CHECKS=["octanist.W004", "octanist.E009"])
        output, errors = process.communicate(timeout=40)
    assert errors == ""
    assert output.splitlines()[-1] == repr(expected)


@pytest.fixture
def _no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Django 5.2 without django-tasks."""
    monkeypatch.setattr(django, "VERSION", (5, 2, 0, "final", 0))
    monkeypatch.setitem(sys.modules, "django_tasks", None)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)


@pytest.mark.usefixtures("_no_package")
def test_without_the_package_it_says_what_to_install(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(OCTANIST_DISPATCH="tasks"):
        with pytest.raises(OctanistConfigurationError) as raised:
            dispatch.strategy()
        dispatch.nudge("default")
    for text in (str(raised.value), caplog.text):
        assert 'pip install "django-octanist[tasks]"' in text
        assert 'add "django_tasks" to INSTALLED_APPS' in text
