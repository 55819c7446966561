"""Settings of a site with Django Ninja."""

from __future__ import annotations

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.contrib.ninja.urls"
