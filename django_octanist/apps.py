"""The app: label ``octanist``."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _


class OctanistConfig(AppConfig):
    """Registers the system checks; does nothing else."""

    name = "django_octanist"
    label = "octanist"
    verbose_name = _("Octanist")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .checks import CHECKS, TAG  # needs the models, which are loaded only now

        for check in CHECKS:
            register(check, TAG)
