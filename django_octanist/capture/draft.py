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
from ..text import clean_json, clean_line, clean_text
from ..vocabulary import ATTRIBUTION, BY_NAME, CAMPAIGN, CONTACT, LEAD, SESSION_FIELD, SESSION_ID
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
    session = _session(values, visit=visit)
    own = consent.read_posted(values)
    agreed, read_from = _consent(visit, own=own)
    found = _attribution(values, visit=visit, agreed=agreed)
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
        **_content(values),
    )


def _consent(visit: Visit | None, *, own: Consent) -> tuple[Consent, dict[str, str]]:
    """What the visitor agreed to, with the sources of it; unknown where the request's cannot be read."""
    if visit is None:
        return own, {}
    unread: tuple[Consent, dict[str, str]] = (Consent(), {})
    read, sources = safely(lambda: (visit.consent, visit.consent_sources), otherwise=unread)
    return consent.merge(own, read), sources


def _session(values: Data, *, visit: Visit | None) -> attribution.Found:
    """The caller's own session id, else the posted one in ``data`` at any depth, else the request's."""
    return attribution.first_session_id(
        attribution.read_session_id(values.get(SESSION_ID), source=EXPLICIT),
        attribution.form_session_id(values),
        attribution.nested_session_id(values),
        visit.session if visit is not None else attribution.NOTHING,
    )


def _linked(session: attribution.Found) -> Lead.Linked:
    if session.value:
        return Lead.Linked.YES
    return Lead.Linked.REFUSED if session.source.startswith(attribution.REFUSED) else Lead.Linked.NO


def _attribution(values: Data, *, visit: Visit | None, agreed: Consent) -> dict[str, attribution.Found]:
    found: dict[str, attribution.Found] = {}
    if visit is not None:
        found = visit.page | safely(lambda: visit.campaign, otherwise=found)
    for name in ATTRIBUTION:
        value = clean_line(str(values.get(name) or ""), max_length=BY_NAME[name].max_length)
        if value:
            found[name] = attribution.Found(value, EXPLICIT)
    if not agreed.allows_attribution and safely(lambda: conf.require_consent, otherwise=True):
        return {name: item for name, item in found.items() if name not in CAMPAIGN}
    return found


def _content(values: dict[str, Any]) -> dict[str, Any]:
    """The lead's own columns: API names first, then what is found by name, the rest into ``custom``."""
    rest = {name: value for name, value in values.items() if name not in BY_NAME and name != SESSION_FIELD}
    given = {name: values[name] for name in LEAD if values.get(name) not in (None, "")}
    fields = [FormField(name=str(name)) for name, value in rest.items() if isinstance(value, str)]
    for lead_field, names in assign(fields, taken=given).items():
        given[lead_field] = " ".join(filter(None, (rest.pop(name).strip() for name in names)))
    columns: dict[str, Any] = {
        name: clean_line(_text(given.get(name)), max_length=BY_NAME[name].max_length) for name in CONTACT
    }
    return columns | {"note": clean_text(_text(given.get("note"))), "custom": _custom(given.get("custom"), rest=rest)}


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


def _custom(own: Any, *, rest: dict[str, Any]) -> Any:
    """The site's own ``custom`` with what was left over; a site's own text stays as it is if nothing was."""
    if own and not isinstance(own, Mapping):
        if not rest:
            return clean_json(own)
        own = {"custom": own}
    filled = {name: value for name, value in {**rest, **(own or {})}.items() if value not in (None, "", [], {})}
    return clean_json(without_secrets(filled))
