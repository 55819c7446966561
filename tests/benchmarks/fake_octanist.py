"""An Octanist that costs next to nothing, in a process of its own: it answers after a fixed time.

``python -m tests.benchmarks.fake_octanist`` prints its port. ``GET /stats`` says how many leads it created, and the
seconds from the first request's arrival to the last answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple
from urllib.request import urlopen

SLOW_SECONDS = 2.0
SEED = 4
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CREATED = (
    '{"success": true, "data": {"id": "lead_%d", "message": "Lead added"},'
    ' "meta": {"requestId": "req_%d", "timestamp": "2026-03-10T12:00:00.000Z"}}'
)


class Stats(NamedTuple):
    """What the server saw."""

    created: int
    seconds: float


class State:
    """What all connections share."""

    def __init__(self, *, latency: float, slow: frozenset[int]) -> None:
        self.latency = latency
        self.slow = slow
        self.created = 0
        self.first = self.last = 0.0

    def arrived(self) -> int:
        if not self.created:
            self.first = perf_counter()
        self.created += 1
        return self.created

    def stats(self) -> Stats:
        return Stats(self.created, self.last - self.first)


class Connection(asyncio.Protocol):
    """One connection: requests one after the other, each answered after the latency."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.loop = asyncio.get_running_loop()
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        found = CONTENT_LENGTH.search(head)
        if len(rest) < (int(found[1]) if found else 0):
            return
        # Clients wait for the answer: nothing follows the body.
        self.received = b""
        if head.startswith(b"GET"):
            self.transport.write(response(200, json.dumps(self.state.stats()._asdict())))
        else:
            self.create()

    def create(self) -> None:
        number = self.state.arrived()
        seconds = SLOW_SECONDS if number in self.state.slow else self.state.latency
        answer = response(201, CREATED % (number, number))
        if seconds:
            self.loop.call_later(seconds, self.answer, answer)
        else:
            self.answer(answer)

    def answer(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.state.last = perf_counter()


def response(status: int, body: str) -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def slow_ones(leads: int) -> frozenset[int]:
    """Return which one in a hundred of ``leads`` is answered late: always the same, and none in the last third.

    There its two seconds would be the end of the run, when nobody has anything else to do.
    """
    return frozenset(random.Random(SEED).sample(range(1, leads * 2 // 3), leads // 100)) if leads else frozenset()


async def serve(state: State) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(state), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def fake_octanist(*, latency: float = 0.0, slow_among: int = 0) -> Iterator[str]:
    """Run it and yield its URL. ``latency`` is in seconds; 1 % of ``slow_among`` answers take two."""
    options = ["--latency", str(latency), "--slow-among", str(slow_among)]
    command = [sys.executable, "-m", __name__, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def stats(url: str) -> Stats:
    """Return what the server at ``url`` saw so far."""
    with urlopen(f"{url}/stats", timeout=10) as answer:
        return Stats(**json.load(answer))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--slow-among", type=int, default=0)
    options = parser.parse_args()
    asyncio.run(serve(State(latency=options.latency, slow=slow_ones(options.slow_among))))


if __name__ == "__main__":
    main()
