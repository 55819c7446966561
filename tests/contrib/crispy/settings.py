"""Settings of a site whose forms crispy-forms renders."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS
from tests.settings import TEMPLATES as TEMPLATES_OF_ALL

INSTALLED_APPS = [*INSTALLED_APPS, "crispy_forms", "crispy_bootstrap5"]
CRISPY_ALLOWED_TEMPLATE_PACKS = CRISPY_TEMPLATE_PACK = "bootstrap5"
TEMPLATES = deepcopy(TEMPLATES_OF_ALL)
TEMPLATES[0]["DIRS"] = [Path(__file__).parent / "templates"]
ROOT_URLCONF = "tests.contrib.crispy.urls"
