from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _operators(settings: Any) -> None:
    settings.OCTANIST_ALERT_EMAILS = ["ops@example.com", "dev@example.com"]
