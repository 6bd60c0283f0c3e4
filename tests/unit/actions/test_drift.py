"""What was changed by hand is found: the very scripts that machines run, here on this host's files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.actions.drift import COMPARE, WRITE


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "etc hosts", tmp_path / "bird.conf"]
    for file in found:
        file.write_text(f"{file.name}\n")
    return found


@pytest.fixture
def record(tmp_path: Path, files: list[Path]) -> Path:
    path = tmp_path / "lab" / "record"
    subprocess.run(["sh", "-c", WRITE, str(path)], input="\n".join(map(str, files)), text=True, check=True)
    return path


def differing(record: Path) -> list[str]:
    done = subprocess.run(["sh", "-c", COMPARE, str(record)], capture_output=True, text=True, check=False)
    return [line.partition(": ")[0] for line in done.stdout.splitlines()]


def test_nothing_differs_at_first(record: Path) -> None:
    assert differing(record) == []


@pytest.mark.parametrize("change", [lambda file: file.write_text("no\n"), Path.unlink])
def test_a_file_that_was_edited_or_removed_is_named(
    record: Path, files: list[Path], change: Callable[[Path], object]
) -> None:
    change(files[0])
    assert differing(record) == [str(files[0])]


def test_without_the_record_nothing_is_believed(record: Path) -> None:
    record.unlink()
    assert differing(record) == [str(record)]
