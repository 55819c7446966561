"""Settings of the tests with django-allauth: forms, social login, headless."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.dummy",
    "allauth.headless",
    "tests.contrib.allauth",
]
MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ROOT_URLCONF = "tests.contrib.allauth.urls"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_RATE_LIMITS = False
ACCOUNT_ADAPTER = "tests.contrib.allauth.phones.PhoneAdapter"
ACCOUNT_SIGNUP_FIELDS = ["email", "phone", "username*", "password1*", "password2*"]
