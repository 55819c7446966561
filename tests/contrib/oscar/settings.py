"""Settings of the tests with django-oscar: a shop as its documentation sets one up."""

from __future__ import annotations

import oscar
from oscar.defaults import *  # noqa: F403

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE, TEMPLATES

INSTALLED_APPS = [
    *INSTALLED_APPS,
    *(name for name in oscar.INSTALLED_APPS if name not in INSTALLED_APPS),
    "sorl.thumbnail",
    "tests.contrib.oscar",
]
MIDDLEWARE = [*MIDDLEWARE, "oscar.apps.basket.middleware.BasketMiddleware"]
_template = TEMPLATES[0]
_more = [
    "oscar.apps.search.context_processors.search_form",
    "oscar.apps.checkout.context_processors.checkout",
    "oscar.apps.communication.notifications.context_processors.notifications",
    "oscar.core.context_processors.metadata",
]
_options = {"context_processors": [*_template["OPTIONS"]["context_processors"], *_more]}
TEMPLATES = [{**_template, "OPTIONS": _options}]
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]
ROOT_URLCONF = "tests.contrib.oscar.urls"
SITE_ID = 1
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
OSCAR_INITIAL_ORDER_STATUS = "Pending"
OSCAR_ALLOW_ANON_CHECKOUT = True
OSCAR_DEFAULT_CURRENCY = "EUR"
OSCAR_FROM_EMAIL = "shop@example.com"
