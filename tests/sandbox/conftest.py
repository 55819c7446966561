from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from django_octanist.sandbox.server import Sandbox

SESSION = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def send(sandbox: Sandbox, http: requests.Session) -> Callable[..., requests.Response]:
    """Create a lead with the given fields; ``key=None`` sends no key."""

    def send(*, key: str | None = "sandbox-key", **fields: Any) -> requests.Response:
        headers = {} if key is None else {"X-API-KEY": key}
        return http.post(f"{sandbox.api_url}/leads", json=fields, headers=headers, timeout=5)

    return send
