"""Settings of the tests with wagtailstreamforms."""

from tests.contrib.wagtail.settings import *  # noqa: F403
from tests.contrib.wagtail.settings import INSTALLED_APPS

INSTALLED_APPS = [
    "wagtailstreamforms",
    "wagtail_modeladmin",
    "generic_chooser",
    *(app for app in INSTALLED_APPS if app != "tests.contrib.wagtail"),
    "tests.contrib.wagtailstreamforms",
]
