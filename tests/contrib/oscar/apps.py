"""A shop's own app, with the lines to paste."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "tests.contrib.oscar"
    label = "oscar_site"

    def ready(self) -> None:
        from django_octanist.contrib.oscar import capture_orders, capture_registrations

        capture_orders()
        capture_registrations()
