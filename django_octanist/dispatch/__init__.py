"""Who delivers after a commit: the strategies, a module each with the function ``dispatch(account)``.

A dispatch is a nudge. One that is lost costs a delay, never a lead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.utils.module_loading import import_string

from .. import alerts
from ..conf import conf
from ..exceptions import describe
from . import thread

logger = logging.getLogger("django_octanist")

# By their paths: `tasks` must not be imported where it is not chosen.
STRATEGIES = {name: f"{__name__}.{name}.dispatch" for name in ("thread", "tasks", "inline", "manual")}


def strategy() -> Callable[[str], None]:
    """Return the function that ``OCTANIST_DISPATCH`` names.

    Raises ``ImportError`` where there is none, and whatever a module raises when it is imported.
    """
    name = conf.dispatch
    function: Callable[[str], None] = import_string(STRATEGIES.get(name, name))
    return function


def nudge(account: str) -> None:
    """Say that ``account`` has a lead to deliver. Never raises: the lead is stored, and will be found."""
    name = ""
    try:
        name = conf.dispatch
        strategy()(account)
    except Exception as error:  # noqa: BLE001 - a visitor's request ends here
        logger.error("Octanist: the dispatch %r broke, leads wait: %s", name, describe(error))
    # Where nobody answers the nudges, nobody else would notice.
    alerts.look_apart()


def first_request() -> None:
    """Say that this process serves requests: with ``thread``, it picks up what an earlier process left."""
    try:
        if conf.dispatch == "thread":
            thread.ensure_running()
    except Exception as error:  # noqa: BLE001 - a visitor's request begins here
        logger.error("Octanist: the delivering thread could not be started: %s", describe(error))
