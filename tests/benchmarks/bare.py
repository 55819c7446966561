"""The peer without a database: threads that share a queue of payloads, each with a ``requests`` session of its own."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import Any

import requests

Payload = dict[str, Any]


def new_session() -> requests.Session:
    """Return a session in its fast form: it does not look for proxies and ``.netrc`` at every request."""
    session = requests.Session()
    session.trust_env = False
    return session


def post(session: requests.Session, url: str, payload: Payload) -> None:
    """Send one lead the short way."""
    headers = {"X-API-KEY": "test-key", "Idempotency-Key": payload["custom"]["submission_id"]}
    session.post(f"{url}/leads", json=payload, headers=headers, timeout=10).raise_for_status()


def send_all(url: str, payloads: list[Payload], *, senders: int) -> None:
    """Send ``payloads`` from ``senders`` threads."""
    todo: SimpleQueue[Payload] = SimpleQueue()
    for payload in payloads:
        todo.put(payload)

    def work() -> None:
        with new_session() as session:
            while True:
                try:
                    payload = todo.get_nowait()
                except Empty:
                    return
                post(session, url, payload)

    threads = [threading.Thread(target=work) for _sender in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
