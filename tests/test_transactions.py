from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, DataError, OperationalError, connection, transaction

from django_octanist import transactions
from django_octanist.transactions import retried, savepoints


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "PAUSES", (0.0, 0.0, 0.0))


class Work:
    """Fails with each of ``errors`` in turn, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


DEADLOCK = OperationalError("deadlock detected")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("failures", [0, 1, 3])
def test_done_again_where_it_was_refused_for_the_moment(failures: int) -> None:
    work = Work(*[DEADLOCK] * failures)
    assert retried(work, using="default") == "done"
    assert work.calls == failures + 1


@pytest.mark.django_db(transaction=True)
def test_not_for_ever() -> None:
    work = Work(*[DEADLOCK] * 9)
    with pytest.raises(OperationalError):
        retried(work, using="default")
    assert work.calls == 4


@pytest.mark.django_db(transaction=True)
def test_what_would_fail_again_is_not_tried_again() -> None:
    work = Work(DataError("too long"))
    with pytest.raises(DataError):
        retried(work, using="default")
    assert work.calls == 1


@pytest.mark.django_db
def test_within_somebody_elses_transaction_nothing_is_done_again() -> None:
    work = Work(DEADLOCK)
    with transaction.atomic(), pytest.raises(OperationalError):
        retried(work, using="default")
    assert work.calls == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="another database's way to end a connection")
def test_a_lost_connection_is_opened_anew() -> None:
    """As after a restart of the database."""

    def pid() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    first = pid()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [first])
    other.close()
    assert retried(pid, using="default") != first


def refused() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")


def answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() == (1,)


class TestSavepoints:
    @pytest.mark.django_db
    def test_a_transaction_outlives_a_query_that_fails(self) -> None:
        with transaction.atomic():
            with pytest.raises(DatabaseError), savepoints():
                refused()
            assert answers()

    @pytest.mark.django_db
    def test_what_went_well_stays(self) -> None:
        with transaction.atomic():
            with savepoints():
                User.objects.create(username="jo")
            assert User.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_a_transaction_without_autocommit(self) -> None:
        transaction.set_autocommit(False)
        try:
            with pytest.raises(DatabaseError), savepoints():
                refused()
            assert answers()
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)

    @pytest.mark.django_db
    def test_one_that_takes_none_is_passed_over(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def lost() -> None:
            raise OperationalError("server closed the connection")

        with transaction.atomic():
            monkeypatch.setattr(connection, "savepoint", lost)
            with savepoints():
                assert answers()
        assert "'default' takes no savepoint" in caplog.text

    @pytest.mark.django_db(transaction=True)
    def test_none_where_no_transaction_is_open(self) -> None:
        with savepoints():
            assert not connection.in_atomic_block
            assert answers()
