"""Figures, computed at most once a minute and shared through Django's default cache.

Whoever finds them older computes them anew, once, while others get the last ones. Times are the cache's own: clocks of
web servers need not agree. A cache that is broken, or none, costs the computation and nothing else.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from typing import Any, TypeVar

from django.core.cache import DEFAULT_CACHE_ALIAS, cache, caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.db import connections, router, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ..exceptions import describe
from ..models import Lead
from .shapes import AccountFigures, Day, Figures, FormFigures, Span
from .taken import take

logger = logging.getLogger("django_octanist")

_T = TypeVar("_T")

FRESH_SECONDS = 60
"""Nobody computes figures again within it."""
COMPUTING_SECONDS = 120
"""How long the last figures are good enough while somebody computes new ones. A process may be killed at it."""
KEPT_SECONDS = 3600
"""After which the last figures are too old for anybody."""

_SHAPE = repr(
    [(field.name, field.type) for kind in (Figures, AccountFigures, FormFigures, Day, Span) for field in fields(kind)]
)
"""Another version of this app keeps figures of another shape, maybe in the same cache at the same time."""


def read(*, fresh: bool = False) -> Figures:
    """Return the figures: computed now, or the last ones where they are at most a minute old or are being computed.

    ``fresh``: compute them whatever there is. ``taken_at`` says of when they are. Raises ``django.db.Error`` where
    the database does not answer, and nothing because of the cache.
    """
    name = _name()
    generation, kept = _kept(name)
    if kept is not None and not fresh and not _is_my_turn(name):
        return kept
    return _computed(name, generation=generation)


def forget() -> None:
    """Have the next ``read`` compute them anew, for everybody: an operator acted.

    Inside a transaction also after its commit, before which others cannot see what the operator did.
    """
    _forget()
    using = router.db_for_write(Lead)
    if connections[using].in_atomic_block:
        transaction.on_commit(_forget, using=using)


def _forget() -> None:
    # Not deleted: whoever is computing them at this moment must not put back what they saw before.
    _tried(lambda: cache.set(_GENERATION, uuid.uuid4().hex, 2 * KEPT_SECONDS), otherwise=None)


_GENERATION = "octanist:figures:generation"


def _name() -> str:
    """The key: of this site, database and version, and of the time zone that days are meant in."""
    database = connections[router.db_for_read(Lead)].settings_dict["NAME"]
    parts = (str(database), timezone.get_current_timezone_name(), _SHAPE)
    return f"octanist:figures:{salted_hmac(__name__, repr(parts), algorithm='sha256').hexdigest()}"


def _kept(name: str) -> tuple[Any, Figures | None]:
    found: dict[str, Any] = _tried(lambda: cache.get_many([_GENERATION, name]), otherwise={})
    generation = found.get(_GENERATION)
    match found.get(name):
        case (made, Figures() as figures) if made == generation:
            return generation, figures
    return generation, None


def _is_my_turn(name: str) -> bool:
    return _tried(lambda: cache.add(_turn(name), 1, COMPUTING_SECONDS), otherwise=True)


def _turn(name: str) -> str:
    return f"{name}:turn"


def _computed(name: str, *, generation: Any) -> Figures:
    try:
        figures = take()
    except BaseException:
        _tried(lambda: cache.delete(_turn(name)), otherwise=False)
        raise
    _tried(lambda: cache.set(name, (generation, figures), KEPT_SECONDS), otherwise=None)
    _tried(lambda: cache.set(_turn(name), 1, FRESH_SECONDS), otherwise=None)
    return figures


def _tried(work: Callable[[], _T], *, otherwise: _T) -> _T:
    try:
        with _apart():
            return work()
    except Exception as error:  # noqa: BLE001 - whatever a cache raises, or what it cannot unpickle
        logger.warning("Octanist: the cache does not work, so that figures are computed anew: %s", describe(error))
        return otherwise


def _apart() -> AbstractContextManager[Any]:
    """A savepoint, where the cache is a table: one that is missing must not break the transaction around this."""
    backend = caches[DEFAULT_CACHE_ALIAS]
    if isinstance(backend, BaseDatabaseCache):
        return transaction.atomic(using=router.db_for_write(backend.cache_model_class))
    return nullcontext()
