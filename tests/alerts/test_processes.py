"""Several processes that know of each other by the database alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import django
import pytest
from django.db import connection
from django.utils import timezone

from django_octanist.models import AlertGroup, Lead
from tests.delivery import Site, a_site, finished, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES = 4
EACH = 25

TOGETHER = """
from pathlib import Path
from django_octanist import alerts
import time
def go(folder, number):
    (Path(folder) / f"ready-{number}").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.001)
"""
LOSE = f"""
lead = Lead(pk=1, status="invalid", account="shop", form="contact")
for _ in range({EACH}):
    alerts.leads_lost([lead])
"""


def mailer(backend: str, **options: Any) -> dict[str, Any]:
    """The settings of a site that mails through ``backend``, as its Django has them."""
    path = f"django.core.mail.backends.{backend}.EmailBackend"
    if django.VERSION >= (6, 1):
        return {"MAILERS": {"default": {"BACKEND": path, "OPTIONS": options}}}
    return {"EMAIL_BACKEND": path, **{f"EMAIL_{name.upper()}": value for name, value in options.items()}}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    mails = mailer("filebased", file_path=str(tmp_path / "mails"))
    with a_site(tmp_path, OCTANIST_ALERT_EMAILS=["ops@example.com"], OCTANIST_DISPATCH="manual", **mails) as site:
        yield site


def bodies(folder: Path) -> list[str]:
    """What the mails say, their subjects first; the first mail first."""
    files = sorted((folder / "mails").glob("*.log"), key=lambda file: file.stat().st_mtime)
    mails = [message_from_string(file.read_text(encoding="utf-8"), policy=policy.default) for file in files]
    return [f"{mail['Subject']}\n{mail.get_content()}" for mail in mails]


def run_together(site: Site, folder: Path, code: str) -> None:
    """Run ``code`` in several processes, which begin at the same moment."""
    folder.mkdir()
    begun = [site.start(f"{TOGETHER}go({str(folder)!r}, {number})\n{code}") for number in range(PROCESSES)]
    wait_until(lambda: len(list(folder.glob("ready-*"))) == PROCESSES, what="all processes are ready")
    (folder / "go").touch()
    for process in begun:
        finished(process)


def told(body: str) -> int:
    found = re.search(r"(\d+) leads? of the account shop", body)
    return int(found[1]) if found else 1


def test_one_of_several_processes_tells(site: Site, tmp_path: Path) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("whole processes that write at once are for databases with a server")
    run_together(site, tmp_path / "first", LOSE)
    (body,) = bodies(tmp_path)
    waiting = AlertGroup.objects.get().waiting
    assert told(body) + waiting == PROCESSES * EACH
    an_hour_ago = timezone.now() - timedelta(hours=1)
    AlertGroup.objects.update(told_at=an_hour_ago)
    run_together(site, tmp_path / "second", "alerts.look()")
    _first, body = bodies(tmp_path)
    assert f"{waiting} leads of the account shop were found invalid since " in body
    assert AlertGroup.objects.get().waiting == 0


def test_one_of_several_processes_tells_of_leads_that_wait(site: Site, tmp_path: Path) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("whole processes that write at once are for databases with a server")
    moment = timezone.now() - timedelta(hours=2)
    Lead.objects.create(email="jo@example.com", created_at=moment, next_attempt_at=moment)
    code = (
        "from django_octanist.models import DeliveryPause\n"
        "alerts.look()\n"
        "alerts.paused('shop', DeliveryPause.Reason.OUTAGE)"
    )
    run_together(site, tmp_path / "first", code)
    subjects = sorted(body.partition("\n")[0].partition("Octanist: ")[2] for body in bodies(tmp_path))
    assert subjects == [
        "1 lead of the account default has waited for more than an hour",
        "deliveries of the account shop are paused",
    ]


def test_a_process_that_captures_notices_that_nobody_delivers(site: Site, tmp_path: Path) -> None:
    moment = timezone.now() - timedelta(hours=2)
    Lead.objects.create(email="jo@example.com", created_at=moment, next_attempt_at=moment)
    site.run('capture_lead({"email": "di@example.com"}, form="contact")')
    (body,) = bodies(tmp_path)
    assert "1 lead of the account default has waited for more than an hour" in body
    assert "Nobody has tried to send them. Who delivers? OCTANIST_DISPATCH is manual." in body
    assert "@example.com" not in body


def test_a_command_that_captures_looks_for_nothing(site: Site, tmp_path: Path) -> None:
    moment = timezone.now() - timedelta(hours=2)
    Lead.objects.create(email="jo@example.com", created_at=moment, next_attempt_at=moment)
    site.run('sys.argv = ["manage.py", "import_leads"]\ncapture_lead({"email": "di@example.com"}, form="contact")')
    assert bodies(tmp_path) == []


def test_a_mail_is_sent_before_the_process_ends(site: Site, tmp_path: Path) -> None:
    site.run(TOGETHER + 'alerts.leads_lost([Lead(pk=1, status="failed", account="shop")])')
    assert len(bodies(tmp_path)) == 1


def test_a_mail_server_that_never_answers_does_not_keep_a_process_alive(site: Site) -> None:
    code = (
        "from django_octanist.alerts import mailing\n"
        "mailing.FINISH_SECONDS = 0.5\n"
        "import socket\n"
        "silent = socket.create_server(('127.0.0.1', 0))\n"
        "from django.core.mail.backends import smtp\n"
        "usual = smtp.EmailBackend.__init__\n"
        "def use(self, *arguments, **options):\n"
        "    usual(self, *arguments, **options)\n"
        "    self.port = silent.getsockname()[1]\n"
        "smtp.EmailBackend.__init__ = use\n"
        f"{TOGETHER}"
        'alerts.leads_lost([Lead(pk=1, status="failed", account="shop")])\n'
        "print('begun')\n"
    )
    process = site.start(code, **mailer("smtp", host="127.0.0.1"))
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    begun = time.monotonic()
    process.wait(20)
    assert time.monotonic() - begun < 10
    assert process.returncode == 0
