"""The README's tables say what the code does, and its Python compiles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from django_octanist import checks, dispatch, signals
from django_octanist.conf import SETTINGS
from django_octanist.management import commands
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


def test_dispatch() -> None:
    listed = [name.strip('"') for name in first_words("`OCTANIST_DISPATCH`")]
    assert listed == [*dispatch.STRATEGIES, "a dotted path"]


def test_signals() -> None:
    assert first_words("signal") == [name for name, value in vars(signals).items() if isinstance(value, signals.Signal)]


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
    assert target in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_promises() -> None:
    """Each is held by tests that are there."""
    folder = README.parent / "tests" / "faults"
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", " ".join(row[1] for row in table("promise")))
    assert len(named) >= len(table("promise")) > 20
    for file, name in named:
        assert f"\ndef {name}(" in (folder / file).read_text(encoding="utf-8"), f"{file}::{name}"
