"""Nothing that goes wrong with an alert reaches what it is about."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from ..exceptions import describe

logger = logging.getLogger("django_octanist")

_P = ParamSpec("_P")


def never_raises(function: Callable[_P, None]) -> Callable[_P, None]:
    """Have ``function`` log what it would raise."""

    @wraps(function)
    def guarded(*arguments: _P.args, **named: _P.kwargs) -> None:
        try:
            function(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - a form or a delivery goes on
            logger.error("Octanist: the operator could not be alerted: %s", describe(error))

    return guarded
