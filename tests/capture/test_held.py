"""Leads of rows wait until the request is answered that saved them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django import forms
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from django.utils import timezone

from django_octanist import clock
from django_octanist.capture import capture_lead, held
from django_octanist.capture.storing import HELD_SECONDS
from django_octanist.forms import OctanistFormMixin
from django_octanist.middleware import OctanistMiddleware
from django_octanist.models import Lead
from django_octanist.registry import register, unregister
from django_octanist.test import octanist_sandbox
from tests.site.models import Quote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

POSTED = {"full_name": "Jo", "email": "jo@example.com", "message": "The garage leaks"}
NUDGES: list[str] = []


class QuoteForm(OctanistFormMixin, forms.ModelForm):  # type: ignore[type-arg]
    message = forms.CharField()

    class Meta:
        model = Quote
        fields = ["full_name", "email"]


def due() -> list[Lead]:
    return list(Lead.objects.due(now=clock.now(using="default")))


def note_nudge(account: str) -> None:
    NUDGES.append(account)


def saves(request: HttpRequest) -> HttpResponse:
    form = QuoteForm(request.POST)
    form.save()
    assert Lead.objects.exists()
    assert (due(), NUDGES) == ([], [])
    form.capture_lead(request)
    assert (due(), NUDGES) == ([], [])
    return HttpResponse("done")


def saves_only(request: HttpRequest) -> HttpResponse:
    Quote.objects.create(full_name="Jo", email=request.POST["email"])
    return HttpResponse("done")


async def saves_async(request: HttpRequest) -> HttpResponse:
    await sync_to_async(saves)(request)
    return HttpResponse("done")


def breaks(request: HttpRequest) -> HttpResponse:
    saves(request)
    raise RuntimeError


def undoes(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        Quote.objects.create(full_name="Jo", email="jo@example.com")
        transaction.set_rollback(True)
    return HttpResponse("done")


def takes_long(request: HttpRequest) -> HttpResponse:
    saves(request)
    Lead.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    return HttpResponse("done")


def captures(request: HttpRequest) -> HttpResponse:
    capture_lead(request.POST, request=request)
    return HttpResponse("done")


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


VIEWS = (saves, saves_only, saves_async, breaks, undoes, takes_long, captures, nothing)
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]


@pytest.fixture(autouse=True)
def _registered(settings: Any) -> Iterator[None]:
    NUDGES.clear()
    settings.OCTANIST_DISPATCH = f"{__name__}.note_nudge"
    register(Quote, form="quote", name="full_name", email="email")
    yield
    unregister(Quote)


@pytest.fixture
def visitor() -> Callable[[str], Any]:
    client = Client(raise_request_exception=False)
    return lambda view: client.post(f"/{view}/", POSTED)


@pytest.mark.parametrize("view", ["saves", "saves_async"])
def test_it_goes_out_with_what_only_the_form_knows(visitor: Any, view: str) -> None:
    assert visitor(view).status_code == 200
    (lead,) = due()
    assert (lead.form, lead.note) == ("quote", "The garage leaks")
    assert NUDGES == ["default"]


@pytest.mark.parametrize("view", ["saves_only", "breaks", "takes_long"])
def test_right_after_the_request_however_it_ends(visitor: Any, view: str) -> None:
    visitor(view)
    assert (len(due()), NUDGES) == (1, ["default"])


def test_one_that_was_undone_is_none(visitor: Any) -> None:
    assert visitor("undoes").status_code == 200
    assert not Lead.objects.exists()


def test_where_nobody_comes_back_it_is_due_by_itself(
    visitor: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_given: Any, **_named: Any) -> None:
        raise DatabaseError("jo@example.com")

    monkeypatch.setattr(held, "_make_due", fails)
    assert visitor("saves").status_code == 200
    assert "1 leads wait some seconds longer: DatabaseError" in caplog.text
    assert "jo@" not in caplog.text
    lead = Lead.objects.get()
    ahead = (lead.next_attempt_at - lead.created_at).total_seconds()  # type: ignore[operator]
    assert ahead == HELD_SECONDS


@pytest.mark.parametrize("taken", [{"attempts": 1}, {"status": Lead.Status.CANCELLED, "next_attempt_at": None}])
def test_one_that_something_happened_to_stays_as_it_is(rf: RequestFactory, taken: dict[str, Any]) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        saves_only(request)
        Lead.objects.update(**taken)
        return HttpResponse("done")

    OctanistMiddleware(view)(rf.post("/", POSTED))
    assert due() == []


def test_a_lead_of_other_code_is_due_at_once(rf: RequestFactory) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        capture_lead(request.POST, request=request)
        assert (len(due()), NUDGES) == (1, ["default"])
        return HttpResponse("done")

    OctanistMiddleware(view)(rf.post("/", POSTED))
    assert NUDGES == ["default"]


def test_so_is_one_outside_of_a_request() -> None:
    Quote.objects.create(full_name="Jo", email="jo@example.com")
    assert (len(due()), NUDGES) == (1, ["default"])


def test_and_one_that_a_task_makes_which_outlives_the_request(rf: RequestFactory) -> None:
    kept: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        kept.append(request.octanist)  # type: ignore[attr-defined]
        return HttpResponse("done")

    OctanistMiddleware(view)(rf.post("/", POSTED))
    assert kept[0].rows is None


def test_each_account_is_nudged_once(rf: RequestFactory, settings: Any) -> None:
    settings.OCTANIST_API_KEYS = {"second": "key"}

    def view(request: HttpRequest) -> HttpResponse:
        for number, account in enumerate(("second", "default", "second")):
            unregister(Quote)
            register(Quote, email="email", account=account)
            Quote.objects.create(full_name="Jo", email=f"{number}@example.com")
        return HttpResponse("done")

    OctanistMiddleware(view)(rf.post("/", POSTED))
    assert (len(due()), NUDGES) == (3, ["default", "second"])


def test_any_number_of_them(rf: RequestFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "AT_ONCE", 2)

    def view(request: HttpRequest) -> HttpResponse:
        for number in range(5):
            Quote.objects.create(full_name="Jo", email=f"{number}@example.com")
        return HttpResponse("done")

    OctanistMiddleware(view)(rf.post("/", POSTED))
    assert len(due()) == 5


@pytest.mark.parametrize("view", ["captures", "nothing"])
def test_other_requests_cost_nothing(
    visitor: Any, view: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_given: Any, **_named: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(held, "_make_due", refuse)
    with caplog.at_level("ERROR"):
        assert visitor(view).status_code == 200
    assert not caplog.records


def test_inline_delivers_it_with_all_it_says(visitor: Any, settings: Any) -> None:
    with octanist_sandbox() as octanist:
        settings.OCTANIST_DISPATCH = "inline"
        visitor("saves_only")
        (sent,) = octanist.leads
    assert sent.fields["email"] == "jo@example.com"
    assert Lead.objects.get().status == Lead.Status.DELIVERED


def test_within_a_transaction_around_the_request_the_nudge_waits_for_the_commit(rf: RequestFactory) -> None:
    with transaction.atomic():
        OctanistMiddleware(saves_only)(rf.post("/", POSTED))
        assert (len(due()), NUDGES) == (1, [])
    assert NUDGES == ["default"]


def test_a_visitor_who_goes_away(rf: RequestFactory) -> None:
    """A server cancels the view where the connection is closed."""

    async def view(request: HttpRequest) -> HttpResponse:
        await sync_to_async(saves_only)(request)
        await asyncio.sleep(60)
        raise AssertionError

    async def serve() -> None:
        answering = asyncio.ensure_future(OctanistMiddleware(view)(rf.post("/", POSTED)))  # type: ignore[arg-type]
        while not await sync_to_async(Lead.objects.exists)():
            await asyncio.sleep(0.01)
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
        await sync_to_async(lambda: connection.close())()

    asyncio.run(serve())
    assert (len(due()), NUDGES) == (1, ["default"])
