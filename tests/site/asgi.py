"""An ASGI site of two views that say, several times, whose request they think they answer."""

from __future__ import annotations

import asyncio
import threading

from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path


def _seen() -> str:
    # Imported here: the applications are set up below.
    from django_octanist.attribution import current_visit

    visit = current_visit()
    return visit.attribution.get("gclid", "") if visit is not None else "none"


async def asynchronous(request: HttpRequest) -> HttpResponse:
    seen = []
    for _turn in range(4):
        await asyncio.sleep(0.001)
        seen.append(_seen())
    return HttpResponse(",".join(seen))


def synchronous(request: HttpRequest) -> HttpResponse:
    seen = []
    for _turn in range(4):
        threading.Event().wait(0.001)
        seen.append(_seen())
    return HttpResponse(",".join(seen))


urlpatterns = [path("async/", asynchronous), path("sync/", synchronous)]

application = get_asgi_application()
