"""Settings of the benchmarks: the tests' own, with the peers, and sessions in signed cookies."""

from __future__ import annotations

import os

import environ

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS, OCTANIST_API_URL

INSTALLED_APPS = [*INSTALLED_APPS, "utm_tracker", "django_tasks_db"]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

# Claims are measured in two databases by turns.
if "FULL_DATABASE_URL" in os.environ:
    DATABASES["full"] = environ.Env().db("FULL_DATABASE_URL")
DATABASE_ROUTERS = ["tests.benchmarks.routing.Router"]

# The peer's worker closes old connections after each task: it is faster if it need not.
DATABASES["default"]["CONN_MAX_AGE"] = None
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

OCTANIST_API_URL = os.environ.get("OCTANIST_API_URL", OCTANIST_API_URL)
