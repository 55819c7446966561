"""Leads, operators with some permissions, and the admin's addresses."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from django_octanist.models import Lead

LIST = "/admin/octanist/lead/"
S = Lead.Status


def make(**values: Any) -> Lead:
    values = {"form": "contact", "email": "jo@example.com", **values}
    if values.get("status", S.PENDING) != S.PENDING:
        values.setdefault("next_attempt_at", None)
    return Lead.objects.create(**values)


def staff(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def act(client: Client, action: str, *leads: Lead, confirmed: bool = True, **posted: str) -> Any:
    chosen = {"action": action, "_selected_action": [lead.pk for lead in leads]}
    return client.post(LIST, chosen | ({"post": "yes"} if confirmed else {}) | posted, follow=True)


def page(lead: Lead) -> str:
    return reverse("admin:octanist_lead_change", args=[lead.pk])


NUDGES: list[str] = []


def note_nudge(account: str) -> None:
    """A dispatch: ``OCTANIST_DISPATCH = "tests.admin.note_nudge"``."""
    NUDGES.append(account)
