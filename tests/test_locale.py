"""Translations: each language is complete, says what the code says now, and is compiled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

import django_octanist

PACKAGE = Path(django_octanist.__file__).parent
LANGUAGES = ("de", "fr", "nl")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w+\}")


@cache
def catalog(language: str, folder: Path = PACKAGE) -> Catalog:
    with (folder / "locale" / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file, locale=language)


def texts(message: Message) -> list[str]:
    """Singular and plural, or the one text there is."""
    return list(message.id) if isinstance(message.id, (tuple, list)) else [message.id]


def translated(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, (tuple, list)) else [message.string]


def messages(language: str) -> list[Message]:
    return [message for message in catalog(language) if message.id]


def test_languages() -> None:
    assert tuple(sorted(folder.name for folder in (PACKAGE / "locale").iterdir())) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_complete(language: str) -> None:
    assert len(messages(language)) > 150
    assert not [message.id for message in messages(language) if not all(translated(message))]
    assert not [message.id for message in messages(language) if message.fuzzy]
    assert not catalog(language).obsolete


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_stay(language: str) -> None:
    for message in messages(language):
        wanted = set(PLACEHOLDER.findall(texts(message)[-1]))
        for index, text in enumerate(translated(message)):
            found = set(PLACEHOLDER.findall(text))
            # Of one thing, the number may be said in a word.
            assert found <= wanted if index == 0 and len(texts(message)) > 1 else found == wanted, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_white_space_and_ends_stay(language: str) -> None:
    """Parts of an e-mail are put together."""
    for message in messages(language):
        for source, text in zip(texts(message), translated(message), strict=False):
            assert source[:1].isspace() == text[:1].isspace(), message.id
            assert source[-1:].isspace() == text[-1:].isspace(), message.id
            assert source.endswith((".", "?", "!")) == text.rstrip().endswith((".", "?", "!")), message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled(language: str) -> None:
    with (PACKAGE / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = read_mo(file)
    for message in messages(language):
        there = compiled.get(message.id, context=message.context)
        assert there is not None, message.id
        assert translated(there) == translated(message), message.id


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="needs xgettext (Debian: gettext)")
@pytest.mark.parametrize("language", LANGUAGES)
def test_says_what_the_code_says(language: str, tmp_path: Path) -> None:
    """``cd django_octanist && django-admin makemessages -a --no-obsolete``, translate, ``compilemessages``."""
    copy = tmp_path / "django_octanist"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    make = [sys.executable, "-m", "django", "makemessages", "-l", language, "--no-obsolete", "-v", "0"]
    # Without the tests' settings, which are not to be found from there.
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run(make, cwd=copy, check=True, env=environment)
    there = {tuple(texts(message)) for message in messages(language)}
    wanted = {tuple(texts(message)) for message in catalog(language, copy) if message.id}
    assert wanted - there == set(), "not translated"
    assert there - wanted == set(), "not in the code any more"
