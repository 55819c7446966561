"""Where a mail leads to in the admin.

A worker serves no request that would say the site's address, and ``django.contrib.sites`` knows neither the scheme nor
the admin's own host, and says example.com where nobody changed it: ``OCTANIST_ADMIN_URL`` says it.
"""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from ..conf import conf
from ..exceptions import OctanistConfigurationError, describe

logger = logging.getLogger("django_octanist")


def to_lead(key: int) -> str:
    """Return the URL of the page of the lead ``key``; like all here the path alone without ``OCTANIST_ADMIN_URL``."""
    return _whole(_path("octanist_lead_change", key))


def to_leads(*, status: str, account: str) -> str:
    """Return the URL of the list with the leads of ``status`` and ``account``."""
    path = _path("octanist_lead_changelist")
    return _whole(path and f"{path}?{urlencode({'status__exact': status, 'account__exact': account})}")


def to_overview() -> str:
    """Return the URL of the page that shows how each account does, else of the list."""
    return _whole(_path("octanist_lead_overview") or _path("octanist_lead_changelist"))


def _whole(path: str) -> str:
    try:
        base = conf.admin_url
    except OctanistConfigurationError as error:
        logger.error("Octanist: an alert goes with a path alone: %s", error)
        return path
    # Where the admin is here may be another path than where people come in: a proxy's prefix, another URLconf.
    return base + path.removeprefix(_path("index")) if base else path


def _path(name: str, *arguments: int) -> str:
    """Return the path of a page of the admin, ``""`` where there is none: no admin, or one of the site's own."""
    try:
        return reverse(f"admin:{name}", args=arguments)
    except NoReverseMatch:
        return ""
    except Exception as error:  # noqa: BLE001 - of a URLconf that a worker may be the first to import
        logger.error("Octanist: an alert goes without its link to the admin: %s", describe(error))
        return ""
