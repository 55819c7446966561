"""Settings of the ASGI site."""

from __future__ import annotations

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.site.asgi"
ALLOWED_HOSTS = ["127.0.0.1"]
MIDDLEWARE = ["django_octanist.middleware.OctanistMiddleware"]
