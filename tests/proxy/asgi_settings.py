"""Settings of the site over ASGI."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.proxy.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
OCTANIST_PIXEL_ID = "OCT-1A2B3C4D"
OCTANIST_PIXEL_URL = os.environ["PIXEL_URL"]
