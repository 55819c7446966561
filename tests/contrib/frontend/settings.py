"""Settings of an API for a JavaScript front end of another origin, with django-cors-headers."""

from __future__ import annotations

from corsheaders.defaults import default_headers

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS, "corsheaders"]
MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *MIDDLEWARE]
ROOT_URLCONF = "tests.contrib.frontend.urls"

# Of whatever port the test's front end gets.
CORS_ALLOWED_ORIGIN_REGEXES = [r"^http://127\.0\.0\.1:\d+$"]
CORS_ALLOW_HEADERS = [*default_headers, "x-octanist-session-id", "x-octanist-page"]
