"""``Visit``: the class behind ``request.octanist``."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar, Token
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult

from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.encoding import escape_uri_path

from .. import consent
from ..conf import conf
from ..consent import Consent
from ..text import clean_line
from ..vocabulary import SESSION_FIELD, SESSION_HEADER, SESSION_ID
from . import page, remembered
from .cookies import BROWSER_IDS, read_cookies
from .elsewhere import ElsewhereRequest
from .found import NOTHING, Found
from .merge import arriving, merge
from .page import UNREADABLE
from .query import parse_query
from .session import first_session_id, form_session_id, nested_session_id, read_session_id

_NONE: Any = object()


class Visit:
    """What a request says about its visitor: session, page, attribution and consent. Behind ``request.octanist``.

    Every property is read when first asked for, and cached. True where there is a session or a campaign.
    """

    rows: list[Any] | None = None
    """What is noted of rows that became leads while the request is answered; None where nobody asks for it then."""

    def __init__(self, request: HttpRequest, *, body: Any = _NONE) -> None:
        self._request = request
        if body is not _NONE:
            # Whoever answers the request has read it already: it cannot be read twice.
            self.__dict__["body"] = body

    @classmethod
    def from_headers(
        cls, headers: Mapping[str, str], *, url: str, posted: Mapping[str, Any] | None = None, body: Any = None
    ) -> Visit:
        """Return the visit of a request that another framework answers, for ``capture_lead(…, visit=…)``.

        ``headers`` are the request's, names in any case; ``url`` is its whole URL, scheme and host included, which is
        believed; ``posted`` is what was in its form, ``body`` what was in its JSON.
        """
        return cls(ElsewhereRequest(headers, url=url, posted=posted), body=body)

    def __bool__(self) -> bool:
        return bool(self.session_id or self.campaign.keys() - set(BROWSER_IDS))

    @property
    def session_id(self) -> str:
        """The pixel's session id, or ``""``."""
        return self.session.value

    @cached_property
    def session(self) -> Found:
        """The session id and its source: posted form, header, JSON body, query, in that order."""
        return first_session_id(
            form_session_id(self.posted),
            read_session_id(self._request.headers.get(SESSION_HEADER), source="header"),
            nested_session_id(self.body),
            read_session_id(self._query.get(SESSION_FIELD), source="query"),
        )

    @property
    def is_by_staff(self) -> bool:
        """Whether Django's admin answers the request: then it says nothing of the person that a row is about."""
        match = getattr(self._request, "resolver_match", None)
        # A site's own app may be called that, too.
        is_admin = match is not None and "admin" in match.app_names
        return is_admin and bool(getattr(getattr(self._request, "user", None), "is_staff", True))

    @property
    def website(self) -> str:
        """Scheme and host of the page that the visitor saw, e.g. ``https://example.com``; ``""`` on a bad host.

        Those of the request, unless ``X-Octanist-Page`` names another site's page: see ``page``.
        """
        return self._page[0]

    @property
    def path(self) -> str:
        """Path of the page that the visitor saw: as the browser says (see ``page``), else of the request."""
        return self._page[1].value

    @cached_property
    def campaign(self) -> dict[str, Found]:
        """UTM parameters, click IDs and browser IDs by their API names, each with its source."""
        withdrawn = conf.remember == "consent" and self.consent.known and not self.consent.allows_attribution
        return merge(self.arriving, remembered={} if withdrawn else self.remembered, cookies=self.platforms)

    @cached_property
    def arriving(self) -> dict[str, Found]:
        """The campaign that this request brings, in its query or in that of the page that the visitor saw."""
        meta, now_ms = self._request.META, int(time.time() * 1000)
        query = parse_query(meta.get("QUERY_STRING", ""), now_ms=now_ms)
        # Whether it is of the same origin is looked at only where it brings something.
        brings = page.may_bring_a_query(meta) and self._seen
        referer = parse_query(brings.query, now_ms=now_ms) if brings else {}
        return arriving(query=query, referer=referer)

    @cached_property
    def remembered(self) -> dict[str, str]:
        """The campaign of an earlier request, from the app's own cookie."""
        return remembered.read(self._request)

    @cached_property
    def platforms(self) -> dict[str, Found]:
        """What the ad platforms' own cookies say."""
        return read_cookies(self._request.COOKIES, container=conf.ga4_container)

    @property
    def page(self) -> dict[str, Found]:
        """``website`` and ``path``, each with its source."""
        website, path = self._page
        return {"website": Found(website, path.source), "path": path} if website else {}

    @property
    def attribution(self) -> dict[str, str]:
        """Page, click IDs and UTM parameters by their API names."""
        return {name: found.value for name, found in (self.page | self.campaign).items()}

    @property
    def sources(self) -> dict[str, str]:
        """API name → where the value came from."""
        session = {SESSION_ID: self.session} if self.session.source else {}
        found = {name: found.source for name, found in (self.page | self.campaign | session).items()}
        return found | self.consent_sources

    @property
    def consent(self) -> Consent:
        """What the visitor consented to: as posted with the form, else as the consent platform's cookies say."""
        return consent.merge(self.posted_consent, self.stored_consent)

    @cached_property
    def posted_consent(self) -> Consent:
        """The four fields posted with the form or in a JSON body."""
        body = self.body if isinstance(self.body, Mapping) else {}
        return consent.merge(consent.read_posted(self.posted), consent.read_posted(body))

    @property
    def stored_consent(self) -> Consent:
        """What the readers of ``OCTANIST_CONSENT_READERS`` find."""
        return self._read_consent[0]

    @property
    def consent_sources(self) -> dict[str, str]:
        """Consent field → ``form`` or the name of the reader; a reader that learnt nothing says so."""
        posted, (_stored, reader) = self.posted_consent.as_dict(), self._read_consent
        sources = {name: reader if value is None else "form" for name, value in posted.items()}
        return {name: source for name, source in sources.items() if source}

    @cached_property
    def _read_consent(self) -> tuple[Consent, str]:
        return consent.read_stored(self._request)

    @cached_property
    def posted(self) -> Mapping[str, Any]:
        """The posted form's data; empty where the body is none or cannot be read."""
        try:
            return self._request.POST
        except UNREADABLE:
            return QueryDict()

    @cached_property
    def _query(self) -> Mapping[str, Any]:
        try:
            return self._request.GET
        except UNREADABLE:
            return QueryDict()

    @cached_property
    def body(self) -> Any:
        """The JSON body, or ``None``: no JSON, or read by the view as a stream."""
        if not re.fullmatch(r"(application|text)/([\w.-]+\+)?json", self._request.content_type or ""):
            return None
        try:
            return json.loads(self._request.body)
        except UNREADABLE:
            return None

    @cached_property
    def _seen(self) -> SplitResult | None:
        return page.seen(self._request)

    @cached_property
    def _page(self) -> tuple[str, Found]:
        try:
            website = clean_line(f"{self._request.scheme}://{self._request.get_host()}")
        except UNREADABLE:
            return "", NOTHING
        if self._seen:
            website = page.other_website(self._seen, own=website) or website
            return website, Found(clean_line(self._seen.path) or "/", "referer")
        return website, Found(clean_line(escape_uri_path(self._request.path)), "request")


def visit_of(request: Any) -> Visit:
    """Return ``request.octanist``, or a new :class:`Visit` where the middleware is not installed.

    A request that wraps Django's own (Django REST framework's) has read the body, and says what was in it.
    """
    wrapped = getattr(request, "_request", None)
    if isinstance(wrapped, HttpRequest):
        return _wrapped_visit(request, wrapped)
    visit = getattr(request, "octanist", None)
    return visit if isinstance(visit, Visit) else Visit(request)


def _wrapped_visit(request: Any, wrapped: HttpRequest) -> Visit:
    try:
        body = request.data
    except Exception:  # noqa: BLE001 - no parser can read it; the headers are there all the same
        return Visit(wrapped)
    # What was posted as a form is in the wrapped request's POST.
    return Visit(wrapped) if isinstance(body, MultiValueDict) else Visit(wrapped, body=body)


# In a list, which is emptied: a task that a request began has a copy of the context, and may outlive the request.
_current: ContextVar[list[Visit]] = ContextVar("octanist_visit")


def current_visit() -> Visit | None:
    """Return the visit of the request that is being answered in this thread or task; ``None`` outside of one.

    The middleware leaves it, so that code without a request captures with the same attribution.
    """
    held = _current.get(None)
    return held[0] if held else None


def enter(visit: Visit) -> Token[list[Visit]]:
    """Make ``visit`` the current one; give what this returns to :func:`leave`."""
    return _current.set([visit])


def leave(token: Token[list[Visit]], *, ended: bool = True) -> None:
    """Make the visit before current again; where it has ``ended``, it is nobody's any more, also for tasks that were
    begun meanwhile. It has not where a view goes on in its thread although the visitor went away."""
    if ended:
        _current.get().clear()
    _current.reset(token)
