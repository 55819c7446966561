"""What the values of settings must be: each rule returns the value to use, or raises ``ValueError`` with what fits."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

MOST_DAYS = 36_500
DEFAULT_ACCOUNT = "default"
DISPATCH_STRATEGIES = ("thread", "tasks", "inline", "manual")
GROUPS = ("marketing", "statistics")

_DOTTED = re.compile(r"(\w+\.)+\w+").fullmatch


class PixelSetup(NamedTuple):
    """What ``OCTANIST_PIXEL_ID`` says: the measurement ID and, from a setup code, the two choices made with it."""

    measurement_id: str
    captures_in_browser: bool
    consent_mode: str


def string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a string")
    return value.strip()


def api_key(value: Any) -> str:
    if value is None:
        raise ValueError("a string, not None (is the environment variable set?)")
    key = string(value)
    if not re.fullmatch(r"[\x21-\x7e]*", key):
        raise ValueError(
            "a string of visible ASCII characters, as Octanist shows the key (the value is not shown here)"
        )
    return key


def api_keys(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(alias, str) and alias for alias in value):
        raise ValueError("a dict of account alias to API key (the value is not shown here)")
    if DEFAULT_ACCOUNT in value:
        raise ValueError("without the alias 'default', whose key is OCTANIST_API_KEY")
    try:
        return {alias: api_key(key) for alias, key in value.items()}
    except ValueError as error:
        raise ValueError(f"a dict in which each API key is {error}") from None


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def whole(least: int, unit: str) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"a whole number of {unit}, at least {least}")
        return value

    return parse


def days_or_none(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_DAYS:
        raise ValueError(f"a whole number of days from 1 to {MOST_DAYS:,}, or None")
    return value


def seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 300:
        raise ValueError("a number of seconds above 0, at most 300")
    return float(value)


def choice(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError("one of " + ", ".join(repr(choice) for choice in choices))
        return str(value)

    return parse


def dispatch(value: Any) -> str:
    if value in DISPATCH_STRATEGIES or (isinstance(value, str) and _DOTTED(value)):
        return str(value)
    choices = ", ".join(repr(name) for name in DISPATCH_STRATEGIES)
    raise ValueError(f"one of {choices}, or a dotted path to a function that takes an account")


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine: ``localhost`` or a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def url(value: Any) -> str:
    return _url(string(value))


@lru_cache(maxsize=16)
def _url(text: str) -> str:
    parts = _plain_url(text)
    if parts is None:
        raise ValueError("an https URL without query and credentials, such as 'https://octanist.com/api'")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("an https URL (plain http only for this machine, such as 'http://127.0.0.1:8765/api')")
    return parts.geturl().rstrip("/")


def page_or_empty(value: Any) -> str:
    """A page that others are below: with a slash at its end."""
    text = string(value)
    parts = _plain_url(text) if text else None
    if text and parts is None:
        raise ValueError("a URL without query and credentials, such as 'https://example.com/admin/', or ''")
    return parts.geturl().rstrip("/") + "/" if parts else ""


def _plain_url(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        plain = parts.hostname and parts.port != 0 and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:  # brackets that do not match, a port that is none
        return None
    is_web = parts.scheme in ("http", "https") and not re.search(r"\s", text)
    return parts if plain and is_web else None


def emails(value: Any) -> list[str] | str:
    if value == "admins":
        return "admins"
    if isinstance(value, (list, tuple)) and all(isinstance(address, str) and "@" in address for address in value):
        return list(value)
    fitting = 'a list of e-mail addresses such as ["ops@example.com"], or "admins" for those of ADMINS'
    raise ValueError(f"{fitting}, not {_without_addresses(value)}")


def _without_addresses(value: Any) -> str:
    """What ``value`` is, but nothing of what it says: it may be somebody's address."""
    if value is None:
        return "None (is the environment variable set?)"
    if not isinstance(value, (list, tuple)):
        return f"a value of type {type(value).__name__}"
    index, wrong = next((i, item) for i, item in enumerate(value) if not (isinstance(item, str) and "@" in item))
    kind = "text without an @" if isinstance(wrong, str) else f"a value of type {type(wrong).__name__}"
    return f"one with {kind} at index {index}"


def pixel(value: Any) -> PixelSetup | None:
    text = string(value)
    if not text:
        return None
    found = re.fullmatch(r"(OCT-[A-Z0-9]{8})|OCTA1\.(OCT-[A-Z0-9]{8})\.([sc])\.([agd])", text)
    if found is None:
        raise ValueError("a measurement ID such as 'OCT-1A2B3C4D' or a setup code such as 'OCTA1.OCT-1A2B3C4D.s.a'")
    plain, coded, capture, consent = found.groups()
    mode = {"a": "auto", "g": "granted", "d": "denied"}.get(consent, "auto")
    return PixelSetup(measurement_id=plain or coded, captures_in_browser=capture == "c", consent_mode=mode)


def dotted_paths(value: Any) -> tuple[str, ...]:
    paths = tuple(value) if isinstance(value, (list, tuple)) else None
    if paths is None or not _are_dotted(paths):
        raise ValueError("a list of dotted paths to functions that take a request")
    return paths


@lru_cache(maxsize=8)
def _are_dotted(paths: tuple[str, ...]) -> bool:
    """Remembered, since the readers' names are read with each campaign that arrives."""
    return all(isinstance(path, str) and _DOTTED(path) for path in paths)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network | str
UNIX_SOCKET = "unix"


def networks(value: Any) -> tuple[Network, ...]:
    """Networks, and :data:`UNIX_SOCKET` for the other end of one, which has no address."""
    if isinstance(value, (list, tuple)) and all(isinstance(network, str) for network in value):
        try:
            return _networks(tuple(value))
        except ValueError:  # not one of this rule's own: it names no setting
            pass
    raise ValueError('a list of addresses and networks such as ["10.0.0.0/8"], or ["unix"] for a Unix socket')


@lru_cache(maxsize=8)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(UNIX_SOCKET if text == UNIX_SOCKET else ipaddress.ip_network(text, strict=False) for text in texts)


def groups(value: Any) -> dict[str, tuple[str, ...]]:
    """Which names count as marketing and which as statistics."""
    fits = isinstance(value, Mapping) and set(value) == set(GROUPS)
    if not fits or not all(_are_strings(names) for names in value.values()):
        raise ValueError("a dict of 'marketing' and 'statistics' to a list of names each")
    return {group: tuple(value[group]) for group in GROUPS}


def _are_strings(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)
