from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ExtrasConfig(AppConfig):
    name = "extras"
    verbose_name = "Ridgeline Roofing: pages"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(make_page, sender=self)


def make_page(using: str, **_arguments: Any) -> None:
    """Publish the one page, so that there is something to look at."""
    from wagtail.models import Site

    from .models import FormPage

    if FormPage.objects.using(using).exists():
        return
    home = Site.objects.using(using).get(is_default_site=True).root_page
    page = home.add_child(instance=FormPage(title="Book a roof check", slug="roof-check"))
    for label, kind in (("Your name", "singleline"), ("E-mail", "email"), ("What worries you?", "multiline")):
        page.form_fields.create(label=label, field_type=kind)
    page.save()
