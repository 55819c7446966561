from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "example_project"
sys.path.insert(0, str(EXAMPLE))

import demo_check  # noqa: E402
import demo_servers  # noqa: E402

from tests.delivery import wait_until  # noqa: E402

LEADS = "/admin/octanist/lead/"
SECONDS = 20.0
"""A delivery takes a fraction of a second; a busy machine may take longer."""


class Example:
    """The running example: its addresses, its admin, and what arrived at its sandbox."""

    def __init__(self, servers: demo_servers.Servers) -> None:
        assert servers.sandbox is not None
        self.site_url = servers.site.url
        self.sandbox = servers.sandbox
        self.admin = demo_check.Admin(self.site_url)
        self.admin.log_in()

    def visitor(self) -> demo_check.Visitor:
        return demo_check.Visitor(self.site_url)

    def staff(self) -> demo_check.Visitor:
        """Return a visitor who is logged in as staff, with a cookie jar of their own."""
        staff = self.visitor()
        staff.http.cookies.update(self.admin.http.cookies)
        return staff

    def lead_page(self, contact: str) -> str:
        """Return the admin's page on the one lead of ``contact``."""
        [path] = set(re.findall(r'"(/admin/octanist/lead/\d+/change/)', self.admin.read(f"{LEADS}?q={contact}")))
        return self.admin.read(path)

    def wait_until(self, contact: str, *, status: str = demo_check.DELIVERED) -> None:
        said = demo_check.wait_until(self.admin, {contact: status}, seconds=SECONDS)
        assert said.get(contact) == status

    def arrived(self, contact: str) -> dict[str, Any]:
        """Wait until the admin says that the lead of ``contact`` is delivered; return it as Octanist has it."""
        self.wait_until(contact)
        leads = demo_check.leads_of(contact, demo_check.leads_at(self.sandbox))
        assert len(leads) == 1
        return dict(leads[0])


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """The example site and its sandbox as processes of their own, with a database of their own."""
    folder = tmp_path_factory.mktemp("example")
    environment = {"DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}", "MEDIA_ROOT": str(folder / "media")}
    site_port, sandbox_port = demo_servers.free_ports(2)
    with demo_servers.running(
        site_port=site_port, sandbox_port=sandbox_port, environment=environment, logs=folder
    ) as servers:
        ready = Example(servers)
        wait_until(lambda: ready.visitor().read("/oct/p"), what="the site has the pixel's script", seconds=SECONDS)
        yield ready


@pytest.fixture
def no_octanist_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OCTANIST_"):
            monkeypatch.delenv(name)
