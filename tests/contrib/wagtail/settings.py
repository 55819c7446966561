"""Settings of the tests with Wagtail."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    "wagtail.contrib.forms",
    "wagtail.contrib.redirects",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    *INSTALLED_APPS,
    "tests.contrib.wagtail",
]
MIDDLEWARE = [*MIDDLEWARE, "wagtail.contrib.redirects.middleware.RedirectMiddleware"]
ROOT_URLCONF = "tests.contrib.wagtail.urls"
WAGTAIL_SITE_NAME = "Ridgeline"
WAGTAILADMIN_BASE_URL = "http://testserver"
