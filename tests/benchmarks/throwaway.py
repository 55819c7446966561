"""PostgreSQL databases that last as long as the benchmark, and the leads in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from .contenders import run

DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/postgres"
PENDING = {"next_attempt_at": "now() - number * interval '1 millisecond'"}
MADE_BY_POSTGRESQL = ("id", "email_lower")
DELIVERED = {
    "status": "'delivered'",
    "next_attempt_at": "NULL",
    "attempts": "1",
    "octanist_id": "'lead_' || number",
    "request_id": "'req_' || number",
    "delivered_at": "now()",
}


class UnavailableError(Exception):
    """There is no PostgreSQL in which to make databases."""


class Database:
    """One throw-away database, with this app's tables."""

    def __init__(self, url: str) -> None:
        self.url = url
        run("template", database=url)
        # One lead, of which all others are copies: filling takes seconds, whatever columns there are.
        self.execute("CREATE TABLE template AS SELECT * FROM octanist_lead")
        self.empty()

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    @property
    def version(self) -> str:
        """The server's version."""
        with psycopg.connect(self.url) as connection:
            return str(connection.info.parameter_status("server_version"))

    def empty(self) -> None:
        """Remove all leads and what belongs to them."""
        self.execute("TRUNCATE octanist_lead, octanist_deliverypause CASCADE")

    def refill(self, leads: int) -> None:
        """Hold ``leads`` that are due, oldest first, and nothing else."""
        self.empty()
        self.add(leads, PENDING)

    def add(self, leads: int, columns: dict[str, str]) -> None:
        """Add copies of the template with other ``columns`` (SQL expressions of ``number``: 1, 2, …)."""
        values = {"submission_id": "gen_random_uuid()", **columns}
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows = connection.execute("SELECT * FROM template LIMIT 0").description or []
            names = [row.name for row in rows if row.name not in MADE_BY_POSTGRESQL]
            connection.execute(
                sql.SQL("INSERT INTO octanist_lead ({}) SELECT {} FROM template, generate_series(1, {}) number").format(
                    sql.SQL(", ").join(sql.Identifier(name) for name in names),
                    sql.SQL(", ").join(sql.SQL(values[n]) if n in values else sql.Identifier(n) for n in names),
                    leads,
                )
            )
            settle(connection)

    def replace_pending(self, leads: int) -> None:
        """Hold ``leads`` that are due beside those that are delivered."""
        self.execute("DELETE FROM octanist_lead WHERE status = 'pending'")
        self.add(leads, PENDING)


def settle(connection: psycopg.Connection) -> None:
    """Have the work that an insert leaves behind done now, not while something is measured."""
    connection.execute("VACUUM ANALYZE octanist_lead")
    with suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("CHECKPOINT")


@contextmanager
def database() -> Iterator[Database]:
    """Make a database beside the one that ``DATABASE_URL`` names, and drop it. Raises :class:`UnavailableError`."""
    url = os.environ.get("DATABASE_URL") or DEFAULT_URL
    if urlsplit(url).scheme not in ("postgres", "postgresql"):
        raise UnavailableError("DATABASE_URL names no PostgreSQL")
    base, _, _name = url.rpartition("/")
    name = f"octanist_benchmark_{os.getpid()}_{os.urandom(3).hex()}"
    try:
        maintenance = psycopg.connect(f"{base}/postgres", autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        raise UnavailableError(f"no PostgreSQL answers at {urlsplit(url).hostname}:{urlsplit(url).port}") from error
    with maintenance:
        maintenance.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield Database(f"{base}/{name}")
        finally:
            maintenance.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
