"""The example site's consent reader, and the tag that shows staff their visit: for everybody else it does nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from roofer.consent import ridgeline_consent
from roofer.templatetags.visit_panel import visit_panel

from django_octanist.attribution import Visit
from django_octanist.consent import Consent


def request(*, cookie: str | None = None):
    made = RequestFactory().get("/")
    if cookie is not None:
        made.COOKIES["ridgeline_consent"] = cookie
    return made


class TestReader:
    @pytest.mark.parametrize(("ads", "statistics"), [(True, True), (True, False), (False, True), (False, False)])
    def test_a_choice(self, ads: bool, statistics: bool):
        found = ridgeline_consent(request(cookie=f"ads:{int(ads)}.statistics:{int(statistics)}"))

        assert found == Consent(ad_storage=ads, ad_user_data=ads, ad_personalization=ads, analytics_storage=statistics)

    def test_no_choice_yet(self):
        assert ridgeline_consent(request()) is None

    @pytest.mark.parametrize(
        "cookie",
        [
            *("", "1", "{}", "\0", "\ud800", "granted"),
            *("ads:1", "ads:2.statistics:1", "ads:1.statistics:1.", "ads:1.statistics:1\n", "ads%3A1.statistics%3A1"),
            *("ads:\u0661.statistics:1", "ads:1" * 2_000),
        ],
    )
    def test_what_makes_no_sense_grants_nothing(self, cookie: str):
        assert ridgeline_consent(request(cookie=cookie)) == Consent()


class Unread:
    """A visit that nobody may look at."""

    def __getattr__(self, name: str):
        pytest.fail(f"request.octanist.{name} was read.")


@pytest.mark.parametrize("user", [AnonymousUser(), SimpleNamespace(is_staff=False)], ids=["anonymous", "customer"])
def test_who_is_not_staff_sees_nothing_and_costs_nothing(user):
    asked = request()
    asked.user, asked.octanist = user, Unread()

    assert visit_panel({"request": asked}) == {}


def test_staff_sees_their_own_visit():
    asked = request()
    asked.user, asked.octanist = SimpleNamespace(is_staff=True, get_username=lambda: "dan"), Visit(asked)

    shown = visit_panel({"request": asked})

    assert shown["username"] == "dan"
    assert [section.title for section in shown["sections"]] == ["Session", "Attribution", "Consent", "Remembered"]
