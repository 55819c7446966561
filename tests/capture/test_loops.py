"""Sync calls from async code."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django import forms
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.views.generic import FormView

from django_octanist.capture import capture_lead, loops
from django_octanist.forms import OctanistFormMixin, OctanistFormSetMixin
from django_octanist.models import Lead
from django_octanist.views import OctanistFormViewMixin
from tests.site.models import Quote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


class ContactForm(OctanistFormMixin, forms.Form):
    email = forms.EmailField()
    row = forms.ModelChoiceField(Quote.objects.all(), required=False)


class ContactFormSet(OctanistFormSetMixin, forms.BaseFormSet):  # type: ignore[type-arg]
    pass


Contacts = forms.formset_factory(ContactForm, formset=ContactFormSet)


async def by_form(request: HttpRequest) -> HttpResponse:
    form = ContactForm(request.POST)
    assert form.is_valid()
    return HttpResponse(f"{form.capture_lead(request)}")


async def by_data(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{capture_lead(request.POST, form='contact')}")


async def by_formset(request: HttpRequest) -> HttpResponse:
    posted = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 0, "form-0-email": request.POST["email"]}
    formset: Any = Contacts(posted)
    assert formset.is_valid()
    return HttpResponse(f"{formset.capture_lead(request)[0]}")


async def by_awaited_form(request: HttpRequest) -> HttpResponse:
    form = ContactForm(request.POST)
    assert form.is_valid()
    return HttpResponse(f"{await form.acapture_lead(request)}")


async def by_awaited_formset(request: HttpRequest) -> HttpResponse:
    posted = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 0, "form-0-email": request.POST["email"]}
    formset: Any = Contacts(posted)
    assert formset.is_valid()
    leads = await formset.acapture_lead(request)
    return HttpResponse(f"{leads[0]}")


class Page(OctanistFormViewMixin, FormView):  # type: ignore[type-arg]
    form_class = ContactForm
    success_url = "/thanks/"
    http_method_names = ["post"]

    async def post(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:  # type: ignore[override]
        form = self.get_form()
        assert form.is_valid()
        return self.form_valid(form)


urlpatterns = [
    path("form/", by_form),
    path("data/", by_data),
    path("formset/", by_formset),
    path("page/", Page.as_view()),
    path("awaited-form/", by_awaited_form),
    path("awaited-formset/", by_awaited_formset),
]


@pytest.fixture(autouse=True)
def _untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_told", False)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """The connection of the thread for sync code is none of the tests' own."""
    yield
    asyncio.run(sync_to_async(lambda: connection.close())())


WARNING = "Octanist: capture_lead() was called in async code"


@pytest.mark.parametrize("way", ["form", "data", "formset", "page"])
def test_a_sync_capture_in_an_async_view(way: str, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(2):
        response = Client().post(f"/{way}/?gclid=x", {"email": f"{number}@example.com"})
        assert response.status_code in (200, 302)
    found = Lead.objects.order_by("pk")
    assert [(lead.email, lead.attribution["gclid"]) for lead in found] == [
        ("0@example.com", "x"),
        ("1@example.com", "x"),
    ]
    (record,) = [record for record in caplog.records if record.name == "django_octanist"]
    assert record.getMessage().startswith(WARNING)
    assert "await acapture_lead(…)" in record.getMessage()


@pytest.mark.parametrize("way", ["awaited-form", "awaited-formset"])
def test_an_awaited_one_says_nothing(way: str, caplog: pytest.LogCaptureFixture) -> None:
    async def send() -> None:
        response = await AsyncClient().post(f"/{way}/?gclid=x", {"email": "jo@example.com"})
        assert response.status_code == 200

    asyncio.run(send())
    assert Lead.objects.get().attribution["gclid"] == "x"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a database in memory stays open")
def test_the_threads_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    usual = loops._with_own_connections

    def watched(work: Any) -> Any:
        try:
            return usual(work)
        finally:
            closed.append(connection.connection is None)

    monkeypatch.setattr(loops, "_with_own_connections", watched)

    async def view() -> None:
        assert capture_lead({"email": "jo@example.com"}) is not None

    asyncio.run(view())
    assert closed == [True]


def test_a_thread_that_cannot_be_started_does_not_break_the_form(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_arguments: Any, **_named: Any) -> Any:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(loops, "ThreadPoolExecutor", refuse)

    async def view() -> None:
        assert capture_lead({"email": "jo@example.com"}) is None

    asyncio.run(view())
    assert "could not be captured: RuntimeError" in caplog.text


def test_where_the_site_allows_django_to_work_in_the_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

    async def view() -> None:
        assert capture_lead({"email": "jo@example.com"}) is not None
        connection.close()

    asyncio.run(view())
    assert not caplog.records


def test_visitors_who_go_away_have_sent_the_form_all_the_same() -> None:
    async def view() -> None:
        form = ContactForm({"email": "jo@example.com"})
        assert await sync_to_async(form.is_valid)()
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        await form.acapture_lead()

    async def serve() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(view())

    asyncio.run(serve())
    assert Lead.objects.exists()
