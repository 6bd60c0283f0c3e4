"""Run in a Python of its own, as in the box: the module changes how that Python imports."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab.machines.vagrant import ansible_bytecode

SCRIPT = """
import sys
sys.path[:0] = [{archive!r}, {modules!r}]
import ansible_bytecode
ansible_bytecode.compile_source.__kwdefaults__["directory"] = {cache!r}
import sent
print(sent.ANSWER)
"""


@pytest.fixture
def run(tmp_path: Path):
    (tmp_path / "cache").mkdir()

    def run_once(answer: int, *, cache: str = "cache") -> str:
        archive = tmp_path / "sent.zip"
        with zipfile.ZipFile(archive, "w") as stream:
            stream.writestr("sent.py", f"ANSWER = {answer}\n")
        modules = str(Path(ansible_bytecode.__file__).parent)
        script = SCRIPT.format(archive=str(archive), modules=modules, cache=str(tmp_path / cache))
        argv = [sys.executable, "-I", "-c", script]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    return run_once


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").iterdir())


def test_the_same_source_is_compiled_once(run, tmp_path: Path) -> None:
    assert run(1) == "1"
    (file,) = kept(tmp_path)
    before = file.stat().st_mtime_ns
    assert run(1) == "1"
    assert kept(tmp_path) == [file]
    assert file.stat().st_mtime_ns == before


def test_another_source_has_code_of_its_own(run, tmp_path: Path) -> None:
    assert [run(1), run(2)] == ["1", "2"]
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize("content", [b"", b"\xff\xff", b"N"])
def test_a_damaged_file_is_written_anew(run, tmp_path: Path, content: bytes) -> None:
    run(1)
    (file,) = kept(tmp_path)
    good = file.read_bytes()
    file.write_bytes(content)
    assert run(1) == "1"
    assert file.read_bytes() == good


def test_without_a_cache_nothing_is_kept_and_all_works(run, tmp_path: Path) -> None:
    assert run(1, cache="elsewhere") == "1"
    assert kept(tmp_path) == []
