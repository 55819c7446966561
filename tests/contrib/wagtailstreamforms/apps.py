from __future__ import annotations

from django.apps import AppConfig


class StreamedConfig(AppConfig):
    name = "tests.contrib.wagtailstreamforms"
    label = "streamed"
