"""The front door: every way in calls :func:`capture_lead`, so that each rule stands once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DatabaseError, IntegrityError, connections, router, transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from . import attribution, clock, consent, dispatch, signals
from .alerts import alert
from .attribution import Visit, current_visit, visit_of
from .conf import DEFAULT_ACCOUNT, conf
from .consent import Consent
from .detection import FormField, assign, without_secrets
from .exceptions import OctanistConfigurationError, describe
from .models import Lead
from .text import clean_json, clean_line, clean_text
from .vocabulary import ATTRIBUTION, BY_NAME, CAMPAIGN, CONTACT, LEAD, SESSION_FIELD, SESSION_ID

logger = logging.getLogger("django_octanist")

Data = Mapping[str, Any]

EXPLICIT = "given"
"""The source of what the caller passed by its API name."""


def capture_lead(
    data: Data | Callable[[], Data],
    *,
    request: HttpRequest | None = None,
    form: str = "",
    account: str = DEFAULT_ACCOUNT,
) -> Lead | None:
    """Store a lead, to be delivered after the commit. Return it, or ``None`` where nothing was captured.

    ``data`` holds API names (``name``, ``email``, ``phone``, ``note``, ``custom``, also ``sessionId``, attribution
    and consent fields); other names are found by what they are called (``your_email``), and what is left over goes
    into ``custom``, less secrets. It may be a function that returns such a mapping, or a ``QueryDict``. Session,
    attribution and consent come from ``request`` where ``data`` does not have them; without ``request``, from the one
    that is being answered, where the middleware is installed.

    Nothing is captured, and the log says so, where nothing identifies the visitor (no name, email, phone, custom).
    An identical submission of the same visitor within ``OCTANIST_DEDUPE_SECONDS`` returns the lead that exists.

    Never raises: the row is written in a savepoint, and if that fails the caller's own work goes on, the error is
    logged without values, and the operator is alerted.
    """
    values: Data = {}
    try:
        if not conf.enabled:
            return None
        values = _plain(data() if callable(data) else data)
        if not values:
            return None
        return _store(_lead(values, request=request, form=form, account=account), request=request)
    except Exception as error:  # noqa: BLE001 - the site's form must succeed
        report_failure(error, form=form, names=values)
        return None


async def acapture_lead(
    data: Data | Callable[[], Data],
    *,
    request: HttpRequest | None = None,
    form: str = "",
    account: str = DEFAULT_ACCOUNT,
) -> Lead | None:
    """Do as :func:`capture_lead`, from async code; the database is used in a thread."""
    return await sync_to_async(capture_lead)(data, request=request, form=form, account=account)


def report_failure(error: Exception, *, form: str, names: Data) -> None:
    """Log that a lead of ``form`` could not be captured and alert the operator: cause and field names, no values."""
    cause, fields = describe(error), ", ".join(sorted(str(name)[:100] for name in names)) or "unknown"
    logger.error("Octanist: a lead of the form %r could not be captured: %s. Fields: %s.", form, cause, fields)
    try:
        alert(
            _("a lead could not be captured"),
            _("Form: %(form)s\nCause: %(cause)s\nFields: %(fields)s\n\nThe visitor's form succeeded; Octanist will not")
            % {"form": form, "cause": cause, "fields": fields}
            + _(" hear of this submission. The site's own data has it."),
            kind=f"capture:{form}",
        )
    except Exception as failure:  # noqa: BLE001 - likewise
        logger.error("Octanist: the operator could not be alerted: %s", describe(failure))


def _plain(data: Any) -> dict[str, Any]:
    if isinstance(data, MultiValueDict):
        return {name: values[0] if len(values) == 1 else values for name, values in data.lists()}
    if not isinstance(data, Mapping):
        raise OctanistConfigurationError(
            f"capture_lead() takes a mapping, or a function that returns one, not {type(data).__name__}"
        )
    return dict(data)


def _lead(values: dict[str, Any], *, request: HttpRequest | None, form: str, account: str) -> Lead:
    """Return the unsaved lead that ``values`` and ``request`` make."""
    known = set(conf.accounts)
    if account not in known:
        logger.warning("Octanist: the account %r has no key (known: %s). Its leads wait.", account, ", ".join(known))
    visit = visit_of(request) if request is not None else current_visit()
    session = _session(values, visit=visit)
    own = consent.read_posted(values)
    agreed = consent.merge(own, visit.consent if visit is not None else Consent())
    found = _attribution(values, visit=visit, agreed=agreed)
    sources = {name: item.source for name, item in found.items()}
    sources |= visit.consent_sources if visit is not None else {}
    sources |= {name: "form" for name, value in own.as_dict().items() if value is not None}
    return Lead(
        account=account,
        form=clean_line(form, max_length=200),
        session_id=session.value,
        attribution={name: item.value for name, item in found.items()},
        consent=agreed.as_dict(),
        sources=sources | ({SESSION_ID: session.source} if session.source else {}),
        **_content(values),
    )


def _session(values: Data, *, visit: Visit | None) -> attribution.Found:
    """The caller's own session id, else the posted one in ``data`` at any depth, else the request's."""
    return attribution.first_session_id(
        attribution.read_session_id(values.get(SESSION_ID), source=EXPLICIT),
        attribution.form_session_id(values),
        attribution.nested_session_id(values),
        visit.session if visit is not None else attribution.NOTHING,
    )


def _attribution(values: Data, *, visit: Visit | None, agreed: Consent) -> dict[str, attribution.Found]:
    found = visit.page | visit.campaign if visit is not None else {}
    for name in ATTRIBUTION:
        value = clean_line(str(values.get(name) or ""), max_length=BY_NAME[name].max_length)
        if value:
            found[name] = attribution.Found(value, EXPLICIT)
    if conf.require_consent and not agreed.allows_attribution:
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


def _store(lead: Lead, *, request: HttpRequest | None) -> Lead | None:
    if not (lead.name or lead.email or lead.phone or lead.custom):
        logger.warning(
            "Octanist: nothing was captured of the form %r: it has no name, email, phone or custom field"
            " (map them with octanist_fields).",
            lead.form,
        )
        return None
    database = router.db_for_write(Lead)
    with transaction.atomic(using=database):
        lead.created_at = lead.next_attempt_at = clock.now(using=database)
        stored, is_new = _insert(lead, database=database)
        if is_new:
            transaction.on_commit(lambda: dispatch.nudge(stored.account), using=database, robust=True)
            if signals.lead_captured.has_listeners(Lead):
                _announce(stored, request=request, database=database)
    return stored


def _announce(lead: Lead, *, request: HttpRequest | None, database: str) -> None:
    """Send ``lead_captured``. A receiver whose query fails must not take the lead's own savepoint with it."""
    try:
        with transaction.atomic(using=database):
            signals.send(signals.lead_captured, sender=Lead, lead=lead, request=request)
    except DatabaseError as error:
        logger.error("Octanist: what a receiver of lead_captured wrote is undone: %s", describe(error))


def _insert(lead: Lead, *, database: str) -> tuple[Lead, bool]:
    """Insert ``lead``, or return the one that an identical submission made a moment ago."""
    lead.dedupe_key = dedupe_key(lead) if conf.dedupe_seconds else None
    if lead.dedupe_key:
        twin = _twin(lead, database=database)
        if twin is not None:
            return twin, False
    try:
        with transaction.atomic(using=database):
            lead.save(using=database, force_insert=True)
    except IntegrityError:
        if not lead.dedupe_key:
            raise
        # The same submission came in through another process at the same moment.
        twin = Lead.objects.using(database).select_for_update().filter(dedupe_key=lead.dedupe_key).first()
        if twin is None:
            raise
        return twin, False
    return lead, True


def _twin(lead: Lead, *, database: str) -> Lead | None:
    """The identical lead within ``OCTANIST_DEDUPE_SECONDS``; an older one gives up its key."""
    twins = Lead.objects.using(database).filter(dedupe_key=lead.dedupe_key)
    old = lead.created_at - timedelta(seconds=conf.dedupe_seconds)
    if connections[database].vendor == "sqlite":
        # Written first and read then: SQLite refuses at once to turn a transaction that has read into one that writes,
        # where somebody else writes too, but waits its turn for one that begins with writing.
        twins.filter(created_at__lte=old).update(dedupe_key=None)
        return twins.first()
    # Elsewhere read first: MySQL would lock the gap where a key would be that is not there, and two visitors' forms
    # would wait for each other.
    twin = twins.first()
    if twin is not None and twin.created_at <= old:
        twins.filter(pk=twin.pk).update(dedupe_key=None)
        return None
    return twin


def dedupe_key(lead: Lead) -> str | None:
    """Return what identical submissions share, or ``None`` where nothing tells one visitor from another.

    A keyed hash: the content cannot be guessed from it.
    """
    if not (lead.name or lead.email or lead.phone or lead.session_id):
        return None
    same = [lead.account, lead.form, lead.name, lead.email, lead.phone, lead.note, lead.custom, lead.session_id]
    content = json.dumps(same, sort_keys=True, ensure_ascii=True)
    return salted_hmac("django_octanist.capture", content, algorithm="sha256").hexdigest()
