"""The README's tables say what the code does, and its Python compiles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from django_octanist import admin, checks, contrib, dispatch, signals
from django_octanist.conf import SETTINGS
from django_octanist.health import Kind
from django_octanist.management import commands
from django_octanist.management.status import exposition
from django_octanist.models import Lead
from django_octanist.sandbox.rules import RULES
from django_octanist.vocabulary import FIELDS, Group, names
from tests.test_layers import LAYERS

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8") if README.exists() else ""


def table(heading: str) -> list[list[str]]:
    """The rows of the table whose first heading is ``heading``."""
    lines = TEXT.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def first_words(heading: str) -> list[str]:
    return [row[0].strip("`") for row in table(heading)]


def anchor(heading: str) -> str:
    """The part behind ``#`` of a link to ``heading``."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def default(value: object) -> str:
    return f'`"{value}"`' if isinstance(value, str) else f"`{value!r}`"


def test_settings() -> None:
    assert table("setting") == [
        [f"`{setting.name}`", setting.default_shown or default(setting.default), setting.meaning]
        for setting in SETTINGS.values()
    ]


def test_statuses() -> None:
    assert first_words("status") == Lead.Status.values


def test_checks() -> None:
    source = Path(checks.__file__).read_text(encoding="utf-8")
    ids = set(re.findall(r'id="(octanist\.\w+)"', source)) | {setting.check_id for setting in SETTINGS.values()}
    assert first_words("id") == sorted(ids)


def test_commands() -> None:
    folder = Path(next(iter(commands.__path__)))
    assert sorted(first_words("command")) == sorted(path.stem for path in folder.glob("octanist_*.py"))


def test_integrations() -> None:
    """A row for each adapter that is shipped, by its extra; each with a section of its name and runs of its own."""
    rows = table("with")
    extras = {row[1].strip("`") for row in rows} - {"—"}
    shipped = {path.stem for path in Path(next(iter(contrib.__path__))).iterdir() if path.stem[0] != "_"}
    assert extras == shipped - {"missing"}
    pyproject = (README.parent / "pyproject.toml").read_text(encoding="utf-8")
    section = pyproject.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    assert extras == set(re.findall(r"^(\w+) =", section, re.MULTILINE)) - {"csp", "tasks"}
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), key=str.casefold)
    for row in rows:
        assert f"](#{anchor(f'With {row[0]}')})" in row[2], f"{row[0]}: no link to its section"
        assert f"\n### With {row[0]}\n" in TEXT
    tox = (README.parent / "tox.ini").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^\[testenv:\{([\w,]+)\}-\{oldest,newest\}", tox, re.MULTILINE)
    assert extras <= set(listed.split(","))
    for name in extras:
        assert f"pytest --ds=tests.contrib.{name}.settings {{posargs:tests/contrib/{name}}}" in tox
        assert (README.parent / "tests" / "contrib" / name / "settings.py").exists()


def test_gauges() -> None:
    source = Path(exposition.__file__).read_text(encoding="utf-8")
    assert first_words("gauge") == re.findall(r'Metric\(\s*"(octanist_\w+)"', source)


def test_problems() -> None:
    (row,) = [row for row in table("key of `--json`") if row[0] == "`problems`"]
    assert ", ".join(f"`{kind.value}`" for kind in Kind) in row[1]


def test_dispatch() -> None:
    listed = [name.strip('"') for name in first_words("`OCTANIST_DISPATCH`")]
    assert listed == [*dispatch.STRATEGIES, "a dotted path"]


def test_signals() -> None:
    assert first_words("signal") == [name for name, value in vars(signals).items() if isinstance(value, signals.Signal)]


def test_permissions() -> None:
    own = {f"octanist.{codename}" for codename, _name in Lead._meta.permissions}
    listed = first_words("permission")
    assert own <= set(listed)
    assert set(listed) - own == {"octanist.view_lead", "octanist.view_deliverypause"}
    text = "".join(path.read_text(encoding="utf-8") for path in Path(admin.__file__).parent.glob("*.py"))
    named = {f"octanist.{name}" for name in re.findall(r"\b((?:view|replay|erase)_[a-z_]+)\"", text)}
    assert {name for name in named if name in own} == own, "a permission that the admin asks for nowhere"


def test_sandbox_rules() -> None:
    assert table("e-mail at") == [[f"`{rule.domain}`", str(rule.status), rule.meaning] for rule in RULES]


def test_vocabulary() -> None:
    assert table("group") == [[group.value, " ".join(f"`{name}`" for name in names(group))] for group in Group]
    assert len(FIELDS) == 30


def test_layers() -> None:
    written = {int(row[0]): row[1].replace("`", "").split() for row in table("layer")}
    apart = {"", "migrations", "management.commands.octanist_sandbox"}
    assert written == {number: [room for room in rooms if room not in apart] for number, rooms in LAYERS.items()}


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL), ids=lambda block: block[:30])
def test_python_compiles(block: str) -> None:
    compile(block, "README.md", "exec")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(#([\w-]+)\)", TEXT))))
def test_links_lead_somewhere(target: str) -> None:
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    assert target in {anchor(heading) for heading in headings}


def test_promises() -> None:
    """Each is held by tests that are there."""
    folder = README.parent / "tests" / "faults"
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", " ".join(row[1] for row in table("promise")))
    assert len(named) >= len(table("promise")) > 20
    for file, name in named:
        assert f"\ndef {name}(" in (folder / file).read_text(encoding="utf-8"), f"{file}::{name}"
