"""Settings while a visitor waits: a wrong one costs what it decides about, and never the lead."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from ..exceptions import OctanistConfigurationError

logger = logging.getLogger("django_octanist")

_T = TypeVar("_T")


def safely(read: Callable[[], _T], *, otherwise: _T) -> _T:
    """Return what ``read`` returns; ``otherwise``, and a line in the log, where a wrong setting stops it."""
    try:
        return read()
    except OctanistConfigurationError as error:
        logger.error("Octanist: a wrong setting, without which leads are captured meanwhile: %s", error)
        return otherwise
