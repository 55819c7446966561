"""Databases that a test may break: this process and those of a site use one together, in place of the usual one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import environ
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.db.utils import load_backend

from tests.delivery import Site

from . import API_KEY, FakeOctanist, invariant
from .postgres import Cluster


def sent(octanist: FakeOctanist) -> tuple[int, int]:
    """Return how many requests were to create a lead, and how many of them for the lead that was sent most often."""
    counters = octanist.counters()
    return counters["posts"], max(counters["by_submission"].values(), default=0)


def all_once(octanist: FakeOctanist, *, leads: int) -> None:
    """Nothing lost, nothing twice: all are delivered, and no request was made a second time."""
    invariant(octanist, committed=leads, delivered=leads)
    assert sent(octanist) == (leads, 1)


@contextmanager
def in_place_of_the_usual(url: str) -> Iterator[None]:
    """Let this process use the empty database at ``url``, and make the app's tables there.

    The test needs its own database with ``transactional_db``.
    """
    usual = connections["default"]
    entry = {**usual.settings_dict, "OPTIONS": {}, **environ.Env.db_url_config(url)}
    other = load_backend(entry["ENGINE"]).DatabaseWrapper(entry, "default")
    connections["default"] = other
    try:
        with other.schema_editor() as editor:
            for model in apps.get_app_config("octanist").get_models():
                editor.create_model(model)
        yield
    finally:
        other.close()
        connections["default"] = usual


def site_at(database_url: str, **octanist_settings: Any) -> Site:
    """Return a site whose processes use the database at ``database_url``."""
    usual = {"OCTANIST_API_KEY": API_KEY, "OCTANIST_DISPATCH": "manual", "OCTANIST_TIMEOUT": 60.0}
    return Site(database_url=database_url, **usual | octanist_settings)


@contextmanager
def a_site_in(
    cluster: Cluster, octanist: FakeOctanist, *, options: str = "", **octanist_settings: Any
) -> Iterator[Site]:
    """Yield a site with a new database of ``cluster`` that delivers to ``octanist``; ``options`` end the URL."""
    cluster.execute("DROP DATABASE IF EXISTS site WITH (FORCE)", "CREATE DATABASE site")
    url = f"{cluster.url}/site"
    with in_place_of_the_usual(url):
        yield site_at(url + options, OCTANIST_API_URL=octanist.api_url, **octanist_settings)


@contextmanager
def a_mariadb() -> Iterator[str]:
    """Yield the URL of a new database of MariaDB or MySQL: where the suite uses one there, else on this machine."""
    driver = pytest.importorskip("MySQLdb")
    usual = settings.DATABASES["default"]
    entry = usual if "mysql" in usual["ENGINE"] else {"HOST": "127.0.0.1", "PORT": 3306, "USER": "root", "PASSWORD": ""}
    name = f"test_octanist_faults_{os.getpid()}"
    login = {"host": entry["HOST"], "port": int(entry["PORT"] or 3306), "user": entry["USER"]}
    try:
        server = driver.connect(password=entry["PASSWORD"], connect_timeout=10, **login)
    except driver.OperationalError as error:
        pytest.skip(f"no MariaDB or MySQL at {login['host']}:{login['port']}: {error.args[0]}")
    try:
        server.query(f"DROP DATABASE IF EXISTS {name}")
        server.query(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        password = f":{entry['PASSWORD']}" if entry["PASSWORD"] else ""
        yield f"mysql://{login['user']}{password}@{login['host']}:{login['port']}/{name}"
    finally:
        server.query(f"DROP DATABASE IF EXISTS {name}")
        server.close()


class SmallDisk:
    """A disk of ``megabytes`` at ``folder``, which can be filled and freed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Use up whatever is left."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        self._ballast.unlink()


@contextmanager
def a_small_disk(folder: Path, *, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one, in memory, at the empty ``folder``; skip the test where this may not be done."""
    mount = shutil.which("mount")
    if mount is None or os.name != "posix":
        pytest.skip("no mount")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("a small disk may not be mounted here")
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: a server that is just ending may still have its log open.
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=True)
