"""What this process did lately: cheap, and there when the database is not."""

from __future__ import annotations

import os
import threading

from ..clock import elapsed

_next_at: dict[str, float] = {}
"""When (``clock.elapsed()``) each thing may be done again."""
_lock = threading.Lock()


def comes(name: str, *, seconds: float) -> bool:
    """Whether it is time for ``name``: at most once in so many ``seconds``, whichever thread asks."""
    now = elapsed()
    with _lock:
        if now < _next_at.get(name, now):
            return False
        _next_at[name] = now + seconds
    return True


def put_off(name: str, *, seconds: float) -> None:
    """Let ``name`` not come before ``seconds`` have passed."""
    with _lock:
        _next_at[name] = max(elapsed() + seconds, _next_at.get(name, 0.0))


def forget() -> None:
    """Forget all of it: whatever is asked for next comes at once. For tests."""
    with _lock:
        _next_at.clear()


def _begin_anew() -> None:
    """After a fork: a thread of the parent's may have held the lock."""
    global _lock
    _lock = threading.Lock()
    # The alerts that the parent gave are not the child's to give again; but it looks for itself.
    for name in ("look", "overdue", "apart"):
        _next_at.pop(name, None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
