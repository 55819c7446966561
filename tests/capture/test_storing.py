"""What becomes of it in the database."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_octanist import signals, transactions
from django_octanist.capture import capture_lead
from django_octanist.models import Lead
from tests.capture import capture
from tests.site.models import Quote

pytestmark = pytest.mark.django_db


class TestTwice:
    def test_an_identical_submission_is_the_same_lead(self) -> None:
        assert capture(form="a").pk == capture(form="a").pk

    @pytest.mark.parametrize(
        "other", [{"email": "x@example.com"}, {"email": "jo@example.com", "note": "more"}], ids=["email", "note"]
    )
    def test_a_different_one_is_another(self, other: dict[str, str]) -> None:
        assert capture().pk != capture(other).pk

    def test_another_form_or_account_is_another(self) -> None:
        assert len({capture().pk, capture(form="b").pk, capture(account="second").pk}) == 3

    def test_one_that_was_cancelled_is_none(self) -> None:
        first = capture()
        assert Lead.objects.cancel() == 1
        assert capture().pk != first.pk

    def test_later_it_is_another(self, settings: Any) -> None:
        first = capture()
        Lead.objects.update(created_at=timezone.now() - timedelta(seconds=settings_seconds(settings) + 1))
        second = capture()
        assert first.pk != second.pk
        assert capture().pk == second.pk

    def test_switched_off(self, settings: Any) -> None:
        settings.OCTANIST_DEDUPE_SECONDS = 0
        assert capture().pk != capture().pk

    def test_two_strangers_who_say_the_same_are_two_leads(self) -> None:
        """Nothing tells them apart, so nothing says they are one."""
        assert capture({"rating": 5}).pk != capture({"rating": 5}).pk

    def test_the_key_does_not_hold_the_content(self) -> None:
        key = capture().dedupe_key
        assert key is not None
        assert len(key) == 64
        assert "jo" not in key


def settings_seconds(settings: Any) -> int:
    return getattr(settings, "OCTANIST_DEDUPE_SECONDS", 60)


class TestTransaction:
    def test_the_callers_rollback_takes_the_lead_along(self) -> None:
        def work() -> None:
            with transaction.atomic():
                capture()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            work()
        assert not Lead.objects.exists()

    def test_the_nudge_comes_after_the_commit(
        self, settings: Any, django_capture_on_commit_callbacks: Any, nudges: list[str]
    ) -> None:
        settings.OCTANIST_DISPATCH = "tests.capture.test_storing.note_nudge"
        with django_capture_on_commit_callbacks(execute=True):
            capture()
            capture()
            assert nudges == []
        assert nudges == ["default"]

    def test_a_broken_dispatch_breaks_nothing(
        self, settings: Any, django_capture_on_commit_callbacks: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.OCTANIST_DISPATCH = "tests.capture.test_storing.broken_nudge"
        with django_capture_on_commit_callbacks(execute=True):
            assert capture().status == Lead.Status.PENDING
        assert "leads wait: RuntimeError" in caplog.text


NUDGES: list[str] = []


@pytest.fixture
def nudges() -> list[str]:
    NUDGES.clear()
    return NUDGES


def note_nudge(account: str) -> None:
    NUDGES.append(account)


def broken_nudge(account: str) -> None:
    raise RuntimeError("jo@example.com")


@pytest.mark.django_db(transaction=True)
class TestARefusalForTheMoment:
    """Where no transaction of the site's is open, the lead is written again."""

    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transactions, "PAUSES", (0.0, 0.0, 0.0))

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="another database's way to end a connection")
    def test_a_lost_connection(self) -> None:
        """As after a restart of the database, or where a server cuts idle connections."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        other.close()
        assert capture().email == "jo@example.com"

    def test_a_deadlock(self) -> None:
        with connection.execute_wrapper(refuse_for_the_moment(1)):
            assert capture().email == "jo@example.com"
        assert Lead.objects.count() == 1

    def test_not_for_long(self) -> None:
        with connection.execute_wrapper(refuse_for_the_moment(2)):
            assert capture_lead({"email": "jo@example.com"}) is None

    def test_within_the_sites_transaction_nothing_is_done_again(self) -> None:
        with transaction.atomic(), connection.execute_wrapper(refuse_for_the_moment(1)):
            assert capture_lead({"email": "jo@example.com"}) is None

    def test_nor_within_one_without_autocommit(self) -> None:
        """What the site has written in it is not lost with its connection."""
        transaction.set_autocommit(False)
        try:
            Quote.objects.create(full_name="Jo", email="jo@example.com")
            with connection.execute_wrapper(refuse_for_the_moment(1)):
                capture_lead({"email": "jo@example.com"})
            transaction.commit()
        finally:
            transaction.set_autocommit(True)
        assert Quote.objects.exists()

    @pytest.mark.skipif(
        connection.vendor == "sqlite" and sys.version_info < (3, 11),
        reason="there SQLite resets every cursor with any rollback",
    )
    def test_a_cursor_of_the_sites_goes_on(self) -> None:
        Quote.objects.bulk_create(Quote(full_name="Jo", email=f"{number}@example.com") for number in range(500))
        rows = Quote.objects.iterator(chunk_size=2)
        assert next(rows)
        with connection.execute_wrapper(refuse_for_the_moment(1)):
            capture()
        assert len(list(rows)) == 499

    @pytest.mark.parametrize("seconds", [0, 60])
    def test_stored_though_the_connection_was_lost_before_it_could_be_said(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, seconds: int
    ) -> None:
        settings.OCTANIST_DEDUPE_SECONDS = seconds
        usual, losses = connection._commit, [1]

        def commit() -> None:
            usual()
            if losses and Lead.objects.exists():
                losses.pop()
                raise OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(connection, "_commit", commit)
        NUDGES.clear()
        settings.OCTANIST_DISPATCH = "tests.capture.test_storing.note_nudge"
        lead = capture_lead({"email": "jo@example.com"})
        assert not losses
        assert lead == Lead.objects.get()
        assert NUDGES == ["default"]


def refuse_for_the_moment(times: int) -> Any:
    left = [OperationalError("deadlock detected")] * times

    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if left and "INSERT INTO" in sql and "octanist_lead" in sql:
            raise left.pop()
        return run(sql, params, many, context)

    return execute


class TestSignal:
    def test_lead_captured(self, rf: RequestFactory) -> None:
        seen: list[Any] = []

        def receiver(*, lead: Lead, request: Any, **_more: Any) -> None:
            seen.append((lead.pk, request))

        signals.lead_captured.connect(receiver, sender=Lead)
        try:
            request = rf.post("/")
            lead = capture(request=request)
            capture(request=request)
        finally:
            signals.lead_captured.disconnect(receiver, sender=Lead)
        assert seen == [(lead.pk, request)]

    def test_a_receiver_whose_query_fails_does_not_cost_the_lead(self, caplog: pytest.LogCaptureFixture) -> None:
        def receiver(**_arguments: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT nothing FROM nowhere")

        signals.lead_captured.connect(receiver, sender=Lead)
        try:
            with transaction.atomic():
                lead = capture()
        finally:
            signals.lead_captured.disconnect(receiver, sender=Lead)
        assert Lead.objects.filter(pk=lead.pk).exists()
        assert any("receiver" in record.getMessage() for record in caplog.records)


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no locks of rows")
def test_a_new_lead_locks_nothing_but_itself() -> None:
    """MySQL would lock the gap where its key would be, and two forms at once would deadlock."""
    with CaptureQueriesContext(connection) as queries:
        capture_lead({"email": "jo@example.com"}, form="contact")
    assert not [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
