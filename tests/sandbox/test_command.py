from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import requests
from django.conf import settings
from django.core.management import CommandError, call_command

from django_octanist.management.commands.octanist_sandbox import Command
from django_octanist.sandbox.server import Sandbox

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command on a free port; yield its process and what it printed up to the last line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "django", "octanist_sandbox", "--port", "0", "--key", "other-key"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE, "DATABASE_URL": "sqlite:////nowhere/x"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if "Ctrl-C" in line:
            break
    yield process, printed
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(running: tuple[subprocess.Popen[str], str], number: int) -> None:
    process, printed = running
    values = dict(re.findall(r'^(OCTANIST_\w+) = "(.+)"$', printed, re.MULTILINE))
    assert set(values) == {"OCTANIST_API_URL", "OCTANIST_API_KEY", "OCTANIST_PIXEL_URL", "OCTANIST_PIXEL_ID"}
    headers = {"X-API-KEY": values["OCTANIST_API_KEY"]}
    assert requests.post(values["OCTANIST_API_URL"] + "/check", headers=headers, timeout=5).status_code == 200
    assert requests.get(values["OCTANIST_PIXEL_URL"], timeout=5).status_code == 200
    process.send_signal(number)
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert rest.strip() == "The sandbox has stopped."


def test_a_taken_port_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(CommandError, match=rf"Port {sandbox.port} .*--port"):
        call_command(Command(), port=sandbox.port)


@pytest.mark.parametrize(("option", "value"), [("host", "0.0.0.0"), ("port", 70_000)])
def test_what_cannot_be_served_is_refused(option: str, value: object) -> None:
    with pytest.raises(CommandError, match=option):
        call_command(Command(), **{"port": 0, option: value})


def test_defaults() -> None:
    parser = Command(stdout=StringIO()).create_parser("manage.py", "octanist_sandbox")
    options = parser.parse_args([])
    assert (options.port, options.host, options.key) == (8765, "127.0.0.1", "sandbox-key")
    assert Command.requires_system_checks == []


def test_it_ends_when_the_server_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sandbox, "serve_forever", lambda sandbox: None)
    before = signal.getsignal(signal.SIGTERM)
    out = StringIO()
    call_command(Command(), port=0, stdout=out)
    port = int(re.search(r":(\d+)/", out.getvalue()).group(1))  # type: ignore[union-attr]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    assert signal.getsignal(signal.SIGTERM) is before
