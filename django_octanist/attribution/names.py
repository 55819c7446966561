"""What hidden fields of a form are called that carry a campaign past the app."""

from __future__ import annotations

import re

from ..vocabulary import CAMPAIGN, QUERY
from .cookies import COOKIES

MAX_NAME = 200
"""Characters of a name that are looked at."""

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[\W_]+")
_NAMES = {*CAMPAIGN, *QUERY, *(cookie.strip("_").lower() for _name, cookie, _decode in COOKIES)} - {"ga"}
_GOOGLE_ANALYTICS = re.compile(r"_ga(_[A-Za-z0-9]+)?")
# Also as the words of a name: "lead_gclid", "contact-utm_term".
_KNOWN = re.compile(rf"_(utm|{'|'.join(map(re.escape, sorted(_NAMES)))})_")
_WRITTEN_TOGETHER = {name.replace("_", "") for name in _NAMES} | {"utmterm", "utmcontent", "utmid"}


def is_campaign_name(name: str) -> bool:
    """Whether a field called ``name`` holds a click ID, a browser ID or a UTM parameter: see ``vocabulary``.

    In any letter case and however its words are joined, under its parameter's and its cookie's name, too
    (``ScCid``, ``_fbp``), and whatever else has the word ``utm``: ``utm_term``.
    """
    name = name[:MAX_NAME]
    if _GOOGLE_ANALYTICS.fullmatch(name):
        return True
    lowered, by_capitals = (f"_{_BETWEEN.sub('_', form.lower())}_" for form in (name, _CAPITAL.sub("_", name)))
    together = lowered.replace("_", "")
    return bool(_KNOWN.search(lowered) or _KNOWN.search(by_capitals)) or together in _WRITTEN_TOGETHER
