"""IAB TCF 2.x consent strings: what the visitor allows Google.

Source: IAB Europe, *Transparency and Consent String with Global Vendor & CMP List Formats*, version 2.2/2.3, and
Google's published mapping of purposes to consent types. The string is read to its last bit: one that is cut off, of
another version or malformed anywhere is refused, so that it grants nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

GOOGLE = 755
"""Google Advertising Products in the Global Vendor List."""
MAX_LENGTH = 4_096
"""Characters of a string that are looked at; a cookie holds no more."""

_VERSION = 2
_REQUIRE_CONSENT = 1


class TCFError(ValueError):
    """A consent string that cannot be read. The text says why and does not quote it."""


class TCF(NamedTuple):
    """The purposes that the visitor consents to, and whether for Google.

    ``purposes`` holds those whose own bits are set, less those that the publisher does not allow Google.
    """

    purposes: frozenset[int]
    google: bool

    def allows(self, *purposes: int) -> bool:
        """Whether Google is consented to, for all of ``purposes``."""
        return self.google and self.purposes.issuperset(purposes)


class _Bits:
    """Reads a segment from its first bit to its last."""

    def __init__(self, segment: str) -> None:
        self._bits = _decode(segment)
        self._length = len(segment)
        self.at = 0

    def take(self, count: int) -> int:
        end = self.at + count
        if end > len(self._bits):
            raise TCFError("the string is cut off")
        value = int(self._bits[self.at : end] or "0", 2)
        self.at = end
        return value

    def end(self) -> None:
        """Refuse a segment that does not end here, padded with zeros to whole bytes or, as IAB's own, to 24 bits."""
        padded = {-(-(-(-self.at // 8) * 8) // 6), -(-self.at // 24) * 4}
        if self._length not in padded or "1" in self._bits[self.at :]:
            raise TCFError("the string does not end where it should")


def _decode(segment: str) -> str:
    """Return the bits of a base64url ``segment`` without padding characters."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", segment) or len(segment) % 4 == 1:
        raise TCFError("the string is not base64url")
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise TCFError("the string is not base64url") from error
    return "".join(f"{byte:08b}" for byte in data)


def decode(text: str) -> TCF:
    """Return what ``text`` (the cookie ``euconsent-v2``) allows. Raises :class:`TCFError` on anything malformed."""
    if len(text) > MAX_LENGTH:
        raise TCFError("the string is too long")
    core, *others = text.split(".")
    bits = _Bits(core)
    if bits.take(6) != _VERSION:
        raise TCFError("the string is not of version 2")
    bits.take(146)  # dates, CMP, screen, language, vendor list, policy, service-specific, special features
    consented = {number for number, bit in enumerate(f"{bits.take(24):024b}", start=1) if bit == "1"}
    bits.take(24 + 1 + 12)  # legitimate interests, purpose one treatment, publisher's country
    google = _has_google(bits)
    _has_google(bits)  # legitimate interests
    consented -= _restricted(bits)
    bits.end()
    for segment in others:
        _check_segment(segment)
    return TCF(purposes=frozenset(consented), google=google)


def _has_google(bits: _Bits) -> bool:
    """Read a vendor section, whichever of its two encodings it has, and return whether Google is in it."""
    highest = bits.take(16)
    if bits.take(1):
        return _ranges_have_google(bits, highest=highest)
    field = bits.take(highest)
    return highest >= GOOGLE and bool(field >> (highest - GOOGLE) & 1)


def _ranges_have_google(bits: _Bits, *, highest: int) -> bool:
    last, found = 0, False
    for _entry in range(bits.take(12)):
        is_range = bits.take(1)
        start = bits.take(16)
        end = bits.take(16) if is_range else start
        if not last < start <= end <= highest:
            raise TCFError("a range of vendors is malformed")
        last, found = end, found or start <= GOOGLE <= end
    return found


def _restricted(bits: _Bits) -> set[int]:
    """Return the purposes for which the publisher does not let Google rely on consent."""
    restricted = set()
    for _restriction in range(bits.take(12)):
        purpose, kind = bits.take(6), bits.take(2)
        if _ranges_have_google(bits, highest=2**16 - 1) and kind != _REQUIRE_CONSENT:
            restricted.add(purpose)
    return restricted


def _check_segment(segment: str) -> None:
    """Read an optional segment through: disclosed vendors, allowed vendors, publisher TC."""
    bits = _Bits(segment)
    kind = bits.take(3)
    if kind in (1, 2):
        _has_google(bits)
    elif kind == 3:
        bits.take(24 + 24)
        custom = bits.take(6)
        bits.take(custom * 2)
    else:
        raise TCFError("a segment is of no known type")
    bits.end()
