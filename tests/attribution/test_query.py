from __future__ import annotations

from urllib.parse import quote

import pytest

from django_octanist.attribution import parse_query
from django_octanist.attribution.query import fbclid_of

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ScCid=a1-B2", {"sccid": "a1-B2"}),
        ("GCLID=AbC", {"gclid": "AbC"}),
        ("fbclid=IwAR2", {"fbc": f"fb.1.{NOW_MS}.IwAR2"}),
        ("wbraid=CloKC,CloKC", {"wbraid": "CloKC"}),
        ("utm_source=Google%20Ads&utm_medium=CPC", {"utm_source": "Google Ads", "utm_medium": "CPC"}),
        ("utm_source=a%2525b", {"utm_source": "a%25b"}),
        ("utm_source=%ff%fe", {"utm_source": "��"}),
        ("utm_source=%00", {}),
        ("utm_content=" + "x" * 5000, {}),
        (f"next={quote('/offer/?gclid=AbC&utm_source=x')}", {"gclid": "AbC", "utm_source": "x"}),
        (f"gclid=own&next={quote('/offer/?gclid=inner')}", {"gclid": "own"}),
        (f"next={quote('http://[::x/?gclid=AbC')}", {}),
    ],
)
def test_queries(query: str, expected: dict[str, str]) -> None:
    assert parse_query(query, now_ms=NOW_MS) == expected


def test_fbclid_of() -> None:
    assert fbclid_of("fb.1.1700000000000.IwAR.2") == "IwAR.2"
