"""``OctanistMiddleware``: leaves the visit at ``request.octanist`` and, for code without a request, in the context.

Sync and async.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponseBase

from . import dispatch
from .attribution import Visit, memory
from .attribution.visit import enter, leave
from .capture import release, shielded
from .exceptions import describe

logger = logging.getLogger("django_octanist")


class OctanistMiddleware:
    """Sets ``request.octanist``, which reads the request only when asked, and remembers a campaign that arrives."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._pid = 0
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self.__acall__(request)
        visit = self._begin(request)
        token = enter(visit)
        try:
            response: HttpResponseBase = self.get_response(request)
        finally:
            leave(token)
            release(visit)
        if memory.is_concerned(request):
            _update(visit, request, response)
        return response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        visit = self._begin(request)
        token, ended = enter(visit), True
        try:
            response: HttpResponseBase = await self.get_response(request)
        except asyncio.CancelledError:
            # The visitor went away; a sync view goes on in its thread.
            ended = False
            raise
        finally:
            leave(token, ended=ended)
            if visit.rows:
                await shielded(partial(release, visit))
            release(visit)
        if memory.is_concerned(request):
            # A reader of consent may use the database.
            await sync_to_async(_update)(visit, request, response)
        return response

    def _begin(self, request: HttpRequest) -> Visit:
        visit = request.octanist = Visit(request)  # type: ignore[attr-defined]
        visit.rows = []
        if self._pid != os.getpid():
            self._pid = os.getpid()
            dispatch.first_request()
        return visit


def _update(visit: Visit, request: HttpRequest, response: HttpResponseBase) -> None:
    try:
        memory.update(visit, request, response)
    except Exception as error:  # noqa: BLE001 - a page does not fail for its campaign
        logger.error("Octanist: the campaign could not be remembered: %s", describe(error))
