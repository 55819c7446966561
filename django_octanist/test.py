"""Helpers for a site's own tests: a sandbox that the settings point at.

As a context manager::

    from django_octanist.test import octanist_sandbox

    with octanist_sandbox() as octanist:
        client.post("/contact/", {"email": "jo@example.com"})
        octanist.deliver()
        assert octanist.leads[0].fields["email"] == "jo@example.com"

and as a fixture of pytest, imported in ``conftest.py``::

    from django_octanist.test import octanist
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings as django_settings
from django.test import override_settings

from .sandbox.server import Sandbox


class TestSandbox(Sandbox):
    """A running sandbox that a test delivers to when it wants."""

    __test__ = False

    def deliver(self, *, account: str | None = None) -> int:
        """Deliver what was captured, in the calling thread; return the number of leads worked on.

        ``account`` limits it to one account.
        """
        # A conftest imports this module before the apps are loaded; delivery needs the models.
        from .delivery import drain

        return drain(account)


@contextmanager
def octanist_sandbox(**settings: Any) -> Iterator[TestSandbox]:
    """Run a sandbox on a free port with the settings pointing at it, and yield it.

    ``settings`` are further settings, or others than those set here: keys, addresses, and
    ``OCTANIST_DISPATCH = "manual"``, so that nothing is delivered before the test says so.
    """
    with TestSandbox() as sandbox:
        values = {
            "OCTANIST_API_URL": sandbox.api_url,
            "OCTANIST_API_KEY": sandbox.api_key,
            "OCTANIST_API_KEYS": dict.fromkeys(getattr(django_settings, "OCTANIST_API_KEYS", {}), sandbox.api_key),
            "OCTANIST_DISPATCH": "manual",
            "OCTANIST_PIXEL_URL": sandbox.pixel_url,
            **settings,
        }
        with override_settings(**values):
            yield sandbox


try:
    import pytest
except ImportError:  # pragma: no cover
    pass
else:

    @pytest.fixture
    def octanist() -> Iterator[TestSandbox]:
        """Yield a running :class:`TestSandbox` that the settings point at."""
        with octanist_sandbox() as sandbox:
            yield sandbox
