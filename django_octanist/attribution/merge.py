"""Which source wins: pure merging of what a query, a Referer, the memory and the platforms' cookies say."""

from __future__ import annotations

from collections.abc import Mapping

from ..vocabulary import UTM
from .cookies import BROWSER_IDS
from .found import Found
from .query import fbclid_of


def arriving(*, query: Mapping[str, str], referer: Mapping[str, str]) -> dict[str, Found]:
    """Return the campaign that the request brings: of its query, else of its same-origin ``Referer``, by field."""
    found = {name: Found(value, "referer") for name, value in referer.items()}
    return found | {name: Found(value, "query") for name, value in query.items()}


def merge(
    arrived: Mapping[str, Found], *, remembered: Mapping[str, str], cookies: Mapping[str, Found]
) -> dict[str, Found]:
    """Return campaign and browser IDs, each field with its source.

    A campaign that arrives replaces the remembered one as a whole. Where a click is known from either, the cookies'
    click IDs are of earlier ones, and stay out: an old ``gclid`` must not travel with a new ``fbclid``.
    """
    campaign = with_first_seen(arrived, remembered=remembered, cookies=cookies)
    if not campaign:
        campaign = {name: Found(value, "remembered") for name, value in remembered.items()}
    clicked = bool(campaign.keys() - set(UTM))
    kept = {name: found for name, found in cookies.items() if name in BROWSER_IDS or not clicked}
    return kept | campaign


def with_first_seen(
    arrived: Mapping[str, Found], *, remembered: Mapping[str, str], cookies: Mapping[str, Found]
) -> dict[str, Found]:
    """Return ``arrived`` with the ``fbc`` of Meta's own cookie, or the remembered one, where it is of the same click.

    They know when the click was first seen.
    """
    campaign = dict(arrived)
    fresh = campaign.get("fbc")
    if fresh is None:
        return campaign
    earlier = [cookies["fbc"]] if "fbc" in cookies else []
    earlier += [Found(remembered["fbc"], fresh.source)] if "fbc" in remembered else []
    # Meta's cookie may have a fifth part behind the click ID.
    same = [found for found in earlier if fbclid_of(found.value).partition(".")[0] == fbclid_of(fresh.value)]
    return campaign | {"fbc": (same or [fresh])[0]}


def brings_something_new(arrived: Mapping[str, Found], *, remembered: Mapping[str, str]) -> bool:
    """Whether the campaign that arrives is another than the remembered one. The time of a click does not count."""
    return bool(arrived) and _comparable({name: found.value for name, found in arrived.items()}) != _comparable(
        remembered
    )


def _comparable(campaign: Mapping[str, str]) -> dict[str, str]:
    return {name: fbclid_of(value) if name == "fbc" else value for name, value in campaign.items()}
