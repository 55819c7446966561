from __future__ import annotations

import pytest
from django.db import DataError, OperationalError, connection, transaction

from django_octanist.delivery import transactions
from django_octanist.delivery.transactions import retried


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
