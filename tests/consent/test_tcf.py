from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_octanist.consent.tcf import GOOGLE, MAX_LENGTH, TCF, TCFError, decode

# The example of IAB's own specification: vendors as a bit field, and a disclosed-vendors segment.
SPECIFICATION = (
    "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA."
    "IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3"
    "ZAYzUw"
)

Range = tuple[int, int]


def bits(value: int, width: int) -> str:
    return f"{value:0{width}b}"


def field(numbers: Iterable[int], width: int) -> str:
    chosen = set(numbers)
    return "".join("1" if number in chosen else "0" for number in range(1, width + 1))


def ranges(entries: list[Range]) -> str:
    coded = [f"0{bits(a, 16)}" if a == b else f"1{bits(a, 16)}{bits(b, 16)}" for a, b in entries]
    return bits(len(entries), 12) + "".join(coded)


def vendor_section(vendors: list[int] | list[Range], *, highest: int, as_ranges: bool) -> str:
    body: Any = ranges(vendors) if as_ranges else field(vendors, highest)  # type: ignore[arg-type]
    return bits(highest, 16) + ("1" if as_ranges else "0") + body


def encode(text: str, *, unit: int = 8) -> str:
    padded = text + "0" * (-len(text) % unit)
    data = int(padded, 2).to_bytes(len(padded) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def string(
    *,
    version: int = 2,
    purposes: Iterable[int] = (1, 3, 4, 7),
    vendors: Any = ((GOOGLE, GOOGLE),),
    highest: int = 800,
    as_ranges: bool = True,
    restrictions: str = "",
    unit: int = 8,
) -> str:
    core = bits(version, 6) + "0" * 146 + field(purposes, 24) + "0" * 37
    core += vendor_section(list(vendors), highest=highest, as_ranges=as_ranges)
    core += vendor_section([], highest=0, as_ranges=False)
    return encode(core + (restrictions or bits(0, 12)), unit=unit)


class TestReading:
    def test_the_specifications_example(self) -> None:
        assert decode(SPECIFICATION) == TCF(purposes=frozenset({1, 2, 3}), google=False)

    @pytest.mark.parametrize("unit", [8, 24], ids=["whole bytes", "24 bits, as IAB's library"])
    @pytest.mark.parametrize(
        ("vendors", "as_ranges"),
        [([(GOOGLE, GOOGLE)], True), ([(1, 3), (700, 800)], True), ([2, GOOGLE], False)],
        ids=["one", "a range", "a bit field"],
    )
    def test_google_in_every_encoding(self, vendors: Any, as_ranges: bool, unit: int) -> None:
        found = decode(string(vendors=vendors, as_ranges=as_ranges, unit=unit))
        assert found == TCF(purposes=frozenset({1, 3, 4, 7}), google=True)

    @pytest.mark.parametrize(
        ("vendors", "as_ranges", "highest"),
        [
            ([], True, 800),
            ([(1, 754), (756, 800)], True, 800),
            ([754, 756], False, 800),
            ([1], False, 10),
            ([], False, 0),
        ],
    )
    def test_google_not_consented(self, vendors: Any, as_ranges: bool, highest: int) -> None:
        found = decode(string(vendors=vendors, as_ranges=as_ranges, highest=highest))
        assert not found.google
        assert not found.allows(1)

    @pytest.mark.parametrize(
        ("kind", "vendor", "allowed"), [(0, GOOGLE, False), (2, GOOGLE, False), (1, GOOGLE, True), (0, 12, True)]
    )
    def test_what_the_publisher_does_not_let_google_rely_on(self, kind: int, vendor: int, allowed: bool) -> None:
        restrictions = bits(1, 12) + bits(1, 6) + bits(kind, 2) + ranges([(vendor, vendor)])
        assert decode(string(restrictions=restrictions)).allows(1) is allowed

    @given(st.sets(st.integers(1, 24)), st.lists(st.integers(1, 2000), unique=True, max_size=30), st.booleans())
    def test_never_beyond_the_bits(self, purposes: set[int], vendors: list[int], as_ranges: bool) -> None:
        listed: Any = sorted((v, v) for v in vendors) if as_ranges else vendors
        found = decode(string(purposes=purposes, vendors=listed, highest=2000, as_ranges=as_ranges))
        assert found.purposes == purposes
        assert found.google == (GOOGLE in vendors)


class TestRefusing:
    @pytest.mark.parametrize(
        "text",
        [
            string(),
            string(vendors=[2, GOOGLE], as_ranges=False),
            string(vendors=[(1, 3), (700, 800)]),
            string(restrictions=bits(1, 12) + bits(1, 6) + bits(0, 2) + ranges([(12, 12)])),
        ],
        ids=["range", "bit field", "ranges", "restriction"],
    )
    def test_every_truncation(self, text: str) -> None:
        decode(text)
        for length in range(len(text)):
            with pytest.raises(TCFError):
                decode(text[:length])

    def test_every_truncation_of_several_segments_grants_nothing_more(self) -> None:
        """Cut at the dot, what is left is a whole string of its own; everywhere else it is refused."""
        core = SPECIFICATION.index(".")
        for length in range(len(SPECIFICATION)):
            if length == core:
                assert decode(SPECIFICATION[:length]) == decode(SPECIFICATION)
            else:
                with pytest.raises(TCFError):
                    decode(SPECIFICATION[:length])

    def test_padding_that_was_cut_off_grants_nothing_more(self) -> None:
        """IAB's own library pads to 24 bits; less padding is another encoder's way to write the same."""
        text = string(unit=24)
        for length in range(len(text)):
            try:
                assert decode(text[:length]) == decode(text)
                assert set(text[length:]) == {"A"}
            except TCFError:
                pass

    @pytest.mark.parametrize("version", [0, 1, 3, 63])
    def test_every_other_version(self, version: int) -> None:
        with pytest.raises(TCFError, match="version"):
            decode(string(version=version))

    @pytest.mark.parametrize(
        "entries",
        [[(0, 5)], [(5, 4)], [(700, 801)], [(1, 800), (GOOGLE, GOOGLE)], [(GOOGLE, GOOGLE), (1, 3)], [(3, 3), (3, 3)]],
        ids=["from zero", "backwards", "beyond the highest", "overlapping", "unsorted", "doubled"],
    )
    def test_every_malformed_range(self, entries: list[Range]) -> None:
        with pytest.raises(TCFError, match="range"):
            decode(string(vendors=entries))

    @pytest.mark.parametrize(
        "text",
        ["", ".", "A", "=", "é", "COvFy GBO", "*" * 40, SPECIFICATION + ".", f"{string()}.{encode('111' + '0' * 40)}"],
    )
    def test_nonsense(self, text: str) -> None:
        with pytest.raises(TCFError):
            decode(text)

    def test_bits_behind_the_end(self) -> None:
        with pytest.raises(TCFError, match="end"):
            decode(string(restrictions=bits(0, 12) + "1" * 8))

    def test_an_endless_string(self) -> None:
        with pytest.raises(TCFError, match="too long"):
            decode("C" * (MAX_LENGTH + 1))

    @given(st.text(max_size=200))
    def test_whatever_arrives(self, text: str) -> None:
        """Random text is no consent string: what little it could decode to would have to be a whole one."""
        with pytest.raises(TCFError):
            decode(text)

    @given(st.integers(0, len(string()) - 1), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"))
    def test_a_changed_character_never_grants_what_no_bit_says(self, at: int, character: str) -> None:
        text = string(purposes=[], vendors=[])
        at %= len(text)
        try:
            found = decode(text[:at] + character + text[at + 1 :])
        except TCFError:
            return
        assert not (found.google and found.purposes)
