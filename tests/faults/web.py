"""A site that captures what is posted to it; run by gunicorn, from this folder, so that it needs no test's imports."""

from __future__ import annotations

import json
import os
import time

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

import tests.settings as usual

VALUES = {name: getattr(usual, name) for name in dir(usual) if name.isupper()}
settings.configure(
    **VALUES
    | {"ROOT_URLCONF": __name__, "MIDDLEWARE": ["django_octanist.middleware.OctanistMiddleware"]}
    | json.loads(os.environ["SITE_SETTINGS"])
)
django.setup()

from django_octanist.capture import capture_lead  # noqa: E402
from django_octanist.models import Lead  # noqa: E402


def form(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        lead = capture_lead({"email": request.POST["email"]}, request=request, form="web")
    # By the process, so that a test can tell who answered.
    return HttpResponse(f"{os.getpid()} {lead.pk if lead else '-'}")


def capture_while_loading() -> None:
    """Have the delivering thread run here already: with ``--preload`` this is the process that forks."""
    lead = capture_lead({"email": "preload@example.com"}, form="web")
    assert lead is not None
    deadline = time.monotonic() + 20
    while Lead.objects.get(pk=lead.pk).status != Lead.Status.DELIVERED:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    connections.close_all()


urlpatterns = [path("", form)]
application = get_wsgi_application()
# A child inherits the locks that SQLite's library holds at the moment: there, no thread before a fork.
if os.environ.get("PRELOADED") and connection.vendor != "sqlite":
    capture_while_loading()
