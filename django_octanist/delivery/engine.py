"""The engine: one thread claims and records, others send and never touch the database.

No transaction is open while HTTP runs, and a slow answer holds up nothing but its own lead: whatever has finished
is written as soon as the recorder is free, and further leads are claimed before the senders run out of them.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from queue import Empty, SimpleQueue
from typing import Literal

from .. import alerts, client
from ..clock import elapsed
from ..conf import conf
from ..exceptions import describe
from ..models import DeliveryAttempt, Lead
from .claims import Claim
from .decisions import OUTAGE_OUTCOMES, OUTAGE_STREAK, PAUSING, Attempt, Outcome, Result
from .due import claim_for
from .records import Finished, record
from .sending import send

logger = logging.getLogger("django_octanist")

LEADS_PER_SENDER = 4
"""Leads claimed at once for each sender: enough to keep it busy, few enough for short leases."""
LOOK_SECONDS = 1.0
"""While something is being sent, how often to look for leads that have become due meanwhile."""
DRY_SECONDS = 0.1
"""After a claim that found no more, how long not to ask again while something is still being sent."""


class Engine(AbstractContextManager["Engine"]):
    """Delivers what is due, with ``senders`` threads of its own (0: in the calling thread).

    ``stop`` may be set from another thread or a signal handler: requests in flight are finished, the rest given back.
    ``beat`` is called in every round. ``counts`` says how many leads came to which status. Close it, or use it as a
    context manager. ``under_way`` is the number of leads that were claimed and are not settled.
    """

    def __init__(
        self, *, senders: int, stop: threading.Event | None = None, beat: Callable[[], None] = lambda: None
    ) -> None:
        self.senders = senders
        self.stop = stop or threading.Event()
        self.counts: Counter[str] = Counter()
        self.beat = beat
        self._todo: SimpleQueue[Claim | None] = SimpleQueue()
        self._done: SimpleQueue[Finished | None] = SimpleQueue()
        self._unwritten: list[Finished] = []
        self._threads: list[threading.Thread] = []
        self.under_way = 0
        self._turn = 0
        self._dry_until = 0.0
        # Accounts whose leads go back unsent: the answer to one of them concerned them all.
        self._halted: set[str] = set()
        # Failures in a row by account. Senders may miscount by a few: what counts is what is written.
        self._streaks: Counter[str] = Counter()
        self._in_hand: Counter[str] = Counter()

    @property
    def delivered(self) -> int:
        """How many leads were delivered."""
        return self.counts[Lead.Status.DELIVERED]

    def __exit__(self, *_exception: object) -> Literal[False]:
        self.close()
        return False

    def close(self) -> None:
        """End the sender threads and close their connections; what they have not begun is not sent any more."""
        if self.under_way:
            self.stop.set()
        for _thread in self._threads:
            self._todo.put(None)
        self._threads.clear()
        # Those of the calling thread, where it sent.
        client.close()

    def nudge(self) -> None:
        """Say, from any thread, that something is due: it is claimed now, although others are still being sent."""
        if self.under_way:
            self._dry_until = 0.0
            self._done.put(None)

    def drain(self, account: str | None = None, *, at_most: int | None = None) -> int:
        """Deliver what is due, of ``account`` or of all accounts that have a key. Return how many leads were settled.

        Ends when nothing is due and nothing in flight; with ``at_most`` no more than so many leads are taken.
        Raises ``DatabaseError`` where the database fails; what has finished is kept, and written by the next call.
        """
        settled, left = 0, at_most
        while True:
            try:
                settled += self._record_finished()
            finally:
                # Also while the database is away: whoever watches must not end what holds results.
                self.beat()
            taken = self._claim_enough(account, at_most=left)
            left = None if left is None else left - taken
            # Whoever delivers tells what is due to be told.
            alerts.look()
            if not self.under_way:
                return settled
            self._await_result()

    # Claiming

    def _claim_enough(self, account: str | None, *, at_most: int | None) -> int:
        """Claim where fewer leads than ``senders`` and a batch wait: enough for the time that a claim takes.

        Several batches where they are smaller than ``senders``, and no more at once, however fast those are: what has
        finished is written in between.
        """
        size, taken = batch_size(self.senders), 0
        while taken < max(self.senders, 1):
            limit = size if at_most is None else min(size, at_most - taken)
            enough = not limit or self._todo.qsize() >= self.senders + size
            if enough or self.stop.is_set() or not self._may_ask():
                break
            found = self._claim_some(account, limit=limit)
            taken += found
            if found < limit:
                self._dry_until = elapsed() + DRY_SECONDS
            if not found:
                break
        return taken

    def _may_ask(self) -> bool:
        return not self.under_way or elapsed() >= self._dry_until

    def _claim_some(self, account: str | None, *, limit: int) -> int:
        taken = 0
        for name in [account] if account else self._accounts():
            if limit > taken and conf.api_key(name) and self._may_claim(name):
                items = claim_for(name, limit=limit - taken, senders=self.senders)
                for item in items:
                    self._put(item)
                taken += len(items)
        return taken

    def _may_claim(self, account: str) -> bool:
        """Not while what halted ``account`` may be unwritten. Once it is, the database says whether it is paused."""
        if account in self._halted and self._in_hand[account]:
            return False
        self._halted.discard(account)
        return True

    def _accounts(self) -> list[str]:
        """The accounts, each time another one first: a long queue of one must not hold up the others."""
        names = list(conf.accounts)
        self._turn += 1
        start = self._turn % len(names) if names else 0
        return names[start:] + names[:start]

    def _put(self, item: Claim) -> None:
        self.under_way += 1
        self._in_hand[item.lead.account] += 1
        self._todo.put(item)
        if len(self._threads) < min(self.senders, self.under_way):
            self._start_sender()

    # Sending

    def _start_sender(self) -> None:
        thread = threading.Thread(target=self._send_all, name=f"octanist-sender-{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # No more threads, or the interpreter is ending. Those that run do it all; without any, this one does.
            logger.debug("Octanist: no further sender: %s", error)
            return
        self._threads.append(thread)

    def _send_all(self) -> None:
        while (item := self._todo.get()) is not None:
            self._done.put(self._finish(item))
        client.close()

    def _finish(self, item: Claim) -> Finished:
        account = item.lead.account

        def may_begin() -> bool:
            # What was not begun when the end came, or the account's pause, goes back as it is.
            return not self.stop.is_set() and (item.probe or account not in self._halted)

        result = guarded_send(item, may_begin=may_begin)
        if result.attempts:
            self._follow(account, result.attempts[-1].outcome)
        return Finished(item, result)

    def _follow(self, account: str, outcome: DeliveryAttempt.Outcome) -> None:
        """Halt ``account`` where it is going to be paused, before that is written: no more leads should meet it."""
        self._streaks[account] = self._streaks[account] + 1 if outcome in OUTAGE_OUTCOMES else 0
        if outcome in PAUSING or self._streaks[account] >= OUTAGE_STREAK:
            self._streaks[account] = 0
            self._halted.add(account)

    # Recording

    def _await_result(self) -> None:
        """Wait for a result or a nudge, in bounds: something may become due meanwhile."""
        if self._unwritten:
            return
        item: Finished | None = None
        if self._threads:
            with suppress(Empty):
                item = self._done.get(timeout=LOOK_SECONDS)
        else:
            claim = self._todo.get()
            assert claim is not None  # noqa: S101 - None ends threads, and there are none
            item = self._finish(claim)
        if item is not None:
            self._unwritten.append(item)

    def _give_back(self) -> None:
        """Take what waits for a sender, each of which may be busy for long, off its queue, to be written as unsent."""
        with suppress(Empty):
            while (item := self._todo.get_nowait()) is not None:
                self._unwritten.append(Finished(item, Result()))

    def _record_finished(self) -> int:
        """Write whatever has finished. What the database does not take now is kept."""
        if self.stop.is_set():
            self._give_back()
        while not self._done.empty():
            item = self._done.get()
            if item is not None:
                self._unwritten.append(item)
        if not self._unwritten:
            return 0
        self._halted |= record(self._unwritten)
        finished, self._unwritten = self._unwritten, []
        self.under_way -= len(finished)
        for claim, result in finished:
            self._in_hand[claim.lead.account] -= 1
            if result.attempts or result.held:
                self.counts[claim.lead.status] += 1
        return len(finished)


def batch_size(senders: int) -> int:
    """Return how many leads ``senders`` claim at once."""
    return min(conf.batch_size, LEADS_PER_SENDER * max(senders, 1))


def guarded_send(item: Claim, *, may_begin: Callable[[], bool]) -> Result:
    """Send; turn an error of our own into an uncertain attempt, so that no thread dies and no lead is lost."""
    try:
        return send(item, may_begin=may_begin)
    except Exception as error:  # noqa: BLE001 - see above
        logger.error("Octanist: sending %s broke: %s", item.lead, describe(error))
        attempt = Attempt(
            started_at=item.now(), duration_ms=0, outcome=Outcome.UNCERTAIN, error=f"{type(error).__name__}"
        )
        return Result(attempts=(attempt,))


def drain(account: str | None = None, *, at_most: int | None = None) -> int:
    """Deliver what is due now, in the calling thread. Return how many leads were settled."""
    with Engine(senders=0) as engine:
        return engine.drain(account, at_most=at_most)
