"""What the overview shows of the site's forms: how many of their leads are linked, and what to do where none is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..conf import conf
from ..figures import Figures, FormFigures
from ..figures.shapes import SPANS
from .amounts import number_shown, share_shown
from .cells import Cell, Links

TAGS: Final = {"pixel": "{% octanist_pixel %}", "field": "{% octanist_session_field %}"}
_WHOLE: Final = {name: format_html("<code>{}</code>", tag) for name, tag in TAGS.items()}
"""As HTML, which is not broken within a tag."""


@dataclass(frozen=True, kw_only=True)
class FormRow:
    """A form of an account."""

    form: str
    account: str
    captured: Cell
    linked: str
    width: str
    """Of the bar that stands for ``linked``: 0 to 100."""
    lately: str
    without_consent: str
    advice: SafeString
    """What is amiss and what to do, in sentences; or empty."""


def form_rows(figures: Figures, *, links: Links) -> list[FormRow]:
    """Return a row for each form, in the order of ``figures``: those that need a look first."""
    return [_row(form, links=links, taken_at=figures.taken_at) for form in figures.forms]


def _row(form: FormFigures, *, links: Links, taken_at: datetime) -> FormRow:
    url = links.to(account=form.account, form=form.form, since=taken_at - SPANS["30d"])
    return FormRow(
        form=form.form,
        account=form.account,
        captured=Cell(number_shown(form.captured), url),
        linked=share_shown(form.linked),
        width=f"{form.linked * 100:.0f}",
        lately=share_shown(form.linked_lately),
        without_consent=share_shown(form.without_consent),
        advice=_advice(form),
    )


def _advice(form: FormFigures) -> SafeString:
    return format_html_join(" ", "{}", ((_with_tags(sentence),) for sentence in _sentences(form)))


def _with_tags(sentence: str) -> SafeString:
    """Return ``sentence``, escaped, with the tags that it names by ``%(pixel)s`` and ``%(field)s``."""
    first, *rest = re.split(r"%\((pixel|field)\)s", sentence)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return format_html("{}{}", first, format_html_join("", "{}{}", ((_WHOLE[name], text) for name, text in pairs)))


def _sentences(form: FormFigures) -> Iterator[str]:
    if form.lost_pixel:
        yield _lost_pixel(form)
        yield _("See that %(pixel)s is still on its page, and that the form is in the page's HTML.")
    elif form.never_linked:
        yield _("None of its leads is linked to a pixel session: put %(pixel)s on its page.")
        yield _("Where the form has no page (an import, a webhook), nothing is to be done.")
    else:
        return
    yield _("Where JavaScript sends the form, put %(field)s in it.")
    if conf.pixel is None:
        yield _("OCTANIST_PIXEL_ID is not set: %(pixel)s prints nothing.")


def _lost_pixel(form: FormFigures) -> str:
    return ngettext(
        "The pixel is lost: %(lately)s of the leads are linked in the last 24 hours, %(before)s before.",
        "The pixel is lost: %(lately)s of the leads are linked in the last %(days)d days, %(before)s before.",
        form.lately_days or 0,
    ) % {
        "days": form.lately_days or 0,
        "lately": share_shown(form.linked_lately),
        "before": share_shown(form.linked_before),
    }
