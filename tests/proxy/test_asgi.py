"""The same views over ASGI, served by uvicorn: what waits for Octanist holds up nobody."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from django_octanist.proxy import upstream

from ..loopback import Connection, Loopback, respond
from .servers import SCRIPT, TYPE

ROOT = Path(__file__).parent.parent.parent
EVENT = b'{"mid": "OCT-1A2B3C4D"}'


@contextmanager
def site(pixel_url: str) -> Iterator[str]:
    """One uvicorn process, on a free port."""
    pytest.importorskip("uvicorn", reason="uvicorn is not installed: nothing serves ASGI here")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        command = [sys.executable, "-m", "uvicorn", "tests.proxy.asgi:application", "--fd", str(listener.fileno())]
        own = {"DJANGO_SETTINGS_MODULE": "tests.proxy.asgi_settings", "PIXEL_URL": pixel_url, "EVENT_SECONDS": "30"}
        server = subprocess.Popen(
            [*command, "--log-level", "error", "--lifespan", "off"],
            cwd=ROOT,
            env={**os.environ, **own},
            pass_fds=[listener.fileno()],
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.terminate()
            server.wait(30)


def test_the_event_loop_goes_on_while_events_wait() -> None:
    go_on, arrived, fetched = threading.Event(), threading.Semaphore(0), threading.Event()

    def octanist(connection: Connection) -> None:
        while (request := connection.read_request()) is not None:
            if request.line.startswith("GET"):
                connection.send(respond(200, SCRIPT, TYPE))
                fetched.set()
                continue
            arrived.release()
            go_on.wait(25)
            connection.send(respond(204, b"", {"Set-Cookie": "octa_cid=c-1"}))

    with Loopback(octanist) as server, site(f"{server.url}/p") as url, ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(requests.post, f"{url}/oct/e", EVENT, timeout=60) for _ in range(upstream.MOST_AT_ONCE)]
        assert all(arrived.acquire(timeout=25) for _event in waiting)
        assert requests.get(f"{url}/quick/", timeout=20).text == "quick"
        assert requests.get(f"{url}/", timeout=20).status_code == 200
        assert requests.get(f"{url}/oct/p", timeout=20).status_code == 200
        assert requests.post(f"{url}/oct/e", EVENT, timeout=20).status_code == 204
        assert not any(event.done() for event in waiting)
        go_on.set()
        answers = [event.result() for event in waiting]
        assert {(answer.status_code, answer.cookies.get("octa_cid")) for answer in answers} == {(204, "c-1")}
        assert fetched.wait(20)


def test_a_body_that_does_not_say_its_length() -> None:
    """Over ASGI a request may come in chunks."""
    bodies: list[bytes] = []

    def octanist(connection: Connection) -> None:
        while (request := connection.read_request()) is not None:
            bodies.append(request.body)
            connection.send(respond(204, b""))

    with Loopback(octanist) as server, site(f"{server.url}/p") as url:
        pieces = [EVENT[:5], EVENT[5:]]
        assert requests.post(f"{url}/oct/e", data=iter(pieces), timeout=20).status_code == 204
        large = (b"x" * 1024 for _piece in range(65))
        assert requests.post(f"{url}/oct/e", data=large, timeout=20).status_code == 413
    assert bodies == [EVENT]
