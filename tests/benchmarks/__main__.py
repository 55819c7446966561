"""Runs the benchmarks that are named, or all: ``python -m tests.benchmarks [page_view|delivery|admin …] [--quick]``."""

from __future__ import annotations

import argparse
import os
import platform
from importlib import import_module

BENCHMARKS = ("page_view", "delivery", "admin")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    # Not `choices`: argparse would hold "none at all" against them.
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="few and short runs: for work on the benchmarks")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; must be of {', '.join(BENCHMARKS)}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.settings")
    import django

    django.setup()
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print(f"Python {platform.python_version()}, Django {django.get_version()}, {machine}", flush=True)
    for name in options.names or BENCHMARKS:
        import_module(f"tests.benchmarks.{name}").main(quick=options.quick)


if __name__ == "__main__":
    main()
