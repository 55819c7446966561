"""Asking the readers that ``OCTANIST_CONSENT_READERS`` names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache

from django.http import HttpRequest
from django.utils.module_loading import import_string

from ..conf import CONSENT_READERS, conf
from ..exceptions import describe
from ..transactions import savepoints
from .words import Consent

logger = logging.getLogger("django_octanist")

Reader = Callable[[HttpRequest], Consent | None]

load: Callable[[str], Reader] = cache(import_string)
"""Return the reader at a dotted path. Raises ``ImportError`` where there is none."""


def read_stored(request: HttpRequest) -> tuple[Consent, str]:
    """Return the consent of the first reader that knows something, and the reader's name.

    Readers are not mixed: what one platform leaves open, a stale cookie of another must not grant. Where readers find
    their cookie and learn nothing from it, the source says so.
    """
    silent = ""
    for path in conf.consent_readers:
        name = path.rpartition(".")[2]
        found = _ask(path, request)
        if found is not None and found.known:
            return found, name
        if found is not None:
            silent = silent or f"{name}: nothing known"
    return Consent(), silent


def _ask(path: str, request: HttpRequest) -> Consent | None:
    try:
        # The built-in ones read cookies, and guard the one query that they make.
        with nullcontext() if path in CONSENT_READERS else savepoints():
            found: object = load(path)(request)
    except Exception as error:  # noqa: BLE001 - a reader may be the site's own, and no request fails for it
        logger.error("Octanist: the consent reader %s broke: %s", path, describe(error))
        return None
    if found is None or isinstance(found, Consent):
        return found
    logger.error("Octanist: the consent reader %s returned %s, not a Consent.", path, type(found).__name__)
    return None
