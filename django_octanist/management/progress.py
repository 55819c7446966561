"""What a command shows of its work: a line a minute, a bar, a file that a container's probe looks at."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from django.core.management.base import OutputWrapper

from ..clock import elapsed
from ..exceptions import describe

logger = logging.getLogger("django_octanist")

LINE_SECONDS = 60.0
BAR_SECONDS = 0.2
HEARTBEAT_SECONDS = 5.0
BAR_WIDTH = 30
"""Characters."""


class _Throttled:
    """Does its work when called, but not more often than every ``seconds``."""

    seconds: float

    def __init__(self) -> None:
        self._last = elapsed()

    def __call__(self) -> None:
        if elapsed() - self._last >= self.seconds:
            self._last = elapsed()
            self.show()

    def show(self) -> None:
        raise NotImplementedError


class Log(_Throttled):
    """One line a minute, where leads were settled in it: how many came to which status since the last line."""

    seconds = LINE_SECONDS

    def __init__(self, counts: Counter[str], output: OutputWrapper) -> None:
        super().__init__()
        self._counts, self._output, self._before = counts, output, Counter(counts)

    def show(self) -> None:
        since = self._counts - self._before
        self._before = Counter(self._counts)
        if since:
            words = ", ".join(f"{number:,} {status}" for status, number in sorted(since.items()))
            self._output.write(f"In the last minute: {words}.")


class Bar(_Throttled):
    """A bar on a terminal: how many of the leads that there were at the start are done."""

    seconds = BAR_SECONDS

    def __init__(self, counts: Counter[str], output: OutputWrapper, *, total: int) -> None:
        super().__init__()
        self._counts, self._output, self._total = counts, output, total

    def finish(self) -> None:
        """Show where it ended, and leave the line."""
        self.show()
        self._output.write("")

    def show(self) -> None:
        settled = sum(self._counts.values())
        # Others may have come meanwhile.
        total = max(self._total, settled, 1)
        filled = BAR_WIDTH * settled // total
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        self._output.write(f"\r[{bar}] {settled:,}/{total:,} ", ending="")
        self._output.flush()


class Heartbeat(_Throttled):
    """Touches ``file``, at once and then at least every 90 seconds while rounds are made.

    Raises ``OSError`` where it cannot be written at the start.
    """

    seconds = HEARTBEAT_SECONDS

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        file.touch()

    def show(self) -> None:
        try:
            self._file.touch()
        except OSError as error:
            # A full disk is no reason to deliver nothing. The probe will see an old file.
            logger.error("Octanist: the heartbeat could not be written: %s", describe(error))
