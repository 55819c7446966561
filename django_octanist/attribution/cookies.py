"""The ad platforms' own cookies → click IDs and browser IDs. Formats by example, from real cookie headers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from ..text import clean_line
from ..vocabulary import BY_NAME
from .found import Found

BROWSER_IDS = ("fbp", "ga4cid", "ga4sid")
"""What names a browser or its GA4 session; the other fields name a click on an ad."""

_GA4_PREFIX = "_ga_"


def gcl(value: str) -> str:
    """``GCL.1752073534.CjwKC…`` (or ``1.…``): the third part; later parts are labels."""
    parts = value.split(".")
    if len(parts) < 3 or parts[0] not in ("GCL", "1") or not _digits(parts[1]):
        return ""
    return parts[2]


def gcl_keyed(value: str) -> str:
    """``2.1.kCj0K…$i1745150118``: one-letter keys behind ``2.1.``, of which ``k``; also the form of :func:`gcl`."""
    return first_of_doubled(_keyed(value, head=r"2\.1\.").get("k", "")) or gcl(value)


def fbc(value: str) -> str:
    """``fb.1.<ms>.<fbclid>``, as it is; a fifth part may follow."""
    return value if re.fullmatch(r"fb\.\d{1,3}\.\d{1,20}\.[^.\s]\S*", value) else ""


def fbp(value: str) -> str:
    """``fb.1.1777215624514.1056617089``, as it is."""
    return value if re.fullmatch(r"fb\.\d{1,3}\.\d{1,20}\.\d{1,30}(\.\S+)?", value) else ""


def ga_client(value: str) -> str:
    """``GA1.1.1866427.1735920393``: the last two parts."""
    parts = value.split(".")
    return ".".join(parts[-2:]) if len(parts) >= 4 and all(map(_digits, parts[-2:])) else ""


def msclkid(value: str) -> str:
    """``_uete1ec00b0…``: 32 hex digits behind ``_uet``."""
    return value[4:] if re.fullmatch(r"_uet[0-9a-fA-F]{32}", value) else ""


def twclid(value: str) -> str:
    """``_twclid`` is raw or, unconfirmed, a JSON object that has it."""
    try:
        data: Any = json.loads(value)
    except (ValueError, RecursionError):
        return raw(value)
    inner = data.get("twclid") if isinstance(data, dict) else None
    return raw(inner) if isinstance(inner, str) else ""


def raw(value: str) -> str:
    """A value as it is, without white space in it."""
    return value if re.fullmatch(r"[^\s{}\"]+", value) else ""


Decoder = Callable[[str], str]

COOKIES: tuple[tuple[str, str, Decoder], ...] = (
    ("gclid", "_gcl_aw", gcl),
    ("gclid", "FPGCLAW", gcl_keyed),
    ("dclid", "_gcl_dc", gcl),
    ("wbraid", "_gcl_gb", gcl),
    ("gbraid", "_gcl_ag", gcl_keyed),
    ("fbc", "_fbc", fbc),
    ("fbp", "_fbp", fbp),
    ("ga4cid", "_ga", ga_client),
    ("li_fat_id", "li_fat_id", raw),
    ("msclkid", "_uetmsclkid", msclkid),
    ("ttclid", "ttclid", raw),
    ("twclid", "twclid", raw),
    ("twclid", "_twclid", twclid),
    ("rdt_cid", "_rdt_cid", raw),
    ("rdt_cid", "rdt_cid", raw),
    ("sccid", "_scclid", raw),
    ("epik", "_epik", raw),
)
"""API name, cookie, decoder; of several cookies for a field the first that can be read counts."""


def read_cookies(cookies: Mapping[str, str], *, container: str = "") -> dict[str, Found]:
    """Return what the ad platforms' ``cookies`` (not percent-decoded) say, by API name, with the cookie as source.

    ``container`` names the GA4 container whose session counts, as in ``_ga_<container>``; else the latest one does.
    """
    found: dict[str, Found] = {}
    for name, cookie, decode in COOKIES:
        if cookie in cookies and name not in found:
            value = clean_line(decode(unquote(cookies[cookie])), max_length=BY_NAME[name].max_length)
            if value:
                found[name] = Found(value, f"cookie:{cookie}")
    if "dclid" in found and "gclid" in found and found["dclid"].value == found["gclid"].value:
        del found["dclid"]
    session = _ga4_session(cookies, container=container)
    return found | ({"ga4sid": session} if session else {})


def _ga4_session(cookies: Mapping[str, str], *, container: str) -> Found | None:
    wanted = f"{_GA4_PREFIX}{container.removeprefix('G-')}" if container else ""
    names = [wanted] if wanted in cookies else [] if wanted else [n for n in cookies if n.startswith(_GA4_PREFIX)]
    sessions = [(*ga4_session(unquote(cookies[name])), name) for name in names]
    started = [session for session in sessions if session[1]]
    if not started:
        return None
    _last, session_id, name = max(started)
    return Found(session_id, f"cookie:{name}")


def ga4_session(value: str) -> tuple[int, str]:
    """Return when a GA4 session was last active (seconds) and its id; ``(0, "")`` where ``value`` is none.

    ``GS1.1.<id>.<count>.<engaged>.<last>.…``, or ``GS2.1.s<id>$o1$g0$t<last>$…`` with its keys in any order.
    """
    parts = value.split(".")
    if len(parts) >= 3 and parts[0] == "GS1" and _digits(parts[2]):
        last = parts[5] if len(parts) > 5 and _digits(parts[5]) else parts[2]
        return int(last), parts[2]
    keys = _keyed(value, head=r"GS2\.\d+\.")
    session_id, last = keys.get("s", ""), keys.get("t", "")
    if not _digits(session_id):
        return 0, ""
    return int(last) if _digits(last) else int(session_id), session_id


def _keyed(value: str, *, head: str) -> dict[str, str]:
    """Read ``<head>kVALUE$iVALUE``: one-letter keys in any order."""
    match = re.match(head, value)
    if match is None:
        return {}
    return {part[0]: part[1:] for part in reversed(value[match.end() :].split("$")) if part}


def first_of_doubled(value: str) -> str:
    """Return ``x`` of ``x,x``: some tags double an id."""
    return value.partition(",")[0]


def _digits(value: str) -> bool:
    return bool(re.fullmatch(r"\d{1,20}", value, re.ASCII))
