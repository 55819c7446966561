"""``{% load octanist %}``: the pixel's script and its hidden field."""

from __future__ import annotations

import logging

from django import template
from django.template import Context
from django.utils.safestring import SafeString

from .. import pixel, proxy
from ..exceptions import OctanistConfigurationError
from ..proxy import script

logger = logging.getLogger("django_octanist")

register = template.Library()


@register.simple_tag(takes_context=True)
def octanist_pixel(context: Context) -> SafeString:
    """The pixel's ``<script>`` with the request's CSP nonce; nothing where ``OCTANIST_PIXEL_ID`` is empty.

    It is loaded from this site where ``django_octanist.proxy.urls`` is included, else from Octanist.
    """
    try:
        own_path = proxy.script_path()
        tag = pixel.script_tag(context.get("request"), own_path=own_path)
        if tag and own_path:
            script.warm()
        return tag
    except OctanistConfigurationError as error:
        # A page goes without its pixel rather than down; manage.py check says the same.
        logger.error("Octanist: no pixel on the page: %s", error)
        return SafeString("")


@register.simple_tag
def octanist_session_field() -> SafeString:
    """An empty hidden ``octa_sid`` field for the pixel to fill."""
    return pixel.session_field()
