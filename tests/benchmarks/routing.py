"""Which database is meant."""

from __future__ import annotations

from typing import Any


class Router:
    """Sends everything to the database ``alias``, which changes."""

    alias = "default"

    def db_for_read(self, model: object, **hints: Any) -> str:
        return self.alias

    def db_for_write(self, model: object, **hints: Any) -> str:
        return self.alias
