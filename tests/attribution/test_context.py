"""The visit of the request that is being answered, for code that has no request; and never another visitor's."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import resolve

from django_octanist.attribution import current_visit
from django_octanist.capture import capture_lead
from django_octanist.middleware import OctanistMiddleware
from django_octanist.models import Lead
from django_octanist.registry import REGISTRATIONS, register, unregister
from django_octanist.signals import lead_captured
from tests.site.models import Quote

ROOT = Path(__file__).parent.parent.parent


def gclid() -> str:
    visit = current_visit()
    return visit.attribution.get("gclid", "") if visit is not None else "none"


def test_outside_of_a_request_there_is_none() -> None:
    assert current_visit() is None


def test_it_ends_with_the_request_also_when_the_view_fails(rf: RequestFactory) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        assert gclid() == "AbC"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        OctanistMiddleware(view)(rf.get("/?gclid=AbC"))
    assert current_visit() is None


@pytest.mark.django_db
def test_code_without_a_request_captures_with_its_attribution(rf: RequestFactory) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        capture_lead({"email": "jo@example.com"})
        return HttpResponse()

    OctanistMiddleware(view)(rf.post("/?gclid=AbC", {"octa_sid": "session-1", "ad_storage": "granted"}))
    lead = Lead.objects.get()
    assert (lead.attribution["gclid"], lead.session_id, lead.consent["ad_storage"]) == ("AbC", "session-1", True)


@pytest.mark.django_db
def test_a_registered_models_save(rf: RequestFactory) -> None:
    register(Quote, email="email")

    def view(request: HttpRequest) -> HttpResponse:
        Quote.objects.create(full_name="Jo", email="jo@example.com")
        return HttpResponse()

    try:
        OctanistMiddleware(view)(rf.get("/?gclid=AbC"))
    finally:
        unregister(Quote)
    assert not REGISTRATIONS
    assert Lead.objects.get().attribution["gclid"] == "AbC"


def test_threads_do_not_see_each_other(rf: RequestFactory) -> None:
    together = threading.Barrier(8)

    def view(request: HttpRequest) -> HttpResponse:
        together.wait(10)
        seen = gclid()
        together.wait(10)
        return HttpResponse(seen)

    middleware: Any = OctanistMiddleware(view)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: middleware(rf.get(f"/?gclid={n}")).content.decode(), range(8)))
    assert answers == [str(number) for number in range(8)]


def test_tasks_do_not_see_each_other(rf: RequestFactory) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        seen = []
        for _pause in range(5):
            await asyncio.sleep(0)
            seen.append(gclid())
        return HttpResponse(",".join(seen))

    middleware: Any = OctanistMiddleware(view)

    async def serve() -> list[str]:
        responses = await asyncio.gather(*(middleware(rf.get(f"/?gclid={n}")) for n in range(50)))
        return [response.content.decode() for response in responses]

    assert asyncio.run(serve()) == [",".join([str(number)] * 5) for number in range(50)]


def test_a_task_that_outlives_its_request_has_no_visit(rf: RequestFactory) -> None:
    """It would capture the leads of later visitors with the first one's."""
    seen: list[str] = []

    async def serve() -> None:
        ended = asyncio.Event()

        async def job() -> None:
            seen.append(gclid())
            await ended.wait()
            seen.append(gclid())

        jobs = []

        async def view(request: HttpRequest) -> HttpResponse:
            jobs.append(asyncio.create_task(job()))
            await asyncio.sleep(0)
            return HttpResponse()

        middleware: Any = OctanistMiddleware(view)
        await middleware(rf.get("/?gclid=AbC"))
        ended.set()
        await jobs[0]

    asyncio.run(serve())
    assert seen == ["AbC", "none"]


def test_a_view_that_goes_on_in_its_thread_has_its_visit_still(rf: RequestFactory) -> None:
    """Where the visitor goes away, the server cancels what waits for the view, and cannot cancel the view."""
    seen: list[str] = []
    begun, gone = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gone.wait(10)
        seen.append(gclid())

    async def view(request: HttpRequest) -> HttpResponse:
        await asyncio.get_running_loop().run_in_executor(None, copy_context().run, slow)
        return HttpResponse()

    async def serve() -> None:
        middleware: Any = OctanistMiddleware(view)
        answering = asyncio.ensure_future(middleware(rf.get("/?gclid=AbC")))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, 10)
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
        gone.set()

    asyncio.run(serve())
    assert seen == ["AbC"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("user", "gclid"),
    [(User(is_staff=True), None), (None, None), (User(), "AbC"), (AnonymousUser(), "AbC")],
    ids=["staff", "unknown", "a customer", "anonymous"],
)
def test_a_row_that_staff_add_in_the_admin_has_no_visit(rf: RequestFactory, user: Any, gclid: str | None) -> None:
    """A site's own app may be called "admin", too."""
    told = []

    def receiver(*, request: Any, **_more: Any) -> None:
        told.append(request)

    def view(request: HttpRequest) -> HttpResponse:
        request.resolver_match = resolve(request.path)
        if user is not None:
            request.user = user
        Quote.objects.create(full_name="Jo", email="jo@example.com")
        return HttpResponse()

    register(Quote, email="email")
    lead_captured.connect(receiver)
    try:
        OctanistMiddleware(view)(rf.get("/admin/octanist/lead/?gclid=AbC"))
    finally:
        lead_captured.disconnect(receiver)
        unregister(Quote)
    assert Lead.objects.get().attribution.get("gclid") == gclid
    assert told == [None]


@pytest.fixture(scope="module")
def asgi_site() -> Iterator[str]:
    """One uvicorn process that serves ``tests.site.asgi``, on a free port."""
    pytest.importorskip("uvicorn", reason="uvicorn is not installed: nothing serves ASGI here")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        command = [sys.executable, "-m", "uvicorn", "tests.site.asgi:application", "--fd", str(listener.fileno())]
        server = subprocess.Popen(
            [*command, "--log-level", "error", "--lifespan", "off"],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.site.asgi_settings"},
            pass_fds=[listener.fileno()],
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.terminate()
            server.wait(20)


def test_concurrent_visitors_of_one_asgi_server(asgi_site: str) -> None:
    """Async and sync views, 16 visitors at a time, each asking several times within one request."""

    def visit(number: int) -> None:
        kind = random.Random(number).choice(["async", "sync"])
        answer = requests.get(f"{asgi_site}/{kind}/?gclid=G{number}", timeout=30)
        assert set(answer.text.split(",")) == {f"G{number}"}

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(visit, range(300)))
