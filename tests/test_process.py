from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from django.core import mail
from django.test import override_settings

from django_octanist import process


@pytest.fixture
def _live(monkeypatch: pytest.MonkeyPatch) -> None:
    """As outside of a test runner, and before the first request."""
    monkeypatch.delattr(mail, "outbox")
    monkeypatch.setattr(process, "_serves", False)
    monkeypatch.setattr(sys, "argv", ["/venv/bin/gunicorn"])


def test_under_a_test_runner() -> None:
    assert process.is_test_run()
    assert not process.may_start_threads()


@pytest.mark.usefixtures("_live")
def test_a_server() -> None:
    assert not process.is_test_run()
    assert not process.is_command()
    assert process.may_start_threads()


@override_settings(ALLOWED_HOSTS=["example.com"])
def test_an_outbox_alone_is_no_test_run() -> None:
    assert hasattr(mail, "outbox")
    assert not process.is_test_run()


@pytest.mark.usefixtures("_live")
@pytest.mark.parametrize(
    "program", ["manage.py", "/site/manage.py", "/venv/bin/django-admin", "C:\\site\\manage.py", "/django/__main__.py"]
)
def test_a_command_until_it_serves(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    assert process.is_command()
    assert not process.may_start_threads()
    process._note_request()
    assert not process.is_command()
    assert process.may_start_threads()


@pytest.mark.usefixtures("_live")
class TestUnderUwsgi:
    @pytest.fixture(autouse=True)
    def _untold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(process, "_stalled_told", False)

    def started(self, monkeypatch: pytest.MonkeyPatch, **said: int) -> None:
        """uWSGI's own module, with what matters here: ``has_threads`` is 0 or 1."""
        monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(**said))

    def test_without_threads(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        self.started(monkeypatch, has_threads=0)
        assert [process.may_start_threads() for _time in range(3)] == [False] * 3
        (record,) = caplog.records
        assert "Set enable-threads = true" in record.getMessage()

    @pytest.mark.parametrize("said", [{"has_threads": 1}, {}], ids=["with threads", "a release that does not say"])
    def test_with_threads(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, said: dict[str, int]
    ) -> None:
        self.started(monkeypatch, **said)
        assert process.may_start_threads()
        assert not caplog.records

    def test_with_what_gevent_puts_in_their_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started(monkeypatch, has_threads=0)
        patched = SimpleNamespace(is_module_patched=lambda name: name == "threading")
        monkeypatch.setitem(sys.modules, "gevent.monkey", patched)
        assert process.may_start_threads()
