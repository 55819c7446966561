"""A site's own app, with the two lines."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "tests.contrib.allauth"
    label = "allauth_site"

    def ready(self) -> None:
        from django_octanist.contrib.allauth import capture_sign_ups

        capture_sign_ups()
