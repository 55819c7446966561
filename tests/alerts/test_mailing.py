from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import django
import pytest
from django.core import mail
from django.test import override_settings
from django.utils import timezone, translation

from django_octanist import process
from django_octanist.alerts import groups, limits, mailing
from django_octanist.alerts.texts import Text
from django_octanist.models import AlertGroup

OPS = ["ops@example.com", "dev@example.com"]


def paused() -> Text:
    return Text("paused", "The key was refused.", "/admin/octanist/lead/")


class Blocked:
    """A mail backend that waits until the test lets it go on."""

    entered = threading.Event()
    released = threading.Event()

    def send_messages(self, messages: Any) -> int:
        self.entered.set()
        assert self.released.wait(10)
        return len(messages)


class Broken:
    """A mail backend that fails."""

    def send_messages(self, messages: Any) -> int:
        raise ConnectionRefusedError("no mail for ops@example.com")


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Callable[[type], None]:
    """Let mails go through another backend."""

    def use(kind: type) -> None:
        monkeypatch.setattr("django.core.mail.message.EmailMessage.send", lambda self: kind().send_messages([self]))

    return use


@override_settings(SERVER_EMAIL="server@example.com", EMAIL_SUBJECT_PREFIX="[site] ")
def test_a_mail(sent_alerts: Callable[[], None]) -> None:
    mailing.post(paused)
    sent_alerts()
    (message,) = mail.outbox
    assert message.subject == "[site] Octanist: paused"
    assert message.body == "The key was refused.\n\nIn the admin: /admin/octanist/lead/"
    assert message.to == OPS
    assert message.from_email == "server@example.com"


def test_a_subject_is_one_line() -> None:
    mailing.send(lambda: Text("deliveries of the account a\nBcc: b are paused", "", ""), to=OPS)
    assert mail.outbox[0].subject.endswith("Octanist: deliveries of the account a Bcc: b are paused")


def test_without_a_link() -> None:
    mailing.send(lambda: Text("paused", "The key was refused.", ""), to=OPS)
    assert mail.outbox[0].body == "The key was refused."


@override_settings(OCTANIST_ALERT_EMAILS="admins", ADMINS=["root@example.com"])
def test_admins(sent_alerts: Callable[[], None]) -> None:
    mailing.post(paused)
    sent_alerts()
    assert mail.outbox[0].to == ["root@example.com"]


@pytest.mark.filterwarnings("ignore:Django 2028 will not have a default mailer")
def test_a_site_that_says_nothing_of_mail(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django 6.1 warns; its warning is for the site, as with the mails that the site sends itself."""
    by_smtp: list[Any] = []
    monkeypatch.setattr(
        "django.core.mail.backends.smtp.EmailBackend.send_messages", lambda _self, messages: by_smtp.extend(messages)
    )
    if hasattr(settings, "MAILERS"):
        del settings.MAILERS
    mailing.send(paused, to=OPS)
    assert len(by_smtp + mail.outbox) == 1


def test_a_site_without_a_default_mailer(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    if django.VERSION < (6, 1):
        pytest.skip("MAILERS came with Django 6.1")
    settings.MAILERS = {"newsletter": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    mailing.send(paused, to=OPS)
    assert "an alert could not be e-mailed: MailerDoesNotExist" in caplog.text


def test_in_the_operators_language_and_time_zone(settings: Any) -> None:
    def compose() -> Text:
        return Text(str(translation.get_language()), str(timezone.get_current_timezone()), "")

    settings.LANGUAGE_CODE, settings.TIME_ZONE = "nl", "Europe/Amsterdam"
    with translation.override("de"), timezone.override("Asia/Tokyo"):
        mailing.send(compose, to=OPS)
    assert mail.outbox[0].subject.endswith("Octanist: nl")
    assert mail.outbox[0].body == "Europe/Amsterdam"


def test_nobody_waits_for_a_slow_mail_server(backend: Callable[[type], None], sent_alerts: Callable[[], None]) -> None:
    backend(Blocked)
    mailing.post(paused)
    assert Blocked.entered.wait(10)
    # Nor does the end of the process, for long.
    mailing.finish(0.05)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == mailing.THREAD_NAME]
    assert thread.daemon
    Blocked.released.set()
    sent_alerts()
    assert not thread.is_alive()


def test_a_mail_that_cannot_be_sent_is_logged(
    backend: Callable[[type], None], caplog: pytest.LogCaptureFixture
) -> None:
    backend(Broken)
    mailing.send(paused, to=OPS)
    assert "an alert could not be e-mailed: ConnectionRefusedError" in caplog.text
    assert "ops@" not in caplog.text


def test_words_that_cannot_be_found_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Text:
        raise KeyError("jo@example.com")

    mailing.send(broken, to=OPS)
    assert "an alert could not be e-mailed: KeyError" in caplog.text
    assert "jo@" not in caplog.text


@pytest.mark.django_db
@pytest.mark.usefixtures("no_test_run")
def test_what_was_not_sent_is_told_yet_but_not_at_once(backend: Callable[[type], None]) -> None:
    backend(Broken)
    telling = groups.count("invalid", "shop", 3)
    mailing.send(paused, to=OPS, telling=telling)
    assert AlertGroup.objects.get().waiting == 3
    assert not limits.comes("look", seconds=60)


@pytest.mark.usefixtures("no_test_run")
def test_where_the_database_does_not_take_it_back(
    backend: Callable[[type], None], caplog: pytest.LogCaptureFixture
) -> None:
    backend(Broken)
    telling = groups.Telling(key=1, before=None, at=timezone.now())
    # The test may not use the database: it raises.
    mailing.send(paused, to=OPS, telling=telling)
    assert "an alert is not told again: " in caplog.text


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_under_a_test_runner_the_thread_leaves_the_database_alone(
    backend: Callable[[type], None], sent_alerts: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    assert process.is_test_run()
    backend(Broken)
    mailing.post(paused, telling=groups.Telling(key=1, before=None, at=timezone.now()))
    sent_alerts()
    assert "not told again" not in caplog.text


def test_without_further_threads_it_is_sent_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    mailing.post(paused)
    assert len(mail.outbox) == 1
