from __future__ import annotations

from django.apps import AppConfig


class BuiltConfig(AppConfig):
    name = "tests.contrib.wagtail"
    label = "built"
