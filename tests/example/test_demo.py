from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import demo
import demo_check
import demo_servers
import pytest

from .conftest import EXAMPLE

pytestmark = pytest.mark.usefixtures("no_octanist_environment")


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind((demo_servers.HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def servers(*, sandbox: bool) -> demo_servers.Servers:
    site = demo_servers.Server("The site", "http://127.0.0.1:8000", process=None)
    return (
        demo_servers.Servers(site, demo_servers.Server("The sandbox", "http://127.0.0.1:8765", process=None))
        if (sandbox)
        else demo_servers.Servers(site)
    )


class TestArguments:
    def test_it_stays_on_the_known_ports(self):
        options = demo.parser().parse_args([])

        assert (options.check, options.port, options.sandbox_port) == (False, 8000, 8765)

    def test_an_unknown_argument_is_refused(self, capsys):
        with pytest.raises(SystemExit) as left:
            demo.main(["--chek"])

        assert left.value.code == 2
        assert "--chek" in capsys.readouterr().err


class TestPorts:
    def test_a_free_port_is_taken_silently(self, capsys):
        [port] = demo_servers.free_ports(1)

        assert demo_servers.choose_port(port, name="the site") == port
        assert capsys.readouterr().out == ""

    def test_a_taken_port_is_left_for_a_later_one_and_that_is_said(self, capsys, taken_port):
        port = demo_servers.choose_port(taken_port, name="the site")

        assert port > taken_port
        assert capsys.readouterr().out == f"Port {taken_port} is taken: the site gets {port}.\n"

    def test_a_port_that_is_promised_is_left_out(self):
        [port] = demo_servers.free_ports(1)

        assert demo_servers.choose_port(port, name="the sandbox", taken={port}) > port

    def test_no_free_port_is_an_error(self, monkeypatch):
        monkeypatch.setattr(demo_servers, "is_free", lambda port: False)

        with pytest.raises(demo_servers.DemoError, match=r"No port is free for the site from 8000 to 8049\."):
            demo_servers.choose_port(8000, name="the site")

    def test_free_ports_differ(self):
        assert len(set(demo_servers.free_ports(5))) == 5


class TestRealKey:
    def test_the_check_is_refused(self, capsys, monkeypatch):
        monkeypatch.setenv("OCTANIST_API_KEY", "real-key")

        assert demo.main(["--check"]) == 1

        said = capsys.readouterr().err
        assert "OCTANIST_API_KEY is set" in said
        assert "real-key" not in said

    def test_the_welcome_says_where_leads_go(self, monkeypatch):
        monkeypatch.setenv("OCTANIST_API_KEY", "real-key")

        said = demo.welcome(servers(sandbox=False))

        assert "leads go to the real account, at https://octanist.com/api" in said
        assert "real-key" not in said

    def test_without_one_the_welcome_names_the_sandbox(self):
        assert "http://127.0.0.1:8765/" in demo.welcome(servers(sandbox=True))


class TestProblems:
    expected = demo_check.Expected(form="contact", contact="a@home.example", story="", session_id="s-1")

    def lead(self, **data):
        return {
            "fields": {"email": "a@home.example"},
            "session_id": "s-1",
            "attribution": {},
            "consent": demo_check.NOTHING_AGREED,
            "custom": {},
            **data,
        }

    def found(self, *, status: str = "delivered", received=()):
        return list(demo_check.problems(self.expected, statuses={"a@home.example": status}, received=received))

    def test_none(self):
        assert self.found(received=[self.lead()]) == []

    def test_what_the_admin_says_and_what_is_not_there(self):
        assert self.found(status="pending") == [
            "- contact (a@home.example): the admin should say 'delivered', and says 'pending'.",
            "- contact (a@home.example): the sandbox should have 1 lead, and has 0.",
        ]

    def test_what_is_other_than_expected(self):
        assert self.found(received=[self.lead(session_id="")]) == [
            "- contact (a@home.example): session_id should be 's-1', and is ''."
        ]


def test_a_server_that_does_not_start_is_told_with_its_log(tmp_path: Path, taken_port):
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    [site_port] = demo_servers.free_ports(1)

    with pytest.raises(demo_servers.DemoError, match=r"The sandbox has ended with status 1\.\n(.*\n)*.*cannot be had"):  # noqa: SIM117
        with demo_servers.running(site_port=site_port, sandbox_port=taken_port, environment=environment, logs=tmp_path):
            pytest.fail("It must not come this far.")

    assert demo_servers.is_free(site_port)


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_demo_ends_what_it_started(tmp_path: Path, number: int, status: int):
    site_port, sandbox_port = demo_servers.free_ports(2)
    command = [sys.executable, str(EXAMPLE / "demo.py"), f"--port={site_port}", f"--sandbox-port={sandbox_port}"]
    log = tmp_path / "log"
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}", "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        site = demo_servers.Server("The demo", f"http://127.0.0.1:{site_port}", process, log)
        site.wait_until_ready(seconds=60)
        process.send_signal(number)
        assert process.wait(20) == status
    finally:
        process.kill()
        process.wait()

    assert demo_servers.is_free(site_port)
    assert demo_servers.is_free(sandbox_port)


class TestExtras:
    def test_they_are_left_out_by_default(self):
        assert demo.parser().parse_args([]).extras is False
        assert demo.settings_module(extras=False) == {}
        assert "Wagtail" not in demo.welcome(servers(sandbox=True))

    def test_they_are_settings_of_their_own(self):
        assert demo.settings_module(extras=True) == {"DJANGO_SETTINGS_MODULE": "roofer.settings_extras"}

    def test_the_welcome_says_where_they_are(self):
        said = demo.welcome(servers(sandbox=True), extras=True)

        assert "http://127.0.0.1:8000/pages/roof-check/" in said
        assert "http://127.0.0.1:8000/api/estimate/" in said
