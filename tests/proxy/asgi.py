"""The site over ASGI. Events may take long here, so that a test decides when they end."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

application = get_asgi_application()

from django_octanist.proxy import upstream  # noqa: E402 - the applications are set up above

upstream.EVENT_SECONDS = float(os.environ["EVENT_SECONDS"])
