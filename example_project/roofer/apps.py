from __future__ import annotations

from django.apps import AppConfig


class RooferConfig(AppConfig):
    name = "roofer"
    verbose_name = "Ridgeline Roofing"
    default_auto_field = "django.db.models.BigAutoField"
