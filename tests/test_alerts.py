from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import mail
from django.test import override_settings

from django_octanist import alerts
from django_octanist.alerts import alert

pytestmark = pytest.mark.filterwarnings("ignore:Django 2028 will not have a default mailer")

OPS = override_settings(
    OCTANIST_ALERT_EMAILS=["ops@example.com", "dev@example.com"],
    SERVER_EMAIL="server@example.com",
    EMAIL_SUBJECT_PREFIX="[site] ",
)


class Blocked:
    """A mail backend that waits until the test lets it go on."""

    entered = threading.Event()
    released = threading.Event()

    def __init__(self, **_named: Any) -> None: ...

    def send_messages(self, messages: Any) -> int:
        self.entered.set()
        assert self.released.wait(10)
        return len(messages)


class Broken:
    """A mail backend that fails."""

    def __init__(self, **_named: Any) -> None: ...

    def send_messages(self, messages: Any) -> int:
        raise ConnectionRefusedError("no mail for ops@example.com")


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Callable[[type], None]:
    """Let mails go through another backend."""

    def use(kind: type) -> None:
        monkeypatch.setattr("django.core.mail.message.EmailMessage.send", lambda self: kind().send_messages([self]))

    return use


@OPS
def test_an_alert(sent_alerts: Callable[[], None]) -> None:
    alert("paused", "The key was refused.", kind="paused")
    sent_alerts()
    (message,) = mail.outbox
    assert message.subject == "[site] Octanist: paused"
    assert message.body == "The key was refused."
    assert message.to == ["ops@example.com", "dev@example.com"]
    assert message.from_email == "server@example.com"


@override_settings(OCTANIST_ALERT_EMAILS=[])
def test_nobody_to_alert(sent_alerts: Callable[[], None]) -> None:
    alert("paused", "", kind="paused")
    sent_alerts()
    assert mail.outbox == []
    # It did not count: the first one that somebody hears of goes out at once.
    with OPS:
        alert("paused", "", kind="paused")
    sent_alerts()
    assert len(mail.outbox) == 1


@override_settings(OCTANIST_ALERT_EMAILS="admins", ADMINS=["root@example.com"])
def test_admins(sent_alerts: Callable[[], None]) -> None:
    alert("paused", "", kind="paused")
    sent_alerts()
    assert mail.outbox[0].to == ["root@example.com"]


@OPS
def test_one_of_a_kind_an_hour(sent_alerts: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(alerts, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for moment, kind in [(0, "a"), (1, "a"), (2, "b"), (3599, "a"), (3600, "a"), (3601, "a"), (3602, "b")]:
        now[0] = 1000.0 + moment
        alert(f"{kind} after {moment} s", "", kind=kind)
    monkeypatch.undo()
    sent_alerts()
    subjects = {message.subject.partition("Octanist: ")[2] for message in mail.outbox}
    assert subjects == {"a after 0 s", "b after 2 s", "a after 3600 s", "b after 3602 s"}


@OPS
def test_the_first_alert_goes_out_on_a_machine_that_has_just_started(
    sent_alerts: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "time", SimpleNamespace(monotonic=lambda: 0.0))
    alert("paused", "", kind="paused")
    sent_alerts()
    assert len(mail.outbox) == 1


@OPS
def test_nobody_waits_for_a_slow_mail_server(sent_alerts: Callable[[], None], backend: Callable[[type], None]) -> None:
    backend(Blocked)
    alert("paused", "", kind="paused")
    assert Blocked.entered.wait(10)
    Blocked.released.set()
    sent_alerts()


@OPS
def test_a_mail_that_cannot_be_sent_is_logged(
    sent_alerts: Callable[[], None], backend: Callable[[type], None], caplog: pytest.LogCaptureFixture
) -> None:
    backend(Broken)
    alert("paused", "", kind="paused")
    sent_alerts()
    assert "an alert could not be e-mailed: ConnectionRefusedError" in caplog.text
    assert "ops@" not in caplog.text


@OPS
def test_without_further_threads_it_is_sent_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    alert("paused", "", kind="paused")
    assert len(mail.outbox) == 1


@override_settings(OCTANIST_ALERT_EMAILS="nonsense")
def test_a_wrong_setting_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    alert("paused", "", kind="paused")
    assert "OCTANIST_ALERT_EMAILS must be" in caplog.text
