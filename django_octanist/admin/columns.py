"""The columns of the list of leads, as somebody may see them."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..masking import PLAIN, Sight
from ..models import DeliveryPause, Lead
from .errors import error_in_words, said
from .holding import held
from .shown import moment_shown, time_shown, until_shown

NOTHING = "-"
MESSAGE_LENGTH = 120
"""Characters of what Octanist said that stand in the list; the lead's page has all of it."""
LINKED_WORDS = {
    Lead.Linked.YES: (gettext_lazy("linked"), "icon-yes.svg"),
    Lead.Linked.NO: (gettext_lazy("not linked"), "icon-no.svg"),
    Lead.Linked.REFUSED: (gettext_lazy("refused"), "icon-alert.svg"),
}

Column = Callable[[Lead], Any]


class Columns:
    """The columns at one moment, for somebody who sees personal data by ``sight``.

    Seven, which a narrow screen has room for: what is of less weight stands below what it belongs to.
    """

    def __init__(
        self,
        sight: Sight,
        *,
        pauses: Mapping[str, DeliveryPause],
        keyless: Container[str],
        with_account: bool,
        now: datetime,
    ) -> None:
        self._sight = sight
        self._pauses = pauses
        self._keyless = keyless
        self._with_account = with_account
        self._now = now

    def listed(self) -> list[Column]:
        """Return them in their order."""
        return [self.captured, self.status, self.form, self.contact, self.source, self.attempts, self.last_error]

    # By its key, which no two leads share, and in whose order leads are captured.
    @admin.display(description=gettext_lazy("captured"), ordering="id")
    def captured(self, lead: Lead) -> SafeString:
        return time_shown(lead.created_at)

    @admin.display(description=gettext_lazy("status"))
    def status(self, lead: Lead) -> SafeString:
        shown = '<span class="octanist-status octanist-{}">{}</span>'
        return format_html(shown, lead.status, lead.get_status_display())

    @admin.display(description=gettext_lazy("form"))
    def form(self, lead: Lead) -> SafeString:
        return _stacked(lead.form or NOTHING, lead.account if self._with_account else "")

    @admin.display(description=gettext_lazy("contact"))
    def contact(self, lead: Lead) -> SafeString:
        if lead.erased_at:
            return _stacked(_("erased"))
        sight = self._sight
        return _stacked(sight.email(lead.email) or sight.phone(lead.phone) or sight.words(lead.name) or NOTHING)

    @admin.display(description=gettext_lazy("source"))
    def source(self, lead: Lead) -> SafeString:
        linked = Lead.Linked(lead.linked)
        word, icon = LINKED_WORDS[linked]
        shown = '<span class="octanist-linked" title="{}: {}"><img src="{}" alt=""> {}</span>'
        session = format_html(shown, _("pixel session"), linked.label, static(f"admin/img/{icon}"), word)
        return _stacked(lead.source or NOTHING, session)

    @admin.display(description=gettext_lazy("attempts"))
    def attempts(self, lead: Lead) -> SafeString:
        number = format_html('<span class="octanist-label">{}</span> {}', _("attempts"), lead.attempts)
        return _stacked(number, self._next(lead, lead.next_attempt_at) if lead.next_attempt_at else "")

    def _next(self, lead: Lead, due: datetime) -> SafeString:
        words, moment = self._when(lead, due)
        shown = '<time datetime="{}" title="{}">{}</time>'
        return format_html(shown, moment.isoformat(), moment_shown(moment), words)

    def _when(self, lead: Lead, due: datetime) -> tuple[str, datetime]:
        if lead.lease is not None and due > self._now:
            return _("being sent"), due
        pause = self._pauses.get(lead.account)
        has_key = lead.account not in self._keyless
        if words := held(lead, is_paused=pause is not None, has_key=has_key, now=self._now):
            return words, pause.probe_at if pause and has_key else due
        return _("next: %(when)s") % {"when": until_shown(due, now=self._now)}, due

    @admin.display(description=gettext_lazy("last error"))
    def last_error(self, lead: Lead) -> SafeString:
        words = error_in_words(lead)
        if not words:
            return _stacked(NOTHING)
        # Where a page has none of this class, the style sheet makes the column narrow.
        shown = '<span class="octanist-error" title="{}">{}</span>'
        return _stacked(format_html(shown, lead.error_code, words), self._said(lead))

    def _said(self, lead: Lead) -> str:
        # What Octanist said may repeat what a visitor typed. Of its rules it says no more than the words above.
        if self._sight is not PLAIN or lead.status == Lead.Status.REJECTED:
            return ""
        return Truncator(said(lead.error)).chars(MESSAGE_LENGTH)


def _stacked(first: str, second: str = "") -> SafeString:
    """One above the other; the style sheet keeps each to a few lines."""
    below = format_html('<span class="octanist-below">{}</span>', second) if second else ""
    return format_html('<span class="octanist-cut">{}</span>{}', first, below)
