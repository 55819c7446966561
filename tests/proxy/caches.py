"""A cache that a site's processes share, without a server to run."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache


class SharedCache(BaseCache):
    """As Redis is: of no process, and with room for all."""

    kept: ClassVar[dict[str, Any]] = {}

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        made = self.make_and_validate_key(key, version=version)
        is_new = made not in self.kept
        self.kept.setdefault(made, value)
        return is_new

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self.kept.get(self.make_and_validate_key(key, version=version), default)

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self.kept[self.make_and_validate_key(key, version=version)] = value

    def clear(self) -> None:
        self.kept.clear()
