"""Other leads of the person whose lead is to be erased: whoever asks to be forgotten means them all."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.admin.views.main import SEARCH_VAR
from django.utils.translation import ngettext

from ..models import Lead
from .addresses import address
from .amounts import number_shown
from .cells import Cell

MOST = 100
"""Leads that are counted; of more it says that there are more."""


def others(lead: Lead, *, site: AdminSite) -> Cell | None:
    """Return that other leads have the address of ``lead``, and where they are listed; ``None`` where none has.

    For somebody who may see personal data: the address of the list names the person.
    """
    if not lead.email:
        return None
    number = Lead.objects.of_person(lead.email).exclude(pk=lead.pk).order_by()[: MOST + 1].count()
    return Cell(_said(number), _listed(lead.email, site=site)) if number else None


def _said(number: int) -> str:
    text = ngettext(
        "%(number)s other lead has this e-mail address.", "%(number)s other leads have this e-mail address.", number
    )
    return text % {"number": f"{number_shown(MOST)}+" if number > MOST else number_shown(number)}


def _listed(email: str, *, site: AdminSite) -> str:
    return f"{address('lead_changelist', site=site)}?{urlencode({SEARCH_VAR: email.strip()})}"
