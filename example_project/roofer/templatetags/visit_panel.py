"""``{% visit_panel %}``: what ``request.octanist`` knows of the visit, and from where, for staff alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django import template

from django_octanist.attribution import Visit
from django_octanist.vocabulary import SESSION_ID

register = template.Library()

WORDS = {True: "granted", False: "denied", None: "unknown"}


class Row(NamedTuple):
    """``state`` is for the style sheet."""

    name: str
    value: str
    source: str = ""
    state: str = ""


class Section(NamedTuple):
    """``note`` explains what the rows do not."""

    title: str
    rows: list[Row]
    note: str = ""


@register.inclusion_tag("roofer/visit_panel.html", takes_context=True)
def visit_panel(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return nothing, and read nothing of the visit, where the visitor is not staff."""
    request = context["request"]
    if not request.user.is_staff:
        return {}
    return {"username": request.user.get_username(), "sections": sections(request.octanist)}


def sections(visit: Visit) -> list[Section]:
    """Return what the panel shows of ``visit``."""
    sources = visit.sources
    session = Row("session id", visit.session_id or "none", sources.get(SESSION_ID, ""))
    consent = [
        Row(name, WORDS[value], sources.get(name, ""), state=WORDS[value])
        for name, value in visit.consent.as_dict().items()
    ]
    remembered = [Row(name, value) for name, value in visit.remembered.items()]
    attribution = [Row(name, value, sources[name]) for name, value in visit.attribution.items()]
    return [
        Section("Session", [session], note="" if visit.session_id else "The pixel puts it into forms."),
        Section("Attribution", attribution, note="A form that you send from here brings the path of this page."),
        Section("Consent", consent),
        Section("Remembered", remembered, note="" if remembered else "No campaign of an earlier page."),
    ]
