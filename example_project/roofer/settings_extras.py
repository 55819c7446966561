"""The same site with two more ways in: a form page of Wagtail, and an API of Django REST framework.

``DJANGO_SETTINGS_MODULE=roofer.settings_extras``, as ``python example_project/demo.py --extras`` sets it.
"""

from __future__ import annotations

from .settings import *  # noqa: F403
from .settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    "wagtail.contrib.forms",
    "wagtail.contrib.redirects",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "rest_framework",
    *INSTALLED_APPS,
    "extras",
]
# Wagtail's admin has inline scripts and styles.
MIDDLEWARE = [name for name in MIDDLEWARE if name != "django.middleware.csp.ContentSecurityPolicyMiddleware"]
ROOT_URLCONF = "extras.urls"

WAGTAIL_SITE_NAME = "Ridgeline Roofing"
WAGTAILADMIN_BASE_URL = "http://127.0.0.1:8000"
