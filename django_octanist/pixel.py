"""The pixel's script tag, as plain functions under the template tags."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .conf import conf
from .vocabulary import SESSION_FIELD

try:
    from django.middleware.csp import get_nonce
except ImportError:  # Django 5.2 has no content security policy of its own
    get_nonce = None  # type: ignore[assignment]


def script_tag(request: HttpRequest | None = None, *, own_path: str = "") -> SafeString:
    """Return the pixel's ``<script>`` with the CSP nonce of ``request``; empty where ``OCTANIST_PIXEL_ID`` is.

    ``own_path`` is where this site serves the script itself, which then takes its cookies from here, too.
    ``data-forms`` is never set: the pixel would capture forms in the browser, and every lead would count twice.
    """
    pixel = conf.pixel
    if pixel is None:
        return SafeString("")
    # Only now: a nonce that was asked for goes into the policy, used or not.
    nonce = csp_nonce(request)
    return format_html(
        '<script src="{}" data-id="{}" data-consent-mode="{}"{}{}></script>',
        own_path or conf.pixel_url,
        pixel.measurement_id,
        pixel.consent_mode,
        SafeString(' data-cookie-mode="server"' if own_path else ""),
        format_html(' nonce="{}"', nonce) if nonce else "",
    )


def session_field() -> SafeString:
    """Return an empty hidden field that the pixel fills with its session id."""
    return format_html('<input type="hidden" name="{}" value="">', SESSION_FIELD)


def csp_nonce(request: HttpRequest | None) -> str:
    """Return the nonce of the request's content security policy: Django's own (6.0 and later) or django-csp's."""
    if request is None:
        return ""
    nonce: Any = getattr(request, "csp_nonce", None)  # django-csp
    if nonce is None and get_nonce is not None:
        nonce = get_nonce(request)
    return "" if nonce is None else str(nonce)
