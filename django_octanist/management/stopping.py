"""How a command that runs on is stopped: SIGTERM and Ctrl-C, in order the first time, at once the second."""

from __future__ import annotations

import select
import signal
import socket
import threading
from contextlib import suppress
from types import FrameType
from typing import Any


class Wake(threading.Event):
    """What the worker waits for: a byte that Python's own handler writes as soon as a signal arrives.

    A function that handles a signal is called only between two steps of the main thread: one that has just begun
    to wait for a lock would first wait to the end. See ``signal.set_wakeup_fd``.
    """

    def __enter__(self) -> None:
        self._receiver, self.sender = socket.socketpair()
        self._receiver.setblocking(False)
        self.sender.setblocking(False)

    def __exit__(self, *_exception: object) -> None:
        self._receiver.close()
        self.sender.close()

    def wait(self, timeout: float | None = None) -> bool:
        return bool(select.select([self._receiver], [], [], timeout)[0])

    def clear(self) -> None:
        with suppress(BlockingIOError):
            self._receiver.recv(1024)


class Stopping:
    """While it lasts, SIGTERM and Ctrl-C end the work in order; a second one ends it at once.

    In another thread than the main one (a scheduler's) signals cannot be handled, and are left to whoever runs it.
    """

    def __init__(self, stop: threading.Event, wake: Wake) -> None:
        self._stop_event = stop
        self._wake = wake
        self._before: dict[int, Any] = {}
        self._before_fd: int | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self._before_fd = signal.set_wakeup_fd(self._wake.sender.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._stop)

    def __exit__(self, *_exception: object) -> None:
        self._restore()
        if self._before_fd is not None:
            signal.set_wakeup_fd(self._before_fd)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._restore()
        self._stop_event.set()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
