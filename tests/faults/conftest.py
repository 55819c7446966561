"""Faults run only where they are asked for: ``pytest -m faults``."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import API_KEY, FakeOctanist, Site, Workers, a_site

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mine = [item for item in items if item.path.is_relative_to(FOLDER)]
    for item in mine:
        item.add_marker(pytest.mark.faults)
    if "faults" not in config.option.markexpr:
        config.hook.pytest_deselected(items=mine)
        items[:] = [item for item in items if item not in mine]


@pytest.fixture
def seed() -> int:
    """What chance follows; a test that fails prints it."""
    number = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(2**31))
    print(f"FAULTS_SEED={number}")
    return number


@pytest.fixture
def octanist(tmp_path: Path, seed: int) -> Iterator[FakeOctanist]:
    with FakeOctanist(tmp_path, seed=seed) as fake:
        yield fake


@pytest.fixture
def site(tmp_path: Path, octanist: FakeOctanist, transactional_db: None) -> Iterator[Site]:
    """A site that delivers to ``octanist``, with a database that its processes share with the test."""
    with a_site(
        tmp_path,
        OCTANIST_API_URL=octanist.api_url,
        OCTANIST_API_KEY=API_KEY,
        OCTANIST_DISPATCH="manual",
        OCTANIST_TIMEOUT=10.0,
    ) as shared:
        yield shared


@pytest.fixture
def workers(site: Site, octanist: FakeOctanist, tmp_path: Path) -> Iterator[Workers]:
    """Workers of ``site``: none yet."""
    with Workers(site, tmp_path, octanist=octanist) as started:
        yield started
