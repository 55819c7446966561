"""What makes a lead of a submission: its content by API names, session, attribution and consent. Nothing is stored."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from .. import attribution, consent
from ..attribution import Visit
from ..conf import conf
from ..consent import Consent
from ..detection import FormField, assign, without_secrets
from ..models import Lead
from ..plain import as_json, as_text, is_blank, is_scalar
from ..text import clean_json, clean_line, clean_text
from ..vocabulary import ATTRIBUTION, BY_NAME, CAMPAIGN, CONTACT, SESSION_FIELD, SESSION_ID
from .lenient import safely

logger = logging.getLogger("django_octanist")

Data = Mapping[str, Any]

EXPLICIT = "given"
"""The source of what the caller passed by its API name."""


def draft(values: dict[str, Any], *, visit: Visit | None, form: str, account: str) -> Lead:
    """Return the unsaved lead that ``values`` and ``visit`` make, for ``form`` and ``account``."""
    known = safely(lambda: set(conf.accounts), otherwise={account})
    if account not in known:
        logger.warning("Octanist: the account %r has no key (known: %s). Its leads wait.", account, ", ".join(known))
    plain = {as_text(as_json(name)): as_json(value) for name, value in values.items()}
    session = _session(plain, visit=visit, nested=values)
    own = consent.read_posted(plain)
    agreed, read_from = _consent(visit, own=own)
    may_attribute = agreed.allows_attribution or not safely(lambda: conf.require_consent, otherwise=True)
    found = _attribution(plain, visit=visit, may_attribute=may_attribute)
    sources = {name: item.source for name, item in found.items()} | read_from
    sources |= {name: "form" for name, value in own.as_dict().items() if value is not None}
    attributed = {name: item.value for name, item in found.items()}
    return Lead(
        account=account,
        form=clean_line(form, max_length=200),
        session_id=session.value,
        linked=_linked(session),
        attribution=attributed,
        source=attribution.source_word(attributed, linked=bool(session.value)),
        consent=agreed.as_dict(),
        sources=sources | ({SESSION_ID: session.source} if session.source else {}),
        **_content(plain, may_attribute=may_attribute),
    )


def _consent(visit: Visit | None, *, own: Consent) -> tuple[Consent, dict[str, str]]:
    """What the visitor agreed to, with the sources of it; unknown where the request's cannot be read."""
    if visit is None:
        return own, {}
    unread: tuple[Consent, dict[str, str]] = (Consent(), {})
    read, sources = safely(lambda: (visit.consent, visit.consent_sources), otherwise=unread)
    return consent.merge(own, read), sources


def _session(values: Data, *, visit: Visit | None, nested: Data) -> attribution.Found:
    """The caller's own session id, else the posted one in ``nested`` data at any depth, else the request's."""
    return attribution.first_session_id(
        attribution.read_session_id(values.get(SESSION_ID), source=EXPLICIT),
        attribution.form_session_id(values),
        attribution.nested_session_id(nested),
        visit.session if visit is not None else attribution.NOTHING,
    )


def _linked(session: attribution.Found) -> Lead.Linked:
    if session.value:
        return Lead.Linked.YES
    return Lead.Linked.REFUSED if session.source.startswith(attribution.REFUSED) else Lead.Linked.NO


def _attribution(values: Data, *, visit: Visit | None, may_attribute: bool) -> dict[str, attribution.Found]:
    found: dict[str, attribution.Found] = {}
    if visit is not None:
        found = visit.page | safely(lambda: visit.campaign, otherwise=found)
    for name in ATTRIBUTION:
        value = clean_line(as_text(values.get(name) or ""), max_length=BY_NAME[name].max_length)
        if value:
            found[name] = attribution.Found(value, EXPLICIT)
    return found if may_attribute else {name: item for name, item in found.items() if name not in CAMPAIGN}


def _content(values: Data, *, may_attribute: bool) -> dict[str, Any]:
    """The lead's own columns: API names first, then what is found by name, the rest into ``custom``."""
    rest = {name: value for name, value in values.items() if name not in BY_NAME and name != SESSION_FIELD}
    given = {name: as_text(values[name]) for name in (*CONTACT, "note") if not is_blank(values.get(name))}
    fields = [FormField(name=name) for name, value in rest.items() if is_scalar(value)]
    blank = {name for name, value in rest.items() if is_blank(value)}
    for lead_field, names in assign(fields, taken=given, blank=blank).items():
        given[lead_field] = " ".join(filter(None, (as_text(rest.pop(name)).strip() for name in names)))
    columns: dict[str, Any] = {
        name: clean_line(given.get(name, ""), max_length=BY_NAME[name].max_length) for name in CONTACT
    }
    custom = _custom(values.get("custom"), rest=rest, may_attribute=may_attribute)
    return columns | {"note": clean_text(given.get("note", "")), "custom": custom}


def _custom(own: Any, *, rest: dict[str, Any], may_attribute: bool) -> Any:
    """The site's own ``custom`` with what was left over; a site's own text stays as it is if nothing was.

    The campaign may hide in fields that stand for none of the API's (``fbclid``, ``utm_term``): see ``names``.
    """
    also = None if may_attribute else attribution.is_campaign_name
    if own and not isinstance(own, Mapping):
        if not rest:
            return clean_json(without_secrets(own, also=also))
        own = {"custom": own}
    filled = {name: value for name, value in {**rest, **(own or {})}.items() if not _is_empty(value)}
    return clean_json(without_secrets(filled, also=also))


def _is_empty(value: Any) -> bool:
    return is_blank(value) if isinstance(value, str) else value in (None, [], {})
