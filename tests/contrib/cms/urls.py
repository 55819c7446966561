"""URLs of the tests with django CMS; the form builder adds its own."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include("cms.urls"))]
