"""Operations of a site with Django Ninja. Their annotations are text, as in most modules of today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from ninja import Body, Cookie, Field, Form, Header, NinjaAPI, Query, Schema
from ninja.errors import HttpError
from pydantic import AliasChoices, AliasPath, EmailStr, RootModel, SecretStr

from django_octanist.capture import acapture_lead, capture_lead
from django_octanist.contrib.ninja import captures_lead
from tests.site.models import Quote

api = NinjaAPI()


class Contact(Schema):
    name: str
    email: str
    roof: str = ""


class Person(Schema):
    full_name: str = ""
    reach_at: EmailStr
    unlock: SecretStr | None = None


class Roof(Schema):
    kind: str
    gate: str = Field("", json_schema_extra={"format": "password"})


class Enquiry(Schema):
    who: Person
    roofs: list[Roof] = []
    password: str = ""
    tags: list[str] = []
    more: dict[str, Roof] = {}


class Card(Schema):
    kind: str
    digits: str = Field("", alias="number")


class Login(Schema):
    value: str
    deep: dict[str, Card] = {}


@dataclass
class Door:
    colour: str
    password: str


class Aliased(Schema):
    email: str
    a: str = Field("", alias="password")
    b: str = Field("", alias="cardNumber")
    c: str = Field("", validation_alias="wachtwoord")
    d: str = Field("", validation_alias=AliasChoices("code", "pinPin", "pin"))
    e: str = Field("", validation_alias=AliasChoices("key", AliasPath("keys", "token", 0)))
    f: str = Field("", validation_alias=AliasPath("bank", "account"))
    g: str = Field("", serialization_alias="iban")
    h: Card = Field(..., alias="card")
    i: list[Card] = Field([], serialization_alias="card")
    j: Login = Field(..., alias="token")
    bus: Login = Field(..., alias="pass")
    door: Door
    roof: str = Field("", alias="roofKind")


class Nested(Schema):
    contact: Aliased = Field(..., alias="within")
    many: list[Aliased] = []
    named: dict[str, Aliased] = {}


class Visit(Schema):
    at: str
    who: Person | None = None


class Campaign(Schema):
    utm_source: str = ""


@api.post("/contact/")
@captures_lead(form="contact")
def contact(request: HttpRequest, payload: Contact) -> dict[str, bool]:
    Quote.objects.create(full_name=payload.name, email=payload.email)
    return {"done": True}


@api.post("/async/")
@captures_lead(form="contact")
async def asynchronous(request: HttpRequest, payload: Contact) -> dict[str, bool]:
    await Quote.objects.acreate(full_name=payload.name, email=payload.email)
    return {"done": True}


@api.post("/rows/")
@captures_lead(form="contact")
def rows(request: HttpRequest, payload: list[Contact]) -> dict[str, bool]:
    for item in payload:
        Quote.objects.create(full_name=item.name, email=item.email)
    return {"done": True}


@api.post("/two-rows/")
@captures_lead(form="contact")
def two_rows(request: HttpRequest, payload: Contact) -> dict[str, bool]:
    for name in (payload.name, "Flo"):
        Quote.objects.create(full_name=name, email=payload.email)
    return {"done": True}


def marked(operation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(operation)
    def inner(*arguments: Any, **named: Any) -> Any:
        return operation(*arguments, **named)

    return markcoroutinefunction(inner)


@api.post("/marked/")
@marked
@captures_lead(form="contact")
async def asynchronous_and_marked(request: HttpRequest, payload: Contact) -> dict[str, bool]:
    await Quote.objects.acreate(full_name=payload.name, email=payload.email)
    return {"done": True}


@api.post("/form/")
@captures_lead(form="contact")
def form(request: HttpRequest, payload: Form[Contact]) -> dict[str, bool]:
    Quote.objects.create(full_name=payload.name, email=payload.email)
    return {"done": True}


@api.post("/itself/")
def itself(request: HttpRequest, payload: Contact) -> dict[str, bool]:
    capture_lead(payload.dict(), request=request, form="contact")
    return {"done": True}


@api.post("/async-itself/")
async def async_itself(request: HttpRequest, payload: Contact) -> dict[str, bool]:
    await acapture_lead(payload.dict(), request=request, form="contact")
    return {"done": True}


@api.post("/enquiry/")
@captures_lead()
def enquiry(request: HttpRequest, payload: Enquiry, campaign: Query[Campaign]) -> dict[str, bool]:
    return {"done": True}


@api.post("/mapped/")
@captures_lead(fields={"name": "who__full_name", "note": "tags"}, exclude=["roofs", "more"])
def mapped(request: HttpRequest, payload: Enquiry) -> dict[str, bool]:
    return {"done": True}


@api.post("/wrong/")
@captures_lead(fields={"name": "who__nam"})
def wrong(request: HttpRequest, payload: RootModel[Enquiry]) -> dict[str, bool]:
    return {"done": True}


@api.post("/values/form/{code}/")
@captures_lead(form="values", fields={"note": "why"})
def values_of_form(
    request: HttpRequest,
    code: str,
    name: Form[str],
    reach_at: Form[EmailStr],
    lock: Form[SecretStr],
    tags: Form[list[str]],
    word: str = Form("", alias="password"),
    why: str = Form("", alias="reason"),
    nothing: str | None = Form(None),
) -> dict[str, bool]:
    return {"done": bool(word and code)}


@api.post("/values/query/")
@captures_lead(form="values")
def values_of_query(
    request: HttpRequest, name: str = "", email: str = "", token: str = "", note: str = "", page: int = 1
) -> dict[str, bool]:
    return {"done": True}


@api.post("/values/body/")
@captures_lead(form="values")
async def values_of_body(
    request: HttpRequest, name: Body[str], email: Body[str], card: Body[dict[str, str]], utm_source: Query[str]
) -> dict[str, bool]:
    return {"done": True}


@api.post("/values/mixed/")
@captures_lead(form="values")
def values_beside_a_schema(
    request: HttpRequest, contact: Contact, card: Card, note: Body[str], name: Query[str]
) -> dict[str, bool]:
    return {"done": True}


@api.post("/values/list/")
@captures_lead(form="values")
def values_beside_a_list(request: HttpRequest, contacts: list[Contact], note: Body[str]) -> dict[str, bool]:
    return {"done": True}


@api.post("/any/")
@captures_lead(form="any", fields={"phone": "ring_me"})
def anything(request: HttpRequest, payload: Body[Any]) -> dict[str, bool]:
    return {"done": True}


@api.post("/mapping/")
@captures_lead(form="any", fields={"phone": "ring_me"})
def mapping(request: HttpRequest, payload: Body[dict[str, Any]]) -> dict[str, bool]:
    return {"done": True}


@api.post("/dataclass/")
@captures_lead(form="any")
def door(request: HttpRequest, payload: Body[Door]) -> dict[str, bool]:
    return {"done": True}


@api.post("/optional/")
@captures_lead(fields={"name": "who__full_name"})
def optional(request: HttpRequest, payload: Contact | Visit | None = None) -> dict[str, bool]:
    return {"done": True}


@api.post("/many/")
@captures_lead(form="many")
def many(request: HttpRequest, payload: list[Contact], campaign: Query[Campaign]) -> dict[str, bool]:
    return {"done": True}


@api.post("/async-many/")
@captures_lead(form="many")
async def async_many(request: HttpRequest, payload: list[Contact], campaign: Query[Campaign]) -> dict[str, bool]:
    return {"done": True}


@api.post("/root/")
@captures_lead(form="many")
def root(request: HttpRequest, payload: RootModel[list[Contact]], campaign: Query[Campaign]) -> dict[str, bool]:
    return {"done": True}


@api.post("/one-or-many/")
@captures_lead(form="many")
def one_or_many(
    request: HttpRequest, payload: Body[Contact | list[Contact]], campaign: Query[Campaign]
) -> dict[str, bool]:
    return {"done": True}


@api.post("/beside/")
@captures_lead(exclude=["sheds"])
def beside(request: HttpRequest, contact: Contact, roofs: list[Roof], sheds: list[Roof]) -> dict[str, bool]:
    return {"done": True}


class Tokens(Schema):
    authorization: str = ""
    key: str = Field("", alias="X-Api-Key")


class Jar(Schema):
    sessionid: str


@api.post("/browser/")
@captures_lead()
def browser(
    request: HttpRequest,
    payload: Contact,
    headers: Header[Tokens],
    cookies: Cookie[Jar],
    letter: str = Header(alias="X-Visitor"),
    visitor: str = Cookie(...),
) -> dict[str, bool]:
    return {"done": headers.authorization == headers.key == cookies.sessionid == letter == visitor == "s3cret"}


@api.post("/browser-many/")
@captures_lead()
def browser_many(
    request: HttpRequest, payload: list[Contact], headers: Header[Tokens], cookies: Cookie[Jar]
) -> dict[str, bool]:
    return {"done": headers.authorization == cookies.sessionid == "s3cret"}


@api.post("/aliased/")
@captures_lead()
def aliased(request: HttpRequest, payload: Aliased) -> dict[str, bool]:
    return {"done": True}


@api.post("/aliased-nested/")
@captures_lead()
def aliased_nested(request: HttpRequest, payload: Nested) -> dict[str, bool]:
    return {"done": True}


@api.post("/ends/{how}/", response={200: Any, 201: Any, 409: Any})
@captures_lead(form="contact")
def ends(request: HttpRequest, how: str, payload: Contact) -> Any:
    if how == "raises":
        raise HttpError(422, "no")
    if how == "response":
        return HttpResponse(status=409)
    return (409 if how == "refused" else 201), {"done": how == "created"}


urlpatterns = [path("api/", api.urls)]
