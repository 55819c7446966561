"""Sync calls from async code: Django's database refuses to work where an event loop runs."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

logger = logging.getLogger("django_octanist")

_T = TypeVar("_T")

_told = False


def is_in_a_loop() -> bool:
    """Whether this thread runs an event loop, and Django would refuse to use the database in it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    # As django.utils.asyncio.async_unsafe reads it.
    return not os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")


def off_the_loop(work: Callable[[], _T]) -> _T:
    """Do ``work`` in a thread of its own, with this one's context, and wait for it. The log says so once."""
    global _told
    if not _told:
        _told = True
        logger.warning(
            "Octanist: capture_lead() was called in async code, where every other visitor waits for the database"
            " meanwhile: use await acapture_lead(…)."
        )
    context = contextvars.copy_context()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="octanist-capture") as executor:
        return executor.submit(context.run, _with_own_connections, work).result()


async def shielded(work: Callable[[], _T]) -> _T:
    """Do ``work`` in the thread for sync code. Where the caller is cancelled meanwhile, it is done before it ends."""
    task = asyncio.ensure_future(sync_to_async(work)())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _with_own_connections(work: Callable[[], _T]) -> _T:
    try:
        return work()
    finally:
        connections.close_all()
