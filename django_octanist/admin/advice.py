"""What became of a lead, and what to do next, in a sentence each. Decides without a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..conf import key_setting
from ..models import DUPLICATE_CODE, HELD_CODE, DeliveryPause, Lead
from .errors import BY_CODE
from .keys import with_spelling
from .shown import moment_shown, until_shown

Status = Lead.Status
Reason = DeliveryPause.Reason


@dataclass(frozen=True, kw_only=True)
class Advice:
    """``state``: where the lead stands. ``next``: what to do about it, or that there is nothing to do."""

    state: str
    next: str
    in_overview: bool = False
    """Whether it is done in the overview."""


def advise(lead: Lead, *, pause: DeliveryPause | None, has_key: bool, max_attempts: int, now: datetime) -> Advice:
    """Return the advice for ``lead``, whose account is paused as ``pause`` says, at the moment ``now``."""
    if lead.erased_at is not None:
        return Advice(
            state=_ended_once(
                _("What it said of a person was removed on %(moment)s.") % {"moment": moment_shown(lead.erased_at)}
            ),
            next=_("Nothing is left to do: it is not sent any more."),
        )
    if lead.status == Status.PENDING:
        return _of_pending(lead, pause=pause, has_key=has_key, max_attempts=max_attempts, now=now)
    return _of_finished(lead)


def _ended_once(sentence: str) -> str:
    """A time may end with a full stop of its own: ``p.m.``"""
    return sentence[:-1] if sentence.endswith("..") else sentence


def _of_finished(lead: Lead) -> Advice:
    if lead.status == Status.DELIVERED:
        return Advice(
            state=_("Octanist has it, as %(id)s.") % {"id": lead.octanist_id or "-"}, next=_("Nothing is left to do.")
        )
    if lead.status == Status.REJECTED:
        return Advice(
            state=_("Octanist's filtering rules turned it away. That is final, and not a failure."),
            next=_("If it should have been let in, change the rules at Octanist, then send it again."),
        )
    if lead.status == Status.INVALID:
        return Advice(
            state=_("Octanist refused the data."),
            next=_("See in the last attempt what was refused, correct the contact, and send it again."),
        )
    if lead.status == Status.CANCELLED and lead.error_code == DUPLICATE_CODE:
        return Advice(state=str(BY_CODE[DUPLICATE_CODE]), next=_("Nothing is left to do."))
    if lead.status == Status.CANCELLED:
        lost = _("An operator stopped it, and the answer to an attempt was lost: Octanist may have it.")
        return Advice(
            state=lost if lead.uncertain else _("An operator stopped it before it was delivered."),
            next=_("If it should be delivered after all, send it again."),
        )
    return _of_failed(lead)


def _of_failed(lead: Lead) -> Advice:
    if lead.error_code == HELD_CODE:
        return Advice(
            state=_("The answer to an attempt was lost, and only a person can tell whether Octanist has the lead."),
            next=_("Look for it at Octanist. If it is not there, send it again."),
        )
    return Advice(
        state=ngettext(
            "It was given up after %(attempts)d failed attempt.",
            "It was given up after %(attempts)d failed attempts.",
            lead.attempts,
        )
        % {"attempts": lead.attempts},
        next=_("See in the last attempts why. Once that is mended, send it again. Nothing is lost."),
    )


def _of_pending(lead: Lead, *, pause: DeliveryPause | None, has_key: bool, max_attempts: int, now: datetime) -> Advice:
    if lead.lease is not None and lead.next_attempt_at is not None and lead.next_attempt_at > now:
        return Advice(state=_("It is being sent right now."), next=_("Look again in a moment."))
    if not has_key:
        return _of_keyless(lead.account)
    if pause is not None:
        return _of_paused(pause, now=now)
    if lead.next_attempt_at is not None and lead.next_attempt_at > now:
        return _of_later(lead, max_attempts=max_attempts, now=now)
    return Advice(
        state=_("It is due now."),
        next=_("It goes out within a minute. If it does not, nobody delivers: run octanist_status on the server."),
    )


def _of_keyless(account: str) -> Advice:
    mend = _("Set %(setting)s: the leads then go out by themselves.") % {"setting": key_setting(account)}
    return Advice(
        state=_("The account %(account)s has no API key. Leads wait; nothing is lost.") % {"account": account},
        next=with_spelling(mend, account=account),
    )


def _of_later(lead: Lead, *, max_attempts: int, now: datetime) -> Advice:
    moment = until_shown(lead.next_attempt_at, now=now)
    if lead.uncertain:
        return Advice(
            state=_("The answer to the last attempt was lost, so Octanist may have it already."),
            next=_("Nothing to do: %(moment)s Octanist is asked for it, and it is sent again only if it is not there.")
            % {"moment": moment},
        )
    return Advice(
        state=_("The last attempt failed; %(attempts)d of %(most)d attempts are used up.")
        % {"attempts": lead.attempts, "most": max_attempts},
        next=_("Nothing to do: it is tried again %(moment)s.") % {"moment": moment},
    )


def _of_paused(pause: DeliveryPause, *, now: datetime) -> Advice:
    states = {
        Reason.UNAUTHORIZED: _("The API key was refused. Leads wait; nothing is lost."),
        Reason.OUTAGE: _("Octanist does not answer as it should. Leads wait; nothing is lost."),
        Reason.RATE_LIMITED: _("Octanist asked to send more slowly. Leads wait; nothing is lost."),
        Reason.ENDPOINT: _("What answers at OCTANIST_API_URL is not Octanist's API. Leads wait; nothing is lost."),
    }
    mends = {
        Reason.UNAUTHORIZED: _("Set the right API key and restart the site, then check the key in the overview."),
        Reason.ENDPOINT: _("Set OCTANIST_API_URL right and restart the site, then check the key in the overview."),
    }
    waits = _("Nothing to do: the next lead is tried %(moment)s, and all others follow when it works.")
    reason = Reason(pause.reason)
    return Advice(
        state=states[reason],
        next=mends.get(reason) or waits % {"moment": until_shown(pause.probe_at, now=now)},
        in_overview=reason in mends,
    )
