"""The acts that an operator has: whose they are, which leads they touch, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from ..bulk.acts import VERBS
from ..models import BulkAction, Lead, LeadQuerySet

EXACT = 10_000
"""Leads that a preview counts; of more it says that there are more."""

Kind = BulkAction.Kind


class Grouped(int):
    """A number that is shown as the reader writes it: 2,980."""

    def __str__(self) -> str:
        return number_format(int(self), force_grouping=True)


class Reason(NamedTuple):
    """Why leads are left as they are, and how many: a sentence with ``number``."""

    which: Callable[[LeadQuerySet], LeadQuerySet]
    said: Any


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act. Sentences count with ``number``, and ``total`` where they name it."""

    kind: Kind
    slug: str
    """Of its address, below a lead's."""
    permission: str
    label: Any
    """Of the button that leads to it."""
    yes: Any
    """Of the button that does it."""
    title: Any
    explanation: Any
    all_of: Any
    some_of: Any
    none_of: Any
    more: Any
    """What is touched where more than :data:`EXACT` leads match."""
    background: Any
    """That it is under way, with ``total`` and ``done``."""
    background_uncounted: Any
    logged: Any
    final: bool = False
    """It cannot be undone."""
    reasons: tuple[Reason, ...]

    @property
    def url_name(self) -> str:
        return f"lead_{self.slug.replace('-', '_')}"

    def may(self, leads: LeadQuerySet) -> LeadQuerySet:
        """Return those of ``leads`` that it touches."""
        return VERBS[self.kind].may(leads)

    def is_permitted(self, user: Any) -> bool:
        """Whether ``user`` has the permission for it."""
        return bool(user.has_perm(f"octanist.{self.permission}"))


def _erased(leads: LeadQuerySet) -> LeadQuerySet:
    return leads.exclude(erased_at=None)


def _delivered(leads: LeadQuerySet) -> LeadQuerySet:
    return leads.filter(status=Lead.Status.DELIVERED, erased_at=None)


def _double(leads: LeadQuerySet) -> LeadQuerySet:
    return leads.doubles().filter(erased_at=None)


def _finished(leads: LeadQuerySet) -> LeadQuerySet:
    return leads.exclude(status=Lead.Status.PENDING)


ERASED = Reason(
    _erased,
    ngettext_lazy(
        "%(number)s is erased already, and stays as it is.",
        "%(number)s are erased already, and stay as they are.",
        "number",
    ),
)
DELIVERED = Reason(
    _delivered,
    ngettext_lazy(
        "%(number)s is delivered, and stays as it is.", "%(number)s are delivered, and stay as they are.", "number"
    ),
)
DOUBLE = Reason(
    _double,
    ngettext_lazy(
        "%(number)s says the same as another lead, and stays as it is.",
        "%(number)s say the same as another lead, and stay as they are.",
        "number",
    ),
)
FINISHED = Reason(
    _finished,
    ngettext_lazy(
        "%(number)s is not pending, and stays as it is.", "%(number)s are not pending, and stay as they are.", "number"
    ),
)
BEING_SENT: Any = ngettext_lazy(
    "%(number)s is being sent right now, and stays as it is.",
    "%(number)s are being sent right now, and stay as they are.",
    "number",
)
"""The reason for all the others."""

REPLAY = Act(
    kind=Kind.REPLAY,
    slug="send-again",
    permission="replay_lead",
    label=_("Send again"),
    yes=_("Yes, send again"),
    title=_("Send leads again"),
    explanation=_(
        "Each has all its attempts before it again, and goes out as soon as its account delivers. A lead whose answer"
        " was lost is looked up at Octanist first, where the settings say so."
    ),
    all_of=ngettext_lazy("%(number)s lead is sent again.", "%(number)s leads are sent again.", "number"),
    some_of=ngettext_lazy(
        "%(number)s of %(total)s leads is sent again.", "%(number)s of %(total)s leads are sent again.", "number"
    ),
    none_of=_("No lead is sent again."),
    more=_(
        "More than %(number)s leads match. They are sent again, but for those that are delivered, erased or being sent"
        " right now: these stay as they are."
    ),
    background=_("Sending %(total)s leads again: %(done)s done."),
    background_uncounted=_("Sending leads again: %(done)s done."),
    logged=_("Sent again."),
    reasons=(ERASED, DELIVERED, DOUBLE),
)
CANCEL = Act(
    kind=Kind.CANCEL,
    slug="cancel",
    permission="replay_lead",
    label=_("Cancel"),
    yes=_("Yes, cancel"),
    title=_("Cancel leads"),
    explanation=_("A cancelled lead is not sent. It can be sent again later."),
    all_of=ngettext_lazy("%(number)s lead is cancelled.", "%(number)s leads are cancelled.", "number"),
    some_of=ngettext_lazy(
        "%(number)s of %(total)s leads is cancelled.", "%(number)s of %(total)s leads are cancelled.", "number"
    ),
    none_of=_("No lead is cancelled."),
    more=_(
        "More than %(number)s leads match. They are cancelled, but for those that are not pending or are being sent"
        " right now: these stay as they are."
    ),
    background=_("Cancelling %(total)s leads: %(done)s done."),
    background_uncounted=_("Cancelling leads: %(done)s done."),
    logged=_("Cancelled."),
    reasons=(FINISHED,),
)
ERASE = Act(
    kind=Kind.ERASE,
    slug="erase",
    permission="erase_lead",
    label=_("Erase personal data"),
    yes=_("Yes, erase for good"),
    final=True,
    title=_("Erase personal data of leads"),
    explanation=_(
        "This cannot be undone. Name, e-mail, phone, note, custom fields, pixel session and attribution are removed,"
        " and what Octanist wrote about them. What is counted stays: form, account, status, times, consent, and"
        " Octanist's own IDs, by which a lead can be removed there, too. Pending leads are cancelled, and none of them"
        " is ever sent again."
    ),
    all_of=ngettext_lazy(
        "The personal data of %(number)s lead is erased.", "The personal data of %(number)s leads is erased.", "number"
    ),
    some_of=ngettext_lazy(
        "The personal data of %(number)s of %(total)s leads is erased.",
        "The personal data of %(number)s of %(total)s leads is erased.",
        "number",
    ),
    none_of=_("No personal data is erased."),
    more=_(
        "More than %(number)s leads match. Their personal data is erased, but for those that are erased already or are"
        " being sent right now: these stay as they are."
    ),
    background=_("Erasing the personal data of %(total)s leads: %(done)s done."),
    background_uncounted=_("Erasing the personal data of leads: %(done)s done."),
    logged=_("Personal data erased."),
    reasons=(ERASED,),
)
ACTS: dict[str, Act] = {act.kind: act for act in (REPLAY, CANCEL, ERASE)}


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an act would do, or did: ``touched`` of ``total`` leads, and sentences on those ``left``."""

    act: Act
    total: int
    touched: int
    left: tuple[str, ...] = ()
    more: bool = False
    """There are more leads than :data:`EXACT`, and nobody counted which of them are touched."""

    @property
    def does_something(self) -> bool:
        return self.more or self.touched > 0

    @property
    def sentence(self) -> str:
        """How many leads are touched, in words."""
        if self.more:
            return str(self.act.more % {"number": Grouped(EXACT)})
        if not self.touched:
            return str(self.act.none_of)
        said = self.act.all_of if self.touched == self.total else self.act.some_of
        return str(said % {"number": Grouped(self.touched), "total": Grouped(self.total)})


def preview(act: Act, leads: LeadQuerySet) -> Preview:
    """Return what ``act`` would do to ``leads`` now, exact up to :data:`EXACT` leads."""
    leads = leads.order_by()
    total = leads[: EXACT + 1].count()
    if total > EXACT:
        return Preview(act=act, total=EXACT, touched=EXACT, more=True)
    touched = min(act.may(leads).count(), total)
    return Preview(act=act, total=total, touched=touched, left=left(act, leads, number=total - touched))


def left(act: Act, leads: LeadQuerySet, *, number: int) -> tuple[str, ...]:
    """Return sentences on why ``act`` leaves ``number`` of ``leads`` as they are."""
    sentences = []
    for reason in act.reasons if number else ():
        counted = min(reason.which(leads).count(), number)
        number -= counted
        if counted:
            sentences.append(str(reason.said % {"number": Grouped(counted)}))
    if number:
        sentences.append(str(BEING_SENT % {"number": Grouped(number)}))
    return tuple(sentences)
