"""The site and the sandbox as processes of their own: started, waited for, and ended by their process ids."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

HOST = "127.0.0.1"
USERNAME = "admin"
PASSWORD = "octanist"
SANDBOX_KEY = "sandbox-key"
MANAGE = Path(__file__).resolve().with_name("manage.py")

READY_SECONDS = 30.0
STOP_SECONDS = 5.0
PORTS_TRIED = 50
LOG_LINES = 40


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


@dataclass(frozen=True)
class Server:
    """A process that answers at ``url``. Without ``log`` it writes to the console."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path | None = None

    def tail(self) -> str:
        """Return the last lines of the log, under a heading; ``""`` without one."""
        if self.log is None:
            return ""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join([f"--- {self.name}, last lines of its log ---", *lines])

    def raise_if_ended(self) -> None:
        status = self.process.poll()
        if status is not None:
            raise DemoError(f"{self.name} has ended with status {status}.\n{self.tail()}".rstrip())

    def wait_until_ready(self, *, seconds: float = READY_SECONDS) -> None:
        """Return once ``url`` answers. Raises :class:`DemoError` where the process ends or the time is up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.raise_if_ended()
            with contextlib.suppress(requests.RequestException), session() as http:
                answer = http.get(self.url, timeout=5)
                self.raise_if_ended()
                if answer.status_code == 200:
                    return
                raise DemoError(f"{self.name} answers {answer.status_code} at {self.url}.\n{self.tail()}".rstrip())
            time.sleep(0.05)
        raise DemoError(f"{self.name} does not answer at {self.url} after {seconds:.0f} s.\n{self.tail()}".rstrip())


@dataclass(frozen=True)
class Servers:
    """What runs. ``sandbox`` is ``None`` where leads go to a real account."""

    site: Server
    sandbox: Server | None = None

    def __iter__(self) -> Iterator[Server]:
        return iter(server for server in (self.sandbox, self.site) if server)

    def tails(self) -> str:
        return "\n".join(server.tail() for server in self)


def session() -> requests.Session:
    """Return an HTTP session that goes straight to this machine, whatever proxies the environment names."""
    http = requests.Session()
    http.trust_env = False
    return http


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        if os.name == "posix":
            # As servers do: a port whose last connections are still dying away is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose_port(preferred: int, *, name: str, taken: Collection[int] = ()) -> int:
    """Return ``preferred`` or the next free port, and say so where it is not ``preferred``."""
    candidates = range(preferred, min(preferred + PORTS_TRIED, 65536))
    port = next((port for port in candidates if port not in taken and is_free(port)), None)
    if port is None:
        raise DemoError(
            f"No port is free for {name} from {preferred} to {candidates[-1] if candidates else preferred}."
        )
    if port != preferred:
        print(f"Port {preferred} is taken: {name} gets {port}.")
    return port


def free_ports(count: int) -> list[int]:
    """Return ``count`` different ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


@contextlib.contextmanager
def running(
    *, site_port: int, sandbox_port: int | None, environment: Mapping[str, str], logs: Path | None = None
) -> Iterator[Servers]:
    """Migrate, make the staff user, and run the site with, given a port for it, the sandbox; end both at last.

    ``environment`` comes on top of this process's own. With ``logs``, a directory, each server writes a file there.
    """
    surroundings = {**os.environ, **_settings(sandbox_port), **environment}
    _manage("migrate", "--verbosity", "0", environment=surroundings)
    _manage("staff_user", USERNAME, PASSWORD, environment=surroundings)
    started: list[Server] = []
    try:
        if sandbox_port is not None:
            command = ["octanist_sandbox", "--port", str(sandbox_port), "--key", SANDBOX_KEY]
            with _signals_held():
                started.append(_start("sandbox", command, port=sandbox_port, environment=surroundings, logs=logs))
        command = ["runserver", "--noreload", f"{HOST}:{site_port}"]
        with _signals_held():
            started.append(_start("site", command, port=site_port, environment=surroundings, logs=logs))
        for server in started:
            server.wait_until_ready()
        yield Servers(site=started[-1], sandbox=started[0] if sandbox_port is not None else None)
    finally:
        stop(started)


def stop(servers: Collection[Server]) -> None:
    """End ``servers`` and wait for it. Signals that come meanwhile do not interrupt that."""
    with _signals_held():
        for server in servers:
            # Before any waiting: whoever ends this process now leaves nothing behind.
            server.process.terminate()
        for server in servers:
            try:
                server.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Put off SIGINT and SIGTERM until the end of the block, so that no process is started and forgotten."""
    came: list[int] = []
    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # Not the main thread: signals do not come here.
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came[-1:]:
            signal.raise_signal(number)


def _settings(sandbox_port: int | None) -> dict[str, str]:
    settings = {
        "DJANGO_SETTINGS_MODULE": "roofer.settings",
        "DJANGO_RUNSERVER_HIDE_WARNING": "true",
        "DEBUG": "True",
        "PYTHONUNBUFFERED": "1",
    }
    if sandbox_port is None:
        return settings
    return settings | {
        "OCTANIST_API_URL": f"http://{HOST}:{sandbox_port}/api",
        "OCTANIST_API_KEY": SANDBOX_KEY,
        "OCTANIST_PIXEL_URL": f"http://{HOST}:{sandbox_port}/p",
        "OCTANIST_PIXEL_ID": "OCT-SANDBOX1",
    }


def _manage(*arguments: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, str(MANAGE), *arguments],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        output = done.stdout.decode(errors="replace").strip()
        raise DemoError(f"manage.py {arguments[0]} has failed with status {done.returncode}:\n{output}")


def _start(name: str, command: list[str], *, port: int, environment: Mapping[str, str], logs: Path | None) -> Server:
    log = logs / f"{name}.log" if logs else None
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("wb")) if log else None
        process = subprocess.Popen(
            [sys.executable, str(MANAGE), *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            # Ctrl-C in a terminal reaches the demo alone, which ends its servers.
            start_new_session=True,
        )
    return Server(f"The {name}", f"http://{HOST}:{port}", process, log)
