"""Settings, all from the environment (or a file ``.env`` beside manage.py), with defaults that need nothing.

Without a key, leads go to the sandbox (``python manage.py octanist_sandbox``). With ``OCTANIST_API_KEY`` set, the
same site talks to the real Octanist; give it ``OCTANIST_PIXEL_ID`` too.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import django
import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = env.str("SECRET_KEY", default="insecure-this-key-is-public-and-for-this-machine-only")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_octanist",
    "roofer",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_octanist.middleware.OctanistMiddleware",
]

ROOT_URLCONF = "roofer.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

if django.VERSION >= (6, 0):
    from django.utils.csp import CSP

    # Every script is a file of the site's own; the pixel's tag carries the nonce.
    MIDDLEWARE.insert(1, "django.middleware.csp.ContentSecurityPolicyMiddleware")
    TEMPLATES[0]["OPTIONS"]["context_processors"].append("django.template.context_processors.csp")
    SECURE_CSP = {
        "script-src": [CSP.SELF, CSP.NONCE],
        "style-src": [CSP.SELF],
        "object-src": [CSP.NONE],
        "base-uri": [CSP.NONE],
        "form-action": [CSP.SELF],
        "frame-ancestors": [CSP.NONE],
    }

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
# A form's own row and its lead are written in one transaction.
DATABASES["default"]["ATOMIC_REQUESTS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Several threads write: each waits its turn from the start of its transaction.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "Europe/London"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static"
MEDIA_URL = "media/"
MEDIA_ROOT = env.path("MEDIA_ROOT", default=str(BASE_DIR / "media"))

CONSOLE_MAIL = "django.core.mail.backends.console.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": CONSOLE_MAIL}}
else:
    EMAIL_BACKEND = CONSOLE_MAIL

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"django_octanist": {"handlers": ["console"], "level": "INFO"}},
}

API_KEY = env.str("OCTANIST_API_KEY", default="")
SANDBOX_API = "http://127.0.0.1:8765/api"
REAL_API = "https://octanist.com/api"

OCTANIST_API_URL = env.str("OCTANIST_API_URL", default="") or (REAL_API if API_KEY else SANDBOX_API)
ON_SANDBOX = urlsplit(OCTANIST_API_URL).hostname in ("localhost", "127.0.0.1", "::1")
OCTANIST_API_KEY = API_KEY or ("sandbox-key" if ON_SANDBOX else "")
OCTANIST_PIXEL_ID = env.str("OCTANIST_PIXEL_ID", default="OCT-SANDBOX1" if ON_SANDBOX else "")
OCTANIST_PIXEL_URL = env.str(
    "OCTANIST_PIXEL_URL",
    default=OCTANIST_API_URL.removesuffix("/api") + "/p" if ON_SANDBOX else "https://c.octani.st/p",
)
# The site has a banner of its own. Once it allows that, the app remembers the campaign.
OCTANIST_CONSENT_READERS = ["roofer.consent.ridgeline_consent"]
OCTANIST_ALERT_EMAILS = env.list("OCTANIST_ALERT_EMAILS", default=["office@ridgeline.example"])
