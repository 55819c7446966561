"""The peer on Celery with Redis: a task per lead, without results. It carries the payload, and notes nothing."""

from __future__ import annotations

import os
from threading import local

import redis
from celery import Celery

from .bare import Payload, new_session, post

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
# Of the benchmark's first process, for all that it starts.
PREFIX = os.environ.setdefault("OCTANIST_BENCHMARK_PREFIX", f"octanist-benchmark-{os.getpid()}:")

app = Celery("octanist-benchmark", broker=REDIS_URL)
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"global_keyprefix": PREFIX},
    task_ignore_result=True,
)


class _Local(local):
    def __init__(self) -> None:
        self.session = new_session()


_local = _Local()


@app.task
def send_lead(payload: Payload) -> None:
    """Send one lead."""
    post(_local.session, os.environ["OCTANIST_API_URL"], payload)


def forget() -> None:
    """Remove what this benchmark has in Redis."""
    with redis.Redis.from_url(REDIS_URL) as client:
        for key in client.scan_iter(f"{PREFIX}*"):
            client.delete(key)


def is_available() -> bool:
    """Return whether Redis answers."""
    try:
        with redis.Redis.from_url(REDIS_URL, socket_timeout=5, socket_connect_timeout=5) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
