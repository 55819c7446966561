"""What each way in does, whichever it is: the same attribution, savepoint and duplicates rule.

A test module of a way in has a subclass of :class:`WayIn`, named ``Test…``, that says how its form is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponseBase
from django.test import Client

from django_octanist.capture import storing
from django_octanist.models import Lead

EMAIL = "jo@example.com"
SESSION = "550e8400-e29b-41d4-a716-446655440000"
PAGE = "http://testserver/roofs/?gclid=Click-1&utm_source=google&utm_medium=cpc"
COOKIE_YES = "consentid:x,consent:yes,action:yes,necessary:yes,analytics:yes,advertisement:no"


@pytest.mark.django_db
class WayIn:
    """The tests that each way in inherits."""

    form = "contact"
    """What the lead's ``form`` says."""
    captures = 1
    """How often the one submission is captured: by its row, too, where its model is registered."""

    def send(self, client: Client, **posted: str) -> HttpResponseBase:
        """Send the site's form once with the visitor's e-mail address :data:`EMAIL` and what else is ``posted``."""
        raise NotImplementedError

    def accepted(self, response: Any) -> bool:
        """Whether the site's own work is done: the page that it shows, the row that it keeps."""
        raise NotImplementedError

    def lead(self) -> Lead:
        """The one lead there is."""
        lead = Lead.objects.get()
        assert (lead.form, lead.email) == (self.form, EMAIL)
        return lead

    def test_with_a_session(self, client: Client) -> None:
        assert self.accepted(self.send(client, octa_sid=SESSION))
        lead = self.lead()
        assert (lead.session_id, lead.linked) == (SESSION, Lead.Linked.YES)

    def test_with_attribution_only(self, client: Client) -> None:
        client.defaults["HTTP_REFERER"] = PAGE
        assert self.accepted(self.send(client))
        lead = self.lead()
        assert (lead.session_id, lead.linked) == ("", Lead.Linked.NO)
        wanted = {"gclid": "Click-1", "utm_source": "google", "utm_medium": "cpc", "website": "http://testserver"}
        assert wanted.items() <= lead.attribution.items()

    def test_with_consent(self, client: Client) -> None:
        client.cookies["cookieyes-consent"] = COOKIE_YES
        assert self.accepted(self.send(client))
        consent = self.lead().consent
        assert (consent["ad_storage"], consent["analytics_storage"]) == (False, True)

    def test_a_failing_capture(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(storing, "_insert", _fails)
        with caplog.at_level(logging.ERROR, logger="django_octanist"):
            assert self.accepted(self.send(client))
        assert not Lead.objects.exists()
        lines = [record.getMessage() for record in caplog.records if record.name == "django_octanist"]
        assert len(lines) == self.captures
        assert all("could not be captured" in line for line in lines)
        assert EMAIL not in caplog.text

    def test_a_double_submission(self, client: Client) -> None:
        assert self.accepted(self.send(client))
        assert self.accepted(self.send(client))
        self.lead()


def _fails(*_given: Any, **_named: Any) -> Callable[[], None]:
    """A query that the database refuses, within the lead's savepoint."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM octanist_lead")
    raise AssertionError("the database took it")
