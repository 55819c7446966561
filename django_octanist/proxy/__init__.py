"""The pixel, served by the site itself: browsers and blockers that stop third-party scripts do not stop it.

::

    path("oct/", include("django_octanist.proxy.urls"))

``{% octanist_pixel %}`` then points there. ``oct/p`` is Octanist's script from a local copy (:mod:`.script`), ``oct/e``
takes its events and forwards them (:mod:`.upstream`), with who the visitor is (:mod:`.visitors`) and the pixel's own
cookies (:mod:`.cookies`). No event is stored, and no visitor waits for Octanist for longer than a second.
"""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse

NAMESPACE = "octanist_proxy"


def script_path() -> str:
    """Return the path of the pixel's script on this site; ``""`` where :mod:`.urls` is not included."""
    try:
        return reverse(f"{NAMESPACE}:p")
    except NoReverseMatch:
        return ""
