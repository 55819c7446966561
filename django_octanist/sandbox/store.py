"""What the sandbox knows: its key, the leads and requests that arrived, and the failures that were asked for.

Requests are answered by many threads; one lock guards it all. Everything is bounded, oldest first out.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from .contract import AcceptedLead

MAX_LEADS = 10_000
MAX_EXCHANGES = 1_000
MAX_EVENTS = 1_000


def now() -> datetime:
    """Return the time, in UTC and aware."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True, kw_only=True)
class ReceivedLead(AcceptedLead):
    """A lead that was created: ``id`` as Octanist names it (``lead_…``), ``received_at`` in UTC."""

    id: str
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class ReceivedEvent:
    """An event of the pixel's: the JSON object as it came, with the request's ``headers`` (lower-case names).

    ``id`` is the sandbox's own (``event_…``).
    """

    data: dict[str, Any]
    headers: dict[str, str]
    at: datetime = field(default_factory=now)
    id: str = field(default_factory=lambda: f"event_{secrets.token_hex(6)}")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request that the API answered, or refused.

    ``query`` is the raw query string; ``headers`` have lower-case names, and the API key's value is left out;
    ``status`` is 0 where the connection was closed without an answer; ``code`` and ``reason`` are those of a
    failure, ``""`` otherwise.
    """

    method: str
    path: str
    query: str
    status: int
    headers: dict[str, str]
    body: bytes
    code: str = ""
    reason: str = ""
    at: datetime = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An answer asked for in advance, for the next ``times`` leads.

    ``status`` 0 closes the connection without an answer. ``create``: the lead is created all the same, so that
    only its answer is lost.
    """

    status: int = 500
    times: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    create: bool = False

    def __post_init__(self) -> None:
        if self.status != 0 and not 200 <= self.status <= 599:
            raise ValueError("status must be an HTTP status from 200 to 599, or 0 to close without an answer.")
        if not 1 <= self.times <= 1_000_000:
            raise ValueError("times must be a number from 1 to 1,000,000.")


class Store:
    """Holds what the sandbox knows. Every method may be called from any thread."""

    def __init__(self, *, api_key: str) -> None:
        self._lock = threading.Lock()
        self._boot = secrets.token_hex(4)
        self._changes = 0
        self._api_key = api_key
        self._reset()

    def _reset(self) -> None:
        self._leads: deque[ReceivedLead] = deque(maxlen=MAX_LEADS)
        self._exchanges: deque[Exchange] = deque(maxlen=MAX_EXCHANGES)
        self._events: deque[ReceivedEvent] = deque(maxlen=MAX_EVENTS)
        self._event_count = 0
        self._faults: deque[Fault] = deque()
        self._seen: set[str] = set()

    @property
    def version(self) -> str:
        """What changes with every change, and with the process: fit for an ``ETag``."""
        with self._lock:
            return f"{self._boot}-{self._changes}"

    @property
    def api_key(self) -> str:
        """The key that is accepted."""
        with self._lock:
            return self._api_key

    @api_key.setter
    def api_key(self, value: str) -> None:
        with self._lock:
            self._changes += 1
            self._api_key = value

    @property
    def leads(self) -> tuple[ReceivedLead, ...]:
        """The leads created, oldest first; at most the last :data:`MAX_LEADS`."""
        with self._lock:
            return tuple(self._leads)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The requests answered, oldest first; at most the last :data:`MAX_EXCHANGES`."""
        with self._lock:
            return tuple(self._exchanges)

    @property
    def events(self) -> tuple[ReceivedEvent, ...]:
        """The pixel's events, oldest first; at most the last :data:`MAX_EVENTS`."""
        with self._lock:
            return tuple(self._events)

    @property
    def event_count(self) -> int:
        """How many events arrived, those that are no longer kept among them."""
        with self._lock:
            return self._event_count

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The failures still to come, next first."""
        with self._lock:
            return tuple(self._faults)

    def add(self, lead: AcceptedLead) -> ReceivedLead:
        """Create ``lead``: give it an id and keep it."""
        facts: dict[str, Any] = vars(lead)
        received = ReceivedLead(**facts, id=f"lead_{secrets.token_hex(6)}", received_at=now())
        with self._lock:
            self._changes += 1
            self._leads.append(received)
        return received

    def record(self, exchange: Exchange) -> None:
        """Keep ``exchange``."""
        with self._lock:
            self._changes += 1
            self._exchanges.append(exchange)

    def note(self, event: ReceivedEvent) -> None:
        """Keep ``event``."""
        with self._lock:
            self._changes += 1
            self._event_count += 1
            self._events.append(event)

    def plan(self, fault: Fault) -> None:
        """Answer leads with ``fault``, after those planned before."""
        with self._lock:
            self._changes += 1
            self._faults.append(fault)

    def next_fault(self) -> Fault | None:
        """Return the fault for the lead at hand, used up by one, or ``None``."""
        with self._lock:
            if not self._faults:
                return None
            self._changes += 1
            fault = self._faults.popleft()
            if fault.times > 1:
                self._faults.appendleft(replace(fault, times=fault.times - 1))
            return fault

    def is_first(self, email: str) -> bool:
        """Whether ``email`` (in any case) is asked about for the first time."""
        with self._lock:
            first = email.lower() not in self._seen
            self._seen.add(email.lower())
            return first

    def clear(self) -> None:
        """Forget leads, requests, events, failures to come and addresses seen. The key stays."""
        with self._lock:
            self._changes += 1
            self._reset()
