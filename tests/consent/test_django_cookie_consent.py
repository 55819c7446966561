"""The reader of django-cookie-consent, with the real package."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cookie_consent.cache import delete_cache
from cookie_consent.models import Cookie, CookieGroup
from django.test import RequestFactory, modify_settings
from django.utils import timezone

from django_octanist.consent import Consent, read_stored, readers
from tests.consent.test_readers import request_with

pytestmark = pytest.mark.django_db

ACCEPTED = (timezone.now() + timedelta(days=1)).isoformat()


@pytest.fixture(autouse=True)
def _groups() -> Iterator[None]:
    for name in ("marketing", "analytics", "ads"):
        group = CookieGroup.objects.create(varname=name, name=name)
        Cookie.objects.create(cookiegroup=group, name=f"_{name}")
    delete_cache()
    yield
    delete_cache()


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (f"marketing={ACCEPTED}|analytics=-1", readers.by_category(marketing=True, statistics=False)),
        (f"analytics={ACCEPTED}", readers.by_category(marketing=None, statistics=True)),
        ("marketing=2000-01-01T00:00:00", None),
        ("nonsense", None),
        ("", None),
    ],
    ids=["both", "one", "older than the cookies", "nonsense", "empty"],
)
def test_its_cookie(cookie: str, expected: Consent | None) -> None:
    request = request_with({"cookie_consent": cookie})
    assert readers.django_cookie_consent(request) == expected
    assert read_stored(request)[0] == (expected or Consent())


def test_the_sites_own_groups(settings: Any) -> None:
    settings.OCTANIST_COOKIE_CONSENT_GROUPS = {"marketing": ["ads", "marketing"], "statistics": ["analytics"]}
    found = readers.django_cookie_consent(request_with({"cookie_consent": f"ads=-1|marketing={ACCEPTED}"}))
    assert found == readers.by_category(marketing=False, statistics=None)


def test_without_its_cookie_the_database_is_left_alone(rf: RequestFactory, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert readers.django_cookie_consent(rf.get("/")) is None


@modify_settings(INSTALLED_APPS={"remove": "cookie_consent"})
def test_not_installed() -> None:
    assert readers.django_cookie_consent(request_with({"cookie_consent": f"marketing={ACCEPTED}"})) is None
