"""Settings of the tests with django-formtools."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "formtools"]
ROOT_URLCONF = "tests.contrib.formtools.urls"
