"""Where a lead came from, in one word: ``google / cpc``, ``gclid``, ``pixel``, ``direct``."""

from __future__ import annotations

from collections.abc import Mapping

from ..text import clean_line
from ..vocabulary import SOURCE_LENGTH, Group, names
from .cookies import BROWSER_IDS

DIRECT = "direct"
"""Nothing says where from."""
PIXEL = "pixel"
"""The server saw nothing; Octanist knows more, by the pixel's session."""

_CLICK_IDS = tuple(name for name in names(Group.CLICK_ID) if name not in BROWSER_IDS)


def source_word(attribution: Mapping[str, str], *, linked: bool) -> str:
    """Return the UTM source and medium, else the name of the first click ID in the API's order, else what is left.

    At most ``SOURCE_LENGTH`` characters, in the letters that the campaign has them in.
    """
    tagged = [attribution[name] for name in ("utm_source", "utm_medium") if attribution.get(name)]
    if tagged:
        return clean_line(" / ".join(tagged), max_length=SOURCE_LENGTH)
    clicked = next((name for name in _CLICK_IDS if attribution.get(name)), "")
    return clicked or (PIXEL if linked else DIRECT)
