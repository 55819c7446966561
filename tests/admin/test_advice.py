"""What to do next, for every state that a lead can be in."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.utils import translation

from django_octanist.admin.advice import Advice, advise
from django_octanist.models import DUPLICATE_CODE, HELD_CODE, DeliveryPause, Lead

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
LATER = NOW + timedelta(minutes=4)
S = Lead.Status
Reason = DeliveryPause.Reason


def advice(*, pause: DeliveryPause | None = None, has_key: bool = True, **values: Any) -> Advice:
    values = {"next_attempt_at": NOW, **values}
    return advise(Lead(**values), pause=pause, has_key=has_key, max_attempts=20, now=NOW)


def paused(reason: Reason) -> DeliveryPause:
    return DeliveryPause(account="default", reason=reason, probe_at=LATER)


@pytest.mark.parametrize(
    ("values", "state", "then"),
    [
        ({"status": S.DELIVERED, "octanist_id": "lead_1"}, "Octanist has it, as lead_1.", "Nothing is left to do."),
        ({"status": S.REJECTED}, "filtering rules turned it away", "change the rules at Octanist"),
        ({"status": S.INVALID}, "Octanist refused the data.", "correct the contact, and send it again"),
        ({"status": S.CANCELLED}, "stopped it before it was delivered", "send it again"),
        ({"status": S.CANCELLED, "error_code": DUPLICATE_CODE}, "another lead stands for it", "Nothing is left to do."),
        ({"status": S.CANCELLED, "uncertain": True}, "Octanist may have it", "send it again"),
        ({"status": S.FAILED, "attempts": 1}, "given up after 1 failed attempt.", "Once that is mended, send it again"),
        ({"status": S.FAILED, "attempts": 20}, "given up after 20 failed attempts.", "send it again"),
        ({"status": S.FAILED, "error_code": HELD_CODE}, "only a person can tell", "Look for it at Octanist."),
        ({"status": S.CANCELLED, "erased_at": NOW}, "was removed on", "not sent any more"),
        ({}, "It is due now.", "octanist_status"),
        ({"lease": uuid.uuid4(), "next_attempt_at": LATER}, "being sent right now", "in a moment"),
        ({"lease": uuid.uuid4()}, "It is due now.", "within a minute"),
        ({"next_attempt_at": LATER, "attempts": 3}, "3 of 20 attempts are used up", "tried again in 4\xa0minutes."),
        ({"next_attempt_at": LATER, "uncertain": True}, "Octanist may have it", "in 4\xa0minutes Octanist is asked"),
        ({"has_key": False, "account": "shop"}, "The account shop has no API key.", 'Set OCTANIST_API_KEYS["shop"]: '),
        ({"has_key": False, "account": "shop"}, "has no API key.", "If the form's octanist_account is misspelt"),
        ({"has_key": False}, "The account default has no API key.", "Set OCTANIST_API_KEY: "),
        ({"pause": paused(Reason.UNAUTHORIZED)}, "refused. Leads wait; nothing is lost.", "right API key"),
        ({"pause": paused(Reason.OUTAGE)}, "does not answer", "the next lead is tried in 4\xa0minutes"),
        ({"pause": paused(Reason.RATE_LIMITED)}, "send more slowly", "Nothing to do"),
        ({"pause": paused(Reason.ENDPOINT)}, "is not Octanist's API", "Set OCTANIST_API_URL right"),
    ],
)  # fmt: skip
def test_advice(values: dict[str, Any], state: str, then: str) -> None:
    found = advice(**values)
    assert state in found.state
    assert then in found.next


def test_a_name_that_a_setting_has_is_not_misspelt(settings: Any) -> None:
    settings.OCTANIST_API_KEYS = {"shop": ""}
    for account in ("default", "shop"):
        assert "misspelt" not in advice(has_key=False, account=account).next


@pytest.mark.parametrize("language", ["en", "de"])
def test_one_full_stop_behind_a_time(language: str) -> None:
    """English says ``p.m.``, which has one of its own."""
    with translation.override(language):
        state = advice(status=S.CANCELLED, erased_at=NOW.replace(minute=1)).state
    assert re.search(r"[^.]\.$", state)
