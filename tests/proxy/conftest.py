from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache

from django_octanist import exchanges
from django_octanist.proxy import limits, script, upstream, visitors

from ..loopback import Loopback, Script
from . import servers


@pytest.fixture(autouse=True)
def _own_process(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test is as a process that has just begun, of a site that serves the pixel."""
    settings.ROOT_URLCONF = "tests.proxy.urls"
    settings.OCTANIST_PIXEL_ID = "OCT-1A2B3C4D"
    settings.OCTANIST_PIXEL_URL = "http://127.0.0.1:9/p"
    monkeypatch.setattr(visitors, "_unknown_proxy_told", False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    _forget()
    yield
    script.finish(20)
    _forget()


def _forget() -> None:
    script.forget()
    upstream.forget()
    limits.forget()
    exchanges.close()
    cache.clear()


@pytest.fixture
def serve(settings: Any) -> Iterator[Callable[..., Loopback]]:
    """Run a server that the settings point at; by default one that answers as Octanist does."""
    running: list[Loopback] = []

    def serve(answer: Script = servers.octanist()) -> Loopback:  # noqa: B008
        server = Loopback(answer).__enter__()
        running.append(server)
        settings.OCTANIST_PIXEL_URL = f"{server.url}/p"
        return server

    yield serve
    exchanges.close()
    for server in running:
        server.__exit__(None, None, None)
