from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import BusyError
from lab.kits.lock import exclusive

HOLDER = """
import sys
from pathlib import Path
from lab.kits.lock import exclusive
with exclusive(Path(sys.argv[1]), purpose="lab up"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lab.lock"
    with _holder(path) as holder:
        with (
            pytest.raises(BusyError, match=rf"lab up \(process {holder.pid}\)"),
            exclusive(path, purpose="lab down"),
        ):
            pass
        holder.communicate("\n", timeout=10)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lab.lock"
    with _holder(path) as holder:
        holder.kill()
    with exclusive(path, purpose="lab down"):
        assert path.read_text().startswith("lab down")


def test_a_waiter_gets_it_when_the_holder_ends(tmp_path: Path) -> None:
    path = tmp_path / "lab.lock"
    told: list[str] = []

    def end_it(words: str) -> None:
        told.append(words)
        holder.communicate("\n", timeout=10)

    with _holder(path) as holder, exclusive(path, purpose="lab down", wait=10, on_wait=end_it):
        assert told
        assert told[0].startswith("lab up")
