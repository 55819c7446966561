"""``thread``: a daemon thread of this process delivers. The default; nothing else needs to run.

Started on demand, one per process (after a fork, the child starts its own). It also delivers what an earlier
process left, and looks at least once a minute. At exit it gets up to 5 s to deliver what is due; what remains is
found by the next process.

A management command that captures starts no thread amid its work: it delivers at its exit, for the same 5 s and the
lead in hand.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading

from django.db import connections

from .. import process
from ..clock import elapsed
from ..conf import conf
from ..delivery import Engine
from ..delivery.loop import run
from ..exceptions import describe

logger = logging.getLogger("django_octanist")

FLUSH_SECONDS = 5.0
GIVE_BACK_SECONDS = 1.0


class _Courier:
    """The delivering thread of one process, and the events that steer it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.wake = threading.Event()
        self.finish = threading.Event()
        self.engine = Engine(senders=conf.concurrency)
        self.thread = threading.Thread(target=self._run, name="octanist-delivery", daemon=True)

    def _run(self) -> None:
        with self.engine:
            run(self.engine, wake=self.wake, finish=self.finish)

    def nudge(self) -> None:
        """Wake the thread, whether it waits for something to do or for an answer."""
        self.wake.set()
        self.engine.nudge()

    def end(self) -> None:
        """Deliver what is due within :data:`FLUSH_SECONDS`, then give back what was not begun."""
        self.finish.set()
        self.wake.set()
        self.thread.join(FLUSH_SECONDS)
        self.engine.stop.set()
        self.nudge()
        self.thread.join(GIVE_BACK_SECONDS)


_courier: _Courier | None = None
_lock = threading.Lock()
_flushes_at_exit = False


def dispatch(account: str) -> None:  # noqa: ARG001 - the strategies' common form
    """Wake the thread; it looks after all accounts, ``account`` among them."""
    global _flushes_at_exit
    if process.is_command():
        _flushes_at_exit = True
        return
    courier = ensure_running()
    if courier is not None:
        courier.nudge()


def ensure_running() -> _Courier | None:
    """Return this process's thread, started if need be; ``None`` under a test runner."""
    courier = _courier
    if courier is not None and courier.pid == os.getpid() and courier.thread.is_alive():
        return courier
    return None if process.is_test_run() else _start()


def _start() -> _Courier:
    global _courier
    with _lock:
        if _courier is None or _courier.pid != os.getpid() or not _courier.thread.is_alive():
            _courier = _Courier()
            _courier.thread.start()
        return _courier


def _end() -> None:
    if _courier is not None and _courier.pid == os.getpid():
        _courier.end()
    elif _flushes_at_exit and not process.is_test_run():
        _flush()


def _flush() -> None:
    """Deliver what is due within :data:`FLUSH_SECONDS`, in this thread: a process that ends starts no more of them."""
    ends, stop = elapsed() + FLUSH_SECONDS, threading.Event()

    def beat() -> None:
        if elapsed() > ends:
            stop.set()

    try:
        with Engine(senders=0, stop=stop, beat=beat) as engine:
            engine.drain()
    except Exception as error:  # noqa: BLE001 - the command has done its work
        logger.error("Octanist: leads wait for the next process that delivers: %s", describe(error))
    finally:
        connections.close_all()


def _forget() -> None:
    """After a fork: the parent's thread, lock and leads are not the child's."""
    global _courier, _lock, _flushes_at_exit
    _courier, _lock, _flushes_at_exit = None, threading.Lock(), False


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
