"""The words of each alert. Called in the operators' language; no personal data, and no error's own text."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..conf import conf, key_setting
from ..exceptions import OctanistConfigurationError
from ..models import DeliveryPause, Lead
from . import links


class Text(NamedTuple):
    """A mail: what it is about, what it says, and where it leads to (``""``: nowhere)."""

    subject: str
    body: str
    link: str


def capture_failed(*, form: str, cause: str, fields: str) -> Text:
    """Return what is said of a submission that is no lead; ``fields`` are names."""
    facts = _("Form: %(form)s\nCause: %(cause)s\nFields: %(fields)s") % {"form": form, "cause": cause, "fields": fields}
    rest = _(
        "The visitor's form succeeded; Octanist will not hear of this submission. The site's own data has it."
        " Of further ones of this form within the hour only the log tells."
    )
    return Text(_("a lead could not be captured"), f"{facts}\n\n{rest}", links.to_overview())


def lead_lost(lead: Lead) -> Text:
    """Return what is said of one lead that was given up or found invalid."""
    values = {"key": lead.pk, "form": lead.form or "-", "account": lead.account}
    if lead.status == Lead.Status.INVALID:
        subject = _("a lead of the account %(account)s was found invalid")
        fact = _("Octanist found lead %(key)s (form: %(form)s, account: %(account)s) invalid.")
    else:
        subject = _("a lead of the account %(account)s could not be delivered")
        fact = _("Lead %(key)s (form: %(form)s, account: %(account)s) could not be delivered.")
    code = _("The code is %(code)s.") % {"code": lead.error_code} if lead.error_code else ""
    body = " ".join(filter(None, [fact % values, code, _("Why, and what to do, is on its page.")]))
    return Text(subject % values, body, links.to_lead(lead.pk))


def leads_lost(status: str, account: str, *, number: int, since: datetime | None) -> Text:
    """Return what is said of ``number`` leads, those that came after ``since`` (``None``: all just now)."""
    invalid = status == Lead.Status.INVALID
    values = {"number": _amount(number), "account": account}
    subject = (_invalid(number) if invalid else _failed(number)) % values
    body = f"{subject}."
    if since is not None:
        body = (_invalid_since(number) if invalid else _failed_since(number)) % {**values, "since": _moment(since)}
    why = ngettext("Why, and what to do, is on its page.", "Why, and what to do, is on the page of each.", number)
    return Text(subject, f"{body} {why}", links.to_leads(status=status, account=account))


def _invalid(number: int) -> str:
    return ngettext(
        "%(number)s lead of the account %(account)s was found invalid",
        "%(number)s leads of the account %(account)s were found invalid",
        number,
    )


def _invalid_since(number: int) -> str:
    return ngettext(
        "%(number)s lead of the account %(account)s was found invalid since %(since)s.",
        "%(number)s leads of the account %(account)s were found invalid since %(since)s.",
        number,
    )


def _failed(number: int) -> str:
    return ngettext(
        "%(number)s lead of the account %(account)s could not be delivered",
        "%(number)s leads of the account %(account)s could not be delivered",
        number,
    )


def _failed_since(number: int) -> str:
    return ngettext(
        "%(number)s lead of the account %(account)s could not be delivered since %(since)s.",
        "%(number)s leads of the account %(account)s could not be delivered since %(since)s.",
        number,
    )


def leads_wait(
    account: str,
    *,
    number: int,
    oldest: datetime,
    now: datetime,
    reason: str | None,
    are_tried: bool,
    are_taken: bool = False,
) -> Text:
    """Return what is said of ``number`` leads that wait for more than an hour, the first since ``oldest``.

    ``reason`` is that of the account's pause (``DeliveryPause.Reason``); ``are_tried``: somebody tried to send them;
    ``are_taken``: somebody took some of them to send.
    """
    subject = ngettext(
        "%(number)s lead of the account %(account)s has waited for more than an hour",
        "%(number)s leads of the account %(account)s have waited for more than an hour",
        number,
    ) % {"number": _amount(number), "account": account}
    age = _("The oldest was captured at %(moment)s, %(age)s ago.") % {
        "moment": _moment(oldest),
        # Without the no-break spaces that are meant for pages.
        "age": timesince(oldest, now).replace("\xa0", " "),
    }
    lost = _("Nothing is lost.")
    body = f"{subject}. {age} {_why(account, reason=reason, are_tried=are_tried, are_taken=are_taken)} {lost}"
    return Text(subject, body, links.to_leads(status=Lead.Status.PENDING, account=account))


def _why(account: str, *, reason: str | None, are_tried: bool, are_taken: bool) -> str:
    if reason is not None:
        label = DeliveryPause.Reason(reason).label
        return _("Deliveries of the account are paused: %(reason)s.") % {"reason": label}
    try:
        if not conf.api_key(account):
            return _("The account has no API key: set %(setting)s.") % {"setting": key_setting(account)}
        dispatch = conf.dispatch
    except OctanistConfigurationError as error:
        return _("A setting is wrong: %(problem)s") % {"problem": error}
    if are_tried:
        return _("Why, and when each is tried again, is on their pages.")
    if are_taken:
        return _("Whoever took them to send them ended before it was done: look at the log of what delivers.")
    return _("Nobody has tried to send them. Who delivers? OCTANIST_DISPATCH is %(dispatch)s.") % {"dispatch": dispatch}


def paused(account: str, reason: DeliveryPause.Reason) -> Text:
    """Return what is said of an account whose leads wait."""
    subject = _("deliveries of the account %(account)s are paused") % {"account": account}
    body = _("Reason: %(reason)s. Leads wait, and nothing is lost.") % {"reason": reason.label}
    return Text(subject, f"{body}\n\n{_todo(reason)}", links.to_overview())


def _todo(reason: DeliveryPause.Reason) -> str:
    """Return what to do about a pause, in the words of the admin."""
    if reason == DeliveryPause.Reason.UNAUTHORIZED:
        return _("Set the right API key and restart the site, then check the key in the overview.")
    if reason == DeliveryPause.Reason.ENDPOINT:
        return _("Set OCTANIST_API_URL right and restart the site, then check the key in the overview.")
    return _("Nothing to do: deliveries go on by themselves when Octanist answers. Nothing is lost.")


def resumed(account: str) -> Text:
    """Return what is said of an account whose deliveries go on."""
    subject = _("deliveries of the account %(account)s go on") % {"account": account}
    return Text(subject, _("The leads that waited are being sent."), links.to_overview())


def _amount(number: int) -> str:
    return number_format(number, force_grouping=True)


def _moment(moment: datetime) -> str:
    """Return the time in the site's time zone, with its day where that is another one."""
    here = timezone.localtime(moment) if settings.USE_TZ else moment
    today = timezone.localdate() if settings.USE_TZ else datetime.now().date()
    return date_format(here, "H:i T" if here.date() == today else "Y-m-d H:i T")
