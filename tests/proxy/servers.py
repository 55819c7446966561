"""Servers that play ``c.octani.st``."""

from __future__ import annotations

from collections.abc import Mapping

from ..loopback import Connection, Script, respond

SCRIPT = b"window.OCT = {}; // the pixel\n"
TYPE = {"Content-Type": "application/javascript; charset=utf-8"}


def octanist(
    body: bytes = SCRIPT,
    *,
    status: int = 200,
    headers: Mapping[str, str] = TYPE,
    event_status: int = 204,
    event_headers: Mapping[str, str] | None = None,
) -> Script:
    """Answer each ``GET`` with a script, and each event."""

    def script(connection: Connection) -> None:
        while (request := connection.read_request()) is not None:
            if request.line.startswith("GET /p "):
                connection.send(respond(status, body, headers))
            else:
                connection.send(respond(event_status, b"", event_headers))

    return script
