from __future__ import annotations

from wagtail.models import Page


class PlainPage(Page):
    """Its template has the form ``contact``."""

    template = "streamed/page.html"
