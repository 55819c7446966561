"""How many events an address may send: counted by the minute in Django's default cache, under a keyed hash.

Where that holds a few hundred entries of the whole site (see :data:`SMALL`), they are counted beside it, in this
process: visitors must not drive out what the site keeps there, its sessions for one.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from ipaddress import IPv6Network

from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.utils.crypto import salted_hmac

from ..conf import conf
from ..exceptions import describe
from .visitors import Address

logger = logging.getLogger("django_octanist")

WINDOW = 60
"""Seconds."""
MOST_COUNTED = 10_000
"""Addresses that a process counts in its own memory; the oldest goes first."""
SMALL = (LocMemCache, BaseDatabaseCache, FileBasedCache)
"""Caches that throw out entries of the site from the 300th on, unless ``MAX_ENTRIES`` says otherwise."""


class _Counts:
    """How many events of whom, in this process and minute."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.minute = 0
        self.kept: OrderedDict[str, int] = OrderedDict()

    def add(self, key: str, *, minute: int) -> int:
        """Count one more of ``key`` in ``minute``, and return how many that makes."""
        with self.lock:
            if minute != self.minute:
                self.minute = minute
                self.kept.clear()
            self.kept[key] = self.kept.get(key, 0) + 1
            if len(self.kept) > MOST_COUNTED:
                self.kept.popitem(last=False)
            return self.kept[key]


_counts = _Counts()


def admits(address: Address | None) -> bool:
    """Count an event of ``address`` and return whether it is within ``OCTANIST_EVENTS_PER_MINUTE``.

    An IPv6 address counts with its /64, which is one household's. A cache that does not answer limits nobody.
    """
    minute = int(time.time() // WINDOW)
    try:
        return _counted(f"octanist.events.{_hashed(address)}.{minute}", minute=minute) <= conf.events_per_minute
    except ValueError:
        return True  # no longer there, or never kept: nothing to count with
    except Exception as error:  # noqa: BLE001 - whatever the site's cache raises, its pages go on
        logger.error("Octanist: the cache does not count the pixel's events: %s", describe(error))
        return True


def _counted(key: str, *, minute: int) -> int:
    cache = caches[DEFAULT_CACHE_ALIAS]
    if isinstance(cache, SMALL):
        return _counts.add(key, minute=minute)
    cache.add(key, 0, timeout=2 * WINDOW)
    return int(cache.incr(key))


def _hashed(address: Address | None) -> str:
    whose = IPv6Network((address, 64), strict=False) if address is not None and address.version == 6 else address
    return salted_hmac("django_octanist.proxy", str(whose), algorithm="sha256").hexdigest()


def forget() -> None:
    """Begin to count anew. For tests, and after a fork: the parent's lock may be held."""
    global _counts
    _counts = _Counts()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)
