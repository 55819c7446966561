from __future__ import annotations

import pytest

from django_octanist.capture import capture_lead
from django_octanist.models import Lead
from django_octanist.test import TestSandbox, octanist

__all__ = ["octanist"]


@pytest.mark.django_db(transaction=True)
def test_nobody_delivers(octanist: TestSandbox) -> None:
    capture_lead({"email": "jo@example.com"}, form="contact")
    lead = Lead.objects.get()
    assert (lead.status, lead.lease) == (Lead.Status.PENDING, None)
    assert octanist.exchanges == ()
    assert octanist.deliver() == 1
