"""A PostgreSQL of a test's own, which it may restart, switch to read-only, or let run out of disk."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "40",
    "shared_buffers": "16MB",
    # A machine does not crash here, and a killed server's writes are the kernel's.
    "fsync": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class Cluster:
    """A server with a data directory in ``folder``, run by the user postgres where this user is root."""

    def __init__(self, folder: Path, *, programs: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self._programs = programs
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.port = int(sock.getsockname()[1])

    def create(self) -> None:
        """Make the data directory."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run(
            "initdb",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--wal-segsize=1",
        )
        values = SETTINGS | {"port": str(self.port)}
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in values.items())

    def start(self) -> None:
        self._control("start")

    def restart(self, *, mode: str = "immediate") -> None:
        """Restart it; ``immediate`` is a crash, for those who are connected and for the server."""
        self._control("restart", f"--mode={mode}")

    def stop(self) -> None:
        """Stop it at once, where it runs."""
        if self.runs:
            self._control("stop", "--mode=immediate")

    @property
    def runs(self) -> bool:
        """Whether the server has not given up."""
        return (self.data / "postmaster.pid").exists()

    def logged(self, text: str) -> int:
        """Return how many lines of its log hold ``text``."""
        return sum(text in line for line in self.log.read_text(errors="replace").splitlines())

    def execute(self, *statements: str) -> None:
        """Run ``statements`` as the superuser, each by itself."""
        import psycopg

        writing = "-c default_transaction_read_only=off"
        with psycopg.connect(f"{self.url}/postgres", autocommit=True, options=writing) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        """Without the database's name."""
        return f"postgres://postgres@127.0.0.1:{self.port}"

    def _control(self, command: str, *options: str) -> None:
        # What the server inherits it keeps open: a pipe would have no end.
        self._run("pg_ctl", command, "--wait", "--timeout=60", f"--log={self.log}", *options)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments, "--pgdata", str(self.data)]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=120, check=False
            )
            output.seek(0)
            assert done.returncode == 0, f"{program} {arguments[0]}: {output.read().decode()}"


def programs() -> Path:
    """Return where ``initdb`` is; skip the test where it is nowhere."""
    pytest.importorskip("psycopg")
    if sys.platform == "win32":
        pytest.skip("needs POSIX")
    if os.geteuid() == 0 and not shutil.which("runuser"):
        pytest.skip("root may not run PostgreSQL, and there is no runuser")
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *Path("/usr").glob("pgsql-*/bin/initdb")]
    inside = shutil.which("initdb")
    if inside:
        found.append(Path(inside))
    if not found:
        pytest.skip("no initdb: PostgreSQL's server is not installed")
    return max(found).parent


@contextmanager
def a_cluster(folder: Path | None = None) -> Iterator[Cluster]:
    """Run a cluster in ``folder``, or in one that its user may enter, and remove it afterwards."""
    where = programs()
    own = folder or Path(tempfile.mkdtemp(prefix="octanist-faults-"))
    cluster = Cluster(own, programs=where)
    try:
        cluster.create()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(cluster.data, ignore_errors=True)
        if folder is None:
            shutil.rmtree(own, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster for the tests of a module, which leave it as it was."""
    with a_cluster() as running:
        yield running
