"""A site's own app."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "tests.contrib.cms"
    label = "cms_site"
