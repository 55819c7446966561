"""Addresses of the admin's own pages."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.urls import reverse


def address(name: str, *arguments: int, site: AdminSite) -> str:
    """Return the path of the page ``octanist_…`` in ``site``: a project may have several, with rules of their own."""
    return reverse(f"admin:octanist_{name}", args=arguments, current_app=site.name)
