"""The page of a lead: where it stands, its story, what it says and where from, and the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import admin
from django.db import router
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import clock
from ..conf import conf
from ..exceptions import OctanistConfigurationError, OctanistError
from ..health import has_key
from ..masking import Sight
from ..models import DeliveryAttempt, DeliveryPause, Lead
from ..vocabulary import CONSENT, SESSION_ID
from .acting import buttons
from .advice import Advice, advise
from .holding import held
from .shown import json_text
from .timeline import MOST_ATTEMPTS, steps
from .watched import Watched

if TYPE_CHECKING:

    class _Mixin(Watched, admin.ModelAdmin[Lead]): ...
else:
    _Mixin = object

SOURCES = {
    "query": gettext_lazy("the page's address"),
    "referer": gettext_lazy("the address of the page before"),
    "request": gettext_lazy("the request"),
    "remembered": gettext_lazy("an earlier page, remembered"),
    "form": gettext_lazy("the form"),
    "json": gettext_lazy("the JSON body"),
    "header": gettext_lazy("a header"),
    "given": gettext_lazy("the site's code"),
}
"""What stands in ``Lead.sources``, in words; what is not here is shown as it is."""
CONSENTED = {True: gettext_lazy("granted"), False: gettext_lazy("denied"), None: gettext_lazy("unknown")}
LONG = 400
"""Characters."""
TONES = {True: "granted", False: "denied", None: "unknown"}


class Value(NamedTuple):
    """A value of the lead, its name, and where it was read."""

    name: str
    value: str
    source: str = ""
    tone: str = ""

    @property
    def is_long(self) -> bool:
        """Whether it is shown in a box of its own, through which one scrolls."""
        return len(self.value) > LONG


class LeadPage(_Mixin):
    """The page's half of ``LeadAdmin``. Its own template shows what :func:`shown` returns."""

    fields = ()

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Lead | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context = {
                "octanist": shown(obj, sight=self.sight(request)),
                "octanist_buttons": buttons(request, obj, site=self.admin_site),
                **context,
            }
        return super().render_change_form(request, context, add=add, change=change, form_url=form_url, obj=obj)


def shown(lead: Lead, *, sight: Sight) -> dict[str, Any]:
    """Return what the template of the page shows of ``lead`` to somebody with ``sight``."""
    now = clock.now(using=router.db_for_read(Lead))
    pause = DeliveryPause.objects.filter(account=lead.account).first()
    waits = held(lead, is_paused=pause is not None, has_key=has_key(lead.account), now=now)
    attempts = list(lead.delivery_attempts.order_by("-id")[:MOST_ATTEMPTS])
    cut = lead.delivery_attempts.count() - len(attempts) if len(attempts) == MOST_ATTEMPTS else 0
    return {
        "lead": lead,
        "advice": _advice(lead, pause=pause, now=now),
        "steps": steps(lead, reversed(attempts), sight=sight, now=now, first=cut + 1, waits=waits),
        "cut": cut,
        "contact": _contact(lead, sight=sight),
        "ids": _ids(lead),
        "session": _session(lead, sight=sight),
        "attribution": [Value(name, value, _source(lead, name)) for name, value in lead.attribution.items()],
        "consent": _consent(lead),
        **_json(lead, attempts=attempts, sight=sight),
    }


def _advice(lead: Lead, *, pause: DeliveryPause | None, now: datetime) -> Advice:
    try:
        known, most = lead.account in conf.accounts and bool(conf.api_key(lead.account)), conf.max_attempts
    except OctanistConfigurationError as error:
        return Advice(state=_("A wrong setting keeps leads from being delivered; nothing is lost."), next=str(error))
    return advise(lead, pause=pause, has_key=known, max_attempts=most, now=now)


def _contact(lead: Lead, *, sight: Sight) -> list[Value]:
    return [
        Value(_("name"), sight.words(lead.name)),
        Value(_("e-mail"), sight.email(lead.email)),
        Value(_("phone"), sight.phone(lead.phone)),
        Value(_("note"), sight.text(lead.note)),
        *_custom(sight.json(lead.custom)),
    ]


def _custom(custom: Any) -> list[Value]:
    if not isinstance(custom, Mapping):
        return [Value(_("custom fields"), _plain(custom))] if custom else []
    return [Value(name, _plain(value)) for name, value in custom.items()]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)


def _ids(lead: Lead) -> list[Value]:
    return [
        Value(_("submission ID"), str(lead.submission_id)),
        Value(_("Octanist ID"), lead.octanist_id),
        Value(_("request ID"), lead.request_id),
    ]


def _session(lead: Lead, *, sight: Sight) -> Value:
    return Value(lead.get_linked_display(), sight.text(lead.session_id), _source(lead, SESSION_ID))


def _consent(lead: Lead) -> list[Value]:
    known = {name: lead.consent.get(name) for name in CONSENT}
    return [Value(name, str(CONSENTED[value]), _source(lead, name), TONES[value]) for name, value in known.items()]


def _source(lead: Lead, name: str) -> str:
    kind, colon, rest = str(lead.sources.get(name, "")).partition(":")
    if kind == "cookie" and colon:
        return _("the cookie %(name)s") % {"name": rest}
    return str(SOURCES[kind]) if kind in SOURCES and not colon else f"{kind}{colon}{rest}"


def _json(lead: Lead, *, attempts: list[DeliveryAttempt], sight: Sight) -> dict[str, Any]:
    """The exact body of the last attempt; of the next one where one may come: what is sent may be corrected by now."""
    sent = bool(attempts) and lead.status not in (Lead.Status.PENDING, Lead.Status.CANCELLED)
    if lead.erased_at is not None:
        return {"sent": sent, "problem": _("It was erased with the rest.")}
    # A next one goes first with the session, whatever was tried before.
    with_session = attempts[0].with_session if sent else True
    try:
        return {"sent": sent, "json": json_text(sight.payload(lead.payload(with_session=with_session)))}
    except OctanistError as error:
        return {"sent": False, "problem": str(error)}
