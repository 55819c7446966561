"""``octanist_sandbox``: a local Octanist to develop against, without an account."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...sandbox.page import settings_for
from ...sandbox.server import DEFAULT_HOST, DEFAULT_KEY, DEFAULT_PORT, Sandbox


class Command(BaseCommand):
    """Serve the sandbox until Ctrl-C or SIGTERM."""

    help = "Serves a local Octanist: the API, a stand-in pixel, and a page that shows what arrived."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take port, host and key."""
        parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="default: %(default)s; 0 takes a free one")
        parser.add_argument("--host", default=DEFAULT_HOST, help="loopback only; default: %(default)s")
        parser.add_argument("--key", default=DEFAULT_KEY, help="the API key to accept; default: %(default)s")

    def handle(self, *_args: Any, port: int, host: str, key: str, **_options: Any) -> None:
        """Serve. Raises ``CommandError`` where host or port cannot be had."""
        with _stopped_by_sigterm():
            sandbox = self._start(port=port, host=host, key=key)
            try:
                self._announce(sandbox)
                sandbox.serve_forever()
            except KeyboardInterrupt:
                self.stdout.write("\nThe sandbox has stopped.")
            finally:
                sandbox.stop()

    def _start(self, *, port: int, host: str, key: str) -> Sandbox:
        try:
            return Sandbox(host=host, port=port, api_key=key).start()
        except ValueError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            reason = error.strerror or "unavailable"
            raise CommandError(
                f"Port {port} on {host} cannot be had ({reason}). Choose another with --port; 0 takes any free one."
            ) from None

    def _announce(self, sandbox: Sandbox) -> None:
        self.stdout.write(f"Octanist sandbox: {sandbox.url}/  (API {sandbox.api_url}, pixel {sandbox.pixel_url})")
        self.stdout.write("Settings of a site that sends its leads here:\n\n")
        self.stdout.write(settings_for(sandbox.url, api_key=sandbox.api_key))
        self.stdout.write("\nStop it with Ctrl-C.")
        self.stdout.flush()


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does. Only the main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
