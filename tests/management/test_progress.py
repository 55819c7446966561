from __future__ import annotations

from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from django.core.management.base import OutputWrapper

from django_octanist.management import progress
from django_octanist.management.progress import BAR_SECONDS, LINE_SECONDS, Bar, Heartbeat, Log


class Time:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(progress, "elapsed", time)
    return time


def test_a_line_a_minute_says_what_was_settled_in_it(time: Time) -> None:
    counts: Counter[str] = Counter()
    output = StringIO()
    log = Log(counts, OutputWrapper(output))
    counts.update(delivered=1200, invalid=3)
    log()
    assert output.getvalue() == ""
    time.seconds += LINE_SECONDS
    log()
    log()
    assert output.getvalue() == "In the last minute: 1,200 delivered, 3 invalid.\n"
    counts.update(delivered=1)
    time.seconds += LINE_SECONDS
    log()
    assert output.getvalue().splitlines()[1:] == ["In the last minute: 1 delivered."]


def test_nothing_settled_is_no_line(time: Time) -> None:
    output = StringIO()
    log = Log(Counter(delivered=5), OutputWrapper(output))
    time.seconds += LINE_SECONDS
    log()
    assert output.getvalue() == ""


@pytest.mark.parametrize(
    ("settled", "total", "shown"),
    [
        (0, 300, "\r[..............................] 0/300 "),
        (100, 300, "\r[##########....................] 100/300 "),
        (300, 300, "\r[##############################] 300/300 "),
        (1500, 300, "\r[##############################] 1,500/1,500 "),
        (0, 0, "\r[..............................] 0/1 "),
    ],
)
def test_a_bar(time: Time, settled: int, total: int, shown: str) -> None:
    output = StringIO()
    bar = Bar(Counter(delivered=settled), OutputWrapper(output), total=total)
    time.seconds += BAR_SECONDS
    bar()
    assert output.getvalue() == shown
    bar.finish()
    assert output.getvalue() == f"{shown}{shown}\n"


def test_a_heartbeat_touches_its_file_but_not_in_every_round(time: Time, tmp_path: Path) -> None:
    file = tmp_path / "alive"
    beat = Heartbeat(file)
    file.unlink()
    beat()
    assert not file.exists()
    time.seconds += 70
    beat()
    assert file.exists()


def test_a_heartbeat_that_cannot_be_written_says_so_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Heartbeat(tmp_path / "nowhere" / "alive")


def test_a_heartbeat_that_cannot_be_written_any_more_stops_nothing(
    time: Time, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    beat = Heartbeat(folder / "alive")
    (folder / "alive").unlink()
    folder.rmdir()
    time.seconds += 70
    beat()
    assert "the heartbeat could not be written: FileNotFoundError" in caplog.text
