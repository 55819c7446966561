"""A module imports only from layers above its own, or from its own layer where it is listed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import django_octanist

ROOT = Path(django_octanist.__file__).parent
NAME = django_octanist.__name__

LAYERS = {
    0: ["", "conf", "exceptions", "signals", "text", "vocabulary"],
    1: [
        *("attribution", "client", "clock", "consent", "detection", "exchanges", "mapping", "masking", "payload"),
        *("pixel", "plain", "process", "transactions", "transport"),
    ],
    2: ["models", "migrations"],
    3: ["alerts", "bulk", "delivery", "dispatch", "figures", "health"],
    4: ["capture"],
    5: ["admin", "apps", "checks", "forms", "management", "middleware", "proxy", "registry", "templatetags", "views"],
    6: ["contrib", "management.commands.octanist_sandbox", "sandbox", "test"],
}

WITHIN_A_LAYER = {
    ("conf", "exceptions"),
    ("signals", "exceptions"),
    ("text", "vocabulary"),
    ("attribution", "consent"),
    ("client", "clock"),
    ("consent", "transactions"),
    ("client", "exchanges"),
    ("exchanges", "clock"),
    ("exchanges", "transport"),
    ("detection", "plain"),
    ("mapping", "detection"),
    ("mapping", "plain"),
    ("masking", "payload"),
    ("plain", "transactions"),
    ("transport", "clock"),
    ("alerts", "figures"),
    ("bulk", "dispatch"),
    ("bulk", "figures"),
    ("delivery", "alerts"),
    ("dispatch", "alerts"),
    ("dispatch", "delivery"),
    ("health", "figures"),
    ("apps", "checks"),
    ("checks", "forms"),
    ("checks", "proxy"),
    ("checks", "registry"),
    ("management", "checks"),
    ("templatetags", "proxy"),
    ("views", "forms"),
    ("management.commands.octanist_sandbox", "sandbox"),
    ("test", "sandbox"),
}


def _room(module: str) -> str:
    """The entry of the table that ``module`` (``delivery.claims``) belongs to."""
    rooms = [room for layer in LAYERS.values() for room in layer]
    fitting = [room for room in rooms if module == room or (room and module.startswith(f"{room}."))]
    assert fitting, f"django_octanist.{module} is in no layer: give it one in tests/test_layers.py"
    return max(fitting, key=len)


def _layer(room: str) -> int:
    return next(number for number, rooms in LAYERS.items() if room in rooms)


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def _imports(module: str, path: Path) -> Iterator[str]:
    """The package's own modules that ``module`` imports, by their names within the package."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = _base(node, package=package)
            if base is not None:
                yield from (_existing(base, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == NAME:
                    yield alias.name.partition(".")[2]


def _base(node: ast.ImportFrom, *, package: str) -> str | None:
    if node.level:
        parts = package.split(".") if package else []
        kept = parts[: len(parts) - (node.level - 1)]
        return ".".join([*kept, *([node.module] if node.module else [])])
    if node.module and node.module.partition(".")[0] == NAME:
        return node.module.partition(".")[2]
    return None


def _existing(base: str, name: str) -> str:
    candidate = f"{base}.{name}" if base else name
    path = ROOT.joinpath(*candidate.split("."))
    return candidate if path.is_dir() or path.with_suffix(".py").exists() else base


MODULES = list(_modules())


@pytest.mark.parametrize(("module", "path"), MODULES, ids=lambda value: value or "__init__")
def test_imports_run_one_way(module: str, path: Path) -> None:
    room = _room(module)
    for imported in _imports(module, path):
        other = _room(imported)
        allowed = other == room or _layer(other) < _layer(room) or (room, other) in WITHIN_A_LAYER
        assert allowed, f"{module or '__init__'} ({room}) must not import {imported} ({other})"


def test_the_package_itself_imports_nothing() -> None:
    assert not list(_imports("", ROOT / "__init__.py"))


@pytest.mark.parametrize(("module", "path"), MODULES, ids=lambda value: value or "__init__")
def test_only_conf_reads_the_settings_of_the_app(module: str, path: Path) -> None:
    if module != "conf":
        assert "settings.OCTANIST" not in path.read_text(encoding="utf-8")


def test_nothing_is_called_utils() -> None:
    assert not [name for name, _path in _modules() if {"utils", "helpers"} & set(name.split("."))]
