"""Settings of the tests with django CMS and djangocms-form-builder."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE, TEMPLATES

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "django.contrib.sites",
    "cms",
    "menus",
    "treebeard",
    "sekizai",
    "djangocms_form_builder",
    "tests.contrib.cms",
]
MIDDLEWARE = [
    *MIDDLEWARE,
    "django.middleware.locale.LocaleMiddleware",
    "cms.middleware.user.CurrentUserMiddleware",
    "cms.middleware.page.CurrentPageMiddleware",
    "cms.middleware.toolbar.ToolbarMiddleware",
    "cms.middleware.language.LanguageCookieMiddleware",
]
_more = [
    "django.template.context_processors.i18n",
    "sekizai.context_processors.sekizai",
    "cms.context_processors.cms_settings",
]
_template = TEMPLATES[0]
_options = {"context_processors": [*_template["OPTIONS"]["context_processors"], *_more]}
TEMPLATES = [{**_template, "OPTIONS": _options}]
ROOT_URLCONF = "tests.contrib.cms.urls"
SITE_ID = 1
LANGUAGES = [("en", "English")]
CMS_CONFIRM_VERSION4 = True
CMS_TEMPLATES = [("page.html", "Page")]
X_FRAME_OPTIONS = "SAMEORIGIN"
# Each test has a page of its own at the same address.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
