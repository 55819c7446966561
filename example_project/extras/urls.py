from __future__ import annotations

from django.urls import include, path
from roofer.urls import urlpatterns as site_urls
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.documents import urls as wagtaildocs_urls

from .views import EstimateView

urlpatterns = [
    *site_urls,
    path("api/estimate/", EstimateView.as_view(), name="estimate"),
    path("cms/", include(wagtailadmin_urls)),
    path("documents/", include(wagtaildocs_urls)),
    path("pages/", include(wagtail_urls)),
]
