"""Two requests at once that send the same, or not: rows of a registered model, by a form that captures."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.db import connection
from django.test import RequestFactory

from django_octanist.forms import OctanistFormMixin
from django_octanist.models import Lead
from django_octanist.registry import register, unregister
from tests.site.models import Quote

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="a database in memory has one writer at a time"),
]


class QuoteForm(OctanistFormMixin, forms.ModelForm):  # type: ignore[type-arg]
    message = forms.CharField()

    class Meta:
        model = Quote
        fields = ["full_name", "email"]


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    register(Quote, form="quote", name="full_name", email="email")
    yield
    unregister(Quote)


def at_once(rf: RequestFactory, *messages: str, email: str) -> None:
    ready = threading.Barrier(len(messages))

    def send(message: str) -> None:
        try:
            form = QuoteForm({"full_name": "Jo", "email": email, "message": message})
            form.save()
            ready.wait()
            # As a view that sends a mail in between: either may be the first.
            time.sleep(0.002 * (hash((email, threading.get_ident())) % 3))
            form.capture_lead(rf.post("/"))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(message,)) for message in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    "messages", [("The roof", "The roof"), ("The roof", "The roof", "The roof"), ("The roof", "The garage")]
)
def test_one_lead_for_each_thing_that_was_said(rf: RequestFactory, messages: tuple[str, ...]) -> None:
    for number in range(20):
        at_once(rf, *messages, email=f"{number}@example.com")
    found: Any = Lead.objects.waiting().values_list("email", "note")
    assert sorted(found) == sorted({(f"{number}@example.com", message) for number in range(20) for message in messages})
