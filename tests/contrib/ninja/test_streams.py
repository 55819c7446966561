"""Operations that answer bit by bit, with a release of Django Ninja that has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpRequest
from django.test import AsyncClient, Client
from django.urls import path
from ninja import NinjaAPI

from django_octanist.contrib.ninja import captures_lead
from django_octanist.models import Lead

from .urls import Contact

streaming = pytest.importorskip("ninja.streaming", reason="this release has no streams")

CONTACT = {"name": "Jo", "email": "jo@example.com", "roof": "flat"}

api = NinjaAPI(urls_namespace="streams")


def items(how: str) -> Iterator[dict[str, str]]:
    if how == "fails":
        raise ValueError(how)
    for name in () if how == "empty" else ("first", "second"):
        yield {"step": name}
        if how == "breaks":
            raise ValueError(how)


@api.post("/sync/{how}/", response=streaming.JSONL[dict[str, str]])
@captures_lead(form="contact")
def sync(request: HttpRequest, how: str, payload: Contact) -> Iterator[dict[str, str]]:
    yield from items(how)


@api.post("/listed/{how}/", response=streaming.JSONL[dict[str, str]])
@captures_lead(form="contact")
def listed(request: HttpRequest, how: str, payload: Contact) -> list[dict[str, str]]:
    return list(items(how))


@api.post("/async/{how}/", response=streaming.SSE[dict[str, str]])
@captures_lead(form="contact")
async def asynchronous(request: HttpRequest, how: str, payload: Contact) -> AsyncIterator[dict[str, str]]:
    for item in items(how):
        yield item


urlpatterns = [path("api/", api.urls)]

# Whoever closes a stream closes the connection with the database, too.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


def post(url: str, *, at_most: int | None = None) -> list[Any]:
    """What is streamed; the visitor goes away after ``at_most``."""
    response: Any = Client().post(f"/api{url}", CONTACT, content_type="application/json")
    assert response.status_code == 200
    content = iter(response)
    parts = list(content) if at_most is None else [next(content) for _ in range(at_most)]
    response.close()
    return parts


@async_to_sync
async def apost(url: str, *, at_most: int | None = None) -> list[Any]:
    response: Any = await AsyncClient().post(f"/api{url}", CONTACT, content_type="application/json")
    assert response.status_code == 200
    parts = []
    async for part in response:
        parts.append(part)
        if len(parts) == at_most:
            break
    response.close()
    return parts


WAYS = pytest.mark.parametrize(("way", "url"), [(post, "/sync/"), (apost, "/async/")])


@WAYS
@pytest.mark.parametrize(("how", "parts"), [("well", 2), ("empty", 0)])
def test_what_has_ended_is_a_lead(caplog: pytest.LogCaptureFixture, way: Any, url: str, how: str, parts: int) -> None:
    assert len(way(f"{url}{how}/")) == parts
    lead = Lead.objects.get()
    assert (lead.form, lead.name, lead.email, lead.custom) == ("contact", "Jo", CONTACT["email"], {"roof": "flat"})
    assert caplog.text == ""


@WAYS
def test_who_goes_away_after_the_first_item_is_a_lead(way: Any, url: str) -> None:
    assert len(way(f"{url}well/", at_most=1)) == 1
    assert Lead.objects.count() == 1


@WAYS
@pytest.mark.parametrize(("how", "leads"), [("fails", 0), ("breaks", 1)])
def test_what_fails_before_the_first_item_is_none(way: Any, url: str, how: str, leads: int) -> None:
    with pytest.raises(ValueError, match=how):
        way(f"{url}{how}/")
    assert Lead.objects.count() == leads


def test_what_is_no_generator() -> None:
    assert len(post("/listed/well/")) == 2
    assert Lead.objects.count() == 1
