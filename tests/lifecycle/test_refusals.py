"""What a beginner does wrong, and what they are told: one message, the next step, no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import HostError
from lab.machines.containers.shelves import layers
from tests.lifecycle.conftest import ROOT, Lab

NOBODY = 65534
ROOT_ONLY = pytest.mark.skipif(
    os.geteuid() != 0, reason="not run: only root can become another user or mount"
)


def _refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("verb", ["ssh", "exec", "logs"])
def test_a_machine_of_a_lab_that_is_not_up(lab: Lab, verb: str) -> None:
    argv = [verb, "--file", str(lab.file), "client", *(["--", "true"] if verb == "exec" else [])]
    _refused(lab.run(argv, check=False), 5, "is not up", "lab up")


def test_checks_of_a_lab_that_is_not_up(lab: Lab) -> None:
    _refused(lab("test", check=False), 1, "is not up", "lab up")


def test_a_machine_that_is_not_there(lab: Lab) -> None:
    argv = ["ssh", "--file", str(lab.file), "k8s-worker9"]
    _refused(lab.run(argv, check=False), 2, "no machine k8s-worker9", "machines: router, k8s-master")


def test_an_unknown_verb_and_an_unknown_fault(lab: Lab) -> None:
    _refused(lab.run(["upp"], check=False), 2, "No such command")
    _refused(lab.run(["fault", "explode", "client"], check=False), 2, "explode")


def test_a_wrong_file_stops_every_verb(lab: Lab) -> None:
    lab.file.write_text(lab.file.read_text().replace("count: 2", "cuont: 2"))
    for verb in ("up", "status", "plan", "down"):
        _refused(lab(verb, check=False), 2, "cuont", "count")
    lab.file.write_text(lab.file.read_text().replace("cuont: 2", "count: 2"))


@ROOT_ONLY
def test_a_user_without_sudo_is_told_what_to_run(lab: Lab, tmp_path: Path) -> None:
    """The user must be able to read the interpreter: skipped where root's home hides it."""
    if not _readable_by_all(Path(sys.executable).resolve()):
        pytest.skip("not run: another user cannot read this Python")
    empty = tmp_path / "path"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "lab.cli", "up", "--file", "lab.yml"],
        cwd=ROOT,
        env={"PATH": str(empty), "HOME": str(tmp_path)},
        user=NOBODY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    _refused(done, HostError.exit_code, "root is needed", "as root, run:")


def _readable_by_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@ROOT_ONLY
def test_a_full_disk(lab: Lab, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CACHE_DIR", str(small_disk))
    _refused(lab.up(check=False), HostError.exit_code, str(small_disk), "LAB_CACHE_DIR")
    assert list(small_disk.rglob("*.deb")) == []
    monkeypatch.undo()
    lab.up()


@ROOT_ONLY
def test_a_damaged_layer_is_made_again(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a cache of its own, with the base borrowed."""
    lab.up()
    lab("down")
    usual = layers().directory.parent.parent
    own = tmp_path / "cache"
    own.mkdir()
    (own / "bases").symlink_to(usual / "bases")
    shutil.copytree(usual / "layers", own / "layers", symlinks=True)
    monkeypatch.setenv("LAB_CACHE_DIR", str(own))
    victim = next(path for path in (own / "layers").glob("*/*/tree/etc/netplan/60-lab-routes.yaml"))
    victim.write_text("damaged\n")
    for manifest in (own / "layers").glob("*/*/manifest.json"):
        manifest.write_text(json.dumps({"digest": "damaged"}))
    lab.up()
    assert set(lab.states().values()) == {"running"}
