"""``p`` and ``e``, by the names that the pixel asks for beside each other."""

from __future__ import annotations

from django.urls import path

from . import NAMESPACE, views

app_name = NAMESPACE
urlpatterns = [path("p", views.pixel, name="p"), path("e", views.event, name="e")]
