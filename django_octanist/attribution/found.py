"""A value, and where it came from."""

from __future__ import annotations

from typing import NamedTuple


class Found(NamedTuple):
    """A value and its source, such as ``query``, ``referer``, ``remembered``, ``cookie:_gcl_aw``, ``form``."""

    value: str
    source: str


NOTHING = Found("", "")
