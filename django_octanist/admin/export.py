"""The filtered leads as CSV (RFC 4180): streamed in batches, masked as the list is, and harmless in a spreadsheet.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula, and a visitor may have typed
one. What could be one gets an apostrophe in front, as OWASP says (CSV injection), also behind a character at which a
spreadsheet of another country ends a cell or a row.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import URLPattern, path
from django.utils import timezone

from ..masking import Sight
from ..models import Lead
from ..vocabulary import ATTRIBUTION, CONSENT, SESSION_ID
from .addresses import address
from .shown import local
from .watched import Watched

if TYPE_CHECKING:

    class _Mixin(Watched, admin.ModelAdmin[Lead]): ...
else:
    _Mixin = object

BATCH = 2_000
"""Leads that are in memory at once."""
BOM = "\ufeff"
"""By which Excel knows that it is UTF-8."""
UNKNOWN = "unknown"
CONSENT_WORDS = {True: "granted", False: "denied"}
COLUMNS = (
    *("id", "submission_id", "captured", "status", "form", "account"),
    *("name", "email", "phone", "note", "custom"),
    *(SESSION_ID, "linked", "source", *ATTRIBUTION, *CONSENT),
    *("attempts", "delivered_at", "octanist_id", "request_id", "error_code", "error"),
)
UNREAD = ("email_lower", "sources", "dedupe_key")

# Spaces and quotes before a sign are overlooked by some. The last four are its full-width forms, for Japan's.
_FORMULA = re.compile(r"""^(?=[\t\r\n\0])|(^|[;\t\r\n])(?=(?:[^\S\t\r\n]|["'])*[=+\-@\uff1d\uff0b\uff0d\uff20])""")


def harmless(text: str) -> str:
    """Return ``text`` with an apostrophe before whatever a spreadsheet might take for a formula."""
    return _FORMULA.sub(r"\1'", text)


def rows(leads: Iterable[Lead], *, sight: Sight) -> Iterator[list[Any]]:
    """Return the leads' values by :data:`COLUMNS`, as ``sight`` shows them."""
    for lead in leads:
        yield [harmless(value) if value and isinstance(value, str) else value for value in _values(lead, sight)]


def _values(lead: Lead, sight: Sight) -> list[Any]:
    return [
        *(lead.pk, str(lead.submission_id), _iso(lead.created_at), lead.status, lead.form, lead.account),
        *(sight.words(lead.name), sight.email(lead.email), sight.phone(lead.phone), sight.text(lead.note)),
        json.dumps(sight.json(lead.custom), ensure_ascii=False) if lead.custom else "",
        *(sight.text(lead.session_id), lead.linked, lead.source),
        *(lead.attribution.get(name, "") for name in ATTRIBUTION),
        *(CONSENT_WORDS.get(lead.consent.get(name), UNKNOWN) for name in CONSENT),
        *(lead.attempts, _iso(lead.delivered_at), lead.octanist_id, lead.request_id),
        *(lead.error_code, sight.text(lead.error)),
    ]


def _iso(moment: datetime | None) -> str:
    return local(moment).isoformat(timespec="seconds") if moment else ""


def chunks(leads: QuerySet[Lead], *, sight: Sight) -> Iterator[str]:
    """Return the file piece by piece, newest lead first: the heads, then :data:`BATCH` leads at a time.

    Each batch is a query of its own, from where the last one ended: no transaction and no cursor stays open.
    """
    yield BOM + _lines([COLUMNS])
    leads = leads.order_by("-pk").defer(*UNREAD)
    batch = list(leads[:BATCH])
    while batch:
        yield _lines(rows(batch, sight=sight))
        last = batch[-1].pk
        # Let go of before the next is read, or two would be in memory at once.
        batch.clear()
        batch += leads.filter(pk__lt=last)[:BATCH]


def _lines(values: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(values)
    return text.getvalue()


async def _apart(pieces: Iterator[str]) -> AsyncIterator[str]:
    """The same under ASGI, where Django would read all of a plain iterator into memory first."""
    while piece := await sync_to_async(_next)(pieces):
        yield piece


def _next(pieces: Iterator[str]) -> str:
    return next(pieces, "")


class LeadExport(_Mixin):
    """The export's part of ``LeadAdmin``."""

    def get_urls(self) -> list[URLPattern]:
        export = path("export/", self.admin_site.admin_view(self.export_view), name="octanist_lead_export")
        return [export, *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The leads that the list shows with the same address, all pages of it."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            listed = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"{address('lead_changelist', site=self.admin_site)}?e=1")
        pieces = chunks(listed.queryset, sight=self.sight(request))
        return StreamingHttpResponse(
            _apart(pieces) if isinstance(request, ASGIRequest) else pieces,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="leads-{local(timezone.now()):%Y-%m-%d}.csv"'},
        )
