"""A roofer's website with a local Octanist. No account is needed, and nothing leaves this machine.

``python example_project/demo.py`` starts both and stays until Ctrl-C; with ``--check`` it submits every form, waits
until the admin says that each lead is delivered, shows what arrived, and leaves.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import demo_check
import demo_servers
from demo_servers import PASSWORD, USERNAME, DemoError, Servers

SITE_PORT = 8000
SANDBOX_PORT = 8765

_asked: list[int] = []
"""The signals that asked this process to end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 0, 1 where something is missing, 130 and 143 as shells have it."""
    options = parser().parse_args(arguments)
    # Ctrl-C also where a shell started this in the background, and so with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    try:
        if options.check:
            return check(extras=options.extras)
        return stay(site_port=options.port, sandbox_port=options.sandbox_port, extras=options.extras)
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    finally:
        if signal.SIGINT in _asked:
            print("\nStopped.")


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="demo.py", description=__doc__.split("\n")[0])
    result.add_argument("--check", action="store_true", help="submit every form, wait for delivery, and leave")
    result.add_argument("--extras", action="store_true", help="also a page of Wagtail and an API (install both first)")
    result.add_argument("--port", type=int, default=SITE_PORT, help="of the site; default: %(default)s, or the next")
    result.add_argument(
        "--sandbox-port", type=int, default=SANDBOX_PORT, help="of the sandbox; default: %(default)s, or the next"
    )
    return result


def stay(*, site_port: int, sandbox_port: int, extras: bool = False) -> int:
    """Run site and sandbox until one of them ends. A real key in the environment takes the sandbox's place."""
    site_port = demo_servers.choose_port(site_port, name="the site")
    with_sandbox = not real_key()
    if with_sandbox:
        sandbox_port = demo_servers.choose_port(sandbox_port, name="the sandbox", taken={site_port})
    environment = {"DATABASE_URL": os.environ["DATABASE_URL"]} if os.environ.get("DATABASE_URL") else {}
    environment |= settings_module(extras=extras)
    with demo_servers.running(
        site_port=site_port, sandbox_port=sandbox_port if with_sandbox else None, environment=environment
    ) as servers:
        print(welcome(servers, extras=extras), flush=True)
        while not _asked:
            for server in servers:
                server.raise_if_ended()
            time.sleep(0.5)
    return 128 + _asked[-1]


def check(*, extras: bool = False) -> int:
    """Submit every form on free ports and, without ``DATABASE_URL``, in a database of its own."""
    if real_key():
        raise DemoError(
            "OCTANIST_API_KEY is set: --check submits made-up leads, which have no place in a real account."
            " Unset OCTANIST_API_KEY, or run the demo without --check."
        )
    with tempfile.TemporaryDirectory(prefix="octanist-demo-") as directory:
        folder = Path(directory)
        environment = {
            "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{folder / 'db.sqlite3'}",
            "MEDIA_ROOT": str(folder / "media"),
            **settings_module(extras=extras),
        }
        site_port, sandbox_port = demo_servers.free_ports(2)
        with demo_servers.running(
            site_port=site_port, sandbox_port=sandbox_port, environment=environment, logs=folder
        ) as servers:
            more = demo_check.EXTRA_SUBMISSIONS if extras else ()
            return demo_check.run(servers, submissions=(*demo_check.SUBMISSIONS, *more))


def real_key() -> str:
    return os.environ.get("OCTANIST_API_KEY", "")


def settings_module(*, extras: bool) -> dict[str, str]:
    """Return the environment that chooses the settings with Wagtail and Django REST framework, if they are wanted."""
    return {"DJANGO_SETTINGS_MODULE": "roofer.settings_extras"} if extras else {}


def welcome(servers: Servers, *, extras: bool = False) -> str:
    site, sandbox = servers.site.url, servers.sandbox
    lines = [
        "",
        f"  Site      {site}/",
        f"            {site}/?gclid=Demo-Click-1  as a visitor who comes from an ad",
        f"  Admin     {site}/admin/  user {USERNAME}, password {PASSWORD} (set anew on each start; this machine only)",
        "            Logged in there, each page of the site shows what the server knows of your visit.",
    ]
    if extras:
        lines += [
            f"  Wagtail   {site}/pages/roof-check/  a form that an editor builds, at {site}/cms/ (the same user)",
            f"  API       {site}/api/estimate/  of Django REST framework",
        ]
    if sandbox:
        lines += [
            f"  Octanist  {sandbox.url}/  the sandbox: what arrives shows there",
            "            An e-mail at @down.example is refused once, at @rejected.example and @invalid.example always.",
        ]
    else:
        url = os.environ.get("OCTANIST_API_URL") or "https://octanist.com/api"
        lines += [f"  Octanist  OCTANIST_API_KEY is set: leads go to the real account, at {url}. No sandbox runs."]
    return "\n".join([*lines, "", "  Ctrl-C stops it all.", ""])


def _leave(number: int, _frame: FrameType | None) -> None:
    # Python drops an exception that comes while it clears up an object: the loop of `stay` looks here, too.
    _asked.append(number)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
