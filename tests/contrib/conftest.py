"""A folder a package: tests that run with settings of their own, and elsewhere skip visibly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

HERE = Path(__file__).parent


class Elsewhere(pytest.Dir):
    """A folder whose tests need another package and its settings."""

    def collect(self) -> Iterator[pytest.Item]:
        pytest.skip(f"these run by themselves: tox -e {self.path.name}-newest", allow_module_level=True)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    own = path.parent == HERE and (path / "settings.py").exists()
    if own and f"tests.contrib.{path.name}.settings" != settings.SETTINGS_MODULE:
        return Elsewhere.from_parent(parent, path=path)
    return None
