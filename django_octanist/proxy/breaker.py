"""When an upstream that fails is left alone for a while. Pure: times are of whatever clock the caller has."""

from __future__ import annotations

from dataclasses import dataclass, replace

FAILURES = 3
"""In a row, after which it rests."""
REST_SECONDS = 30.0
"""After which one request probes whether it works again."""


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """How an upstream did lately."""

    failures: int = 0
    rests_until: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it failed so often that it is left alone, but for probes."""
        return self.failures >= FAILURES

    def lets_through(self, *, now: float) -> bool:
        """Whether a request may go."""
        return not self.is_open or now >= self.rests_until

    def begun(self, *, now: float) -> Breaker:
        """Return what holds once a request goes: where it is a probe, no other goes beside it."""
        return replace(self, rests_until=now + REST_SECONDS) if self.is_open else self

    def succeeded(self) -> Breaker:
        """Return what holds after an answer."""
        return Breaker()

    def failed(self, *, now: float) -> Breaker:
        """Return what holds after a failure."""
        return Breaker(failures=self.failures + 1, rests_until=now + REST_SECONDS)
