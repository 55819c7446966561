"""URLs of the tests with django-oscar."""

from __future__ import annotations

from django.apps import apps
from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include(apps.get_app_config("oscar").urls[0]))]
