"""The admin's pages, asked for as an operator's browser does; runs in a process of its own (see ``contenders``)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from statistics import median
from time import perf_counter
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from django_octanist.admin.export import BATCH
from django_octanist.models import Lead

from .contenders import ALIASES, Figures
from .routing import Router

EXPORTED = 10_000
NAMES = dict(zip(ALIASES, ("few", "many"), strict=True))
LIST = "admin:octanist_lead_changelist"

Ask = Callable[[Client], Any]


def measure(*, times: int) -> Figures:
    """Return for each page, by its name: milliseconds and queries in either database; or that it is missing."""
    found: Figures = {}
    with override_settings(
        SESSION_ENGINE="django.contrib.sessions.backends.db", ALLOWED_HOSTS=["testserver"], OCTANIST_API_KEY="test-key"
    ):
        clients = {alias: operator(alias) for alias in ALIASES}
        for name, ask in pages().items():
            try:
                found |= by_turns(name, ask, clients, times=times)
            except NoReverseMatch:
                found[f"{name}:missing"] = 1
    return found


def operator(alias: str) -> Client:
    """Log in somebody who is no superuser, so that permissions are asked for."""
    Router.alias = alias
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="octanist"))
    client = Client()
    client.force_login(user)
    return client


def pages() -> dict[str, Ask]:
    week = {"created_at__gte": timezone.now() - timedelta(days=7)}
    month = {
        "created_at__gte": timezone.now() - timedelta(days=400),
        "created_at__lt": timezone.now() - timedelta(days=370),
    }
    queries: dict[str, dict[str, Any]] = {
        "change list": {},
        "change list, page 7": {"p": 7},
        "filter, status delivered": {"status": "delivered"},
        "filter, status failed": {"status": "failed"},
        "filter, form, frequent": {"form": "contact"},
        "filter, form, rare": {"form": "careers"},
        "filter, form, none such": {"form": "nonsense"},
        "filter, account": {"account": "solar"},
        "filter, linked": {"linked": "yes"},
        "filter, session refused": {"linked": "refused"},
        "filter, source": {"source": "google / cpc"},
        "filter, past 7 days": week,
        "filter, a month of last year": month,
        "search, e-mail": {"q": "visitor5000@example.com"},
        "search, begin of an e-mail": {"q": "visitor50"},
        "search, name": {"q": "lotte visser"},
        "search, phone": {"q": "06 12 34 56"},
        "search, Octanist ID": {"q": "lead_5000"},
    }
    listed: dict[str, Ask] = {name: listing(query) for name, query in queries.items()}
    return {
        **listed,
        "overview": lambda client: client.get(reverse("admin:octanist_lead_overview")),
        "a lead's page": lambda client: client.get(reverse("admin:octanist_lead_change", args=[newest()])),
        f"export, first {EXPORTED:,} rows": export,
    }


def listing(query: dict[str, Any]) -> Ask:
    return lambda client: client.get(reverse(LIST), query)


def newest() -> int:
    return Lead.objects.values_list("pk", flat=True)[0]


def export(client: Client) -> Any:
    response: Any = client.get(reverse("admin:octanist_lead_export"))
    # The heads, and then a piece for each batch.
    for _piece in islice(response.streaming_content, 1 + EXPORTED // BATCH):
        pass
    return response


def by_turns(name: str, ask: Ask, clients: dict[str, Client], *, times: int) -> Figures:
    found: Figures = {}
    seconds: dict[str, list[float]] = {alias: [] for alias in ALIASES}
    for alias in ALIASES:
        Router.alias = alias
        for _warm in range(2):
            ask(clients[alias])
        with CaptureQueriesContext(connections[alias]) as queries:
            status = ask(clients[alias]).status_code
        if status != 200:
            raise RuntimeError(f"{name}: HTTP {status}")
        found[f"{name}:{NAMES[alias]} queries"] = len(queries)
    for _turn in range(times):
        for alias in ALIASES:
            Router.alias = alias
            start = perf_counter()
            ask(clients[alias])
            seconds[alias].append(perf_counter() - start)
    return found | {f"{name}:{NAMES[alias]}": median(values) * 1e3 for alias, values in seconds.items()}
