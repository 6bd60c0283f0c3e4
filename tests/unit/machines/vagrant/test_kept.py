"""A configuration, from one root directory to another, by the scripts that machines run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.errors import MachineError
from lab.machines.vagrant import kept, recipe

OLD = "usr/bin/birdc", "etc/hosts", "etc/hostname"
NEW = {
    "etc/bird/bird.conf": "router id 1;",
    "usr/lib/lab/lab/__init__.py": "",
    "etc/hosts": "10.0.0.1 router",
}
PASSING = {
    "etc/machine-id": "5a1c",
    "etc/ssh/ssh_host_ed25519_key": "SECRET",
    "etc/kubernetes/pki/ca.key": "SECRET",
    "var/log/syslog": "noise",
    "var/cache/lab/bytecode/1": "code",
    "etc/netplan/50-lab.yaml": "addresses of its own",
}


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that notes how it was called."""
    program = tmp_path / "bin/systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("LAB_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "called"


def machine(root: Path):
    """Return what enters the machine whose root directory is `root`."""
    return lambda argv: [*argv[:-1], str(root)]


def write(root: Path, name: str, content: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root directory of which nothing is younger than the recipe's date: that of this test is the test's own."""
    root = tmp_path / "box"
    for name in OLD:
        write(root, name, "of the box")
    newest = max(path.lstat().st_ctime for path in (root, *root.rglob("*")))
    monkeypatch.setattr(recipe, "EPOCH", f"{newest:.9f}")
    return root


def test_what_roles_wrote_comes_to_the_next_machine_and_nothing_of_its_own(
    box: Path, systemctl: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    shutil.copytree(box, two)
    box.rename(one)
    for name, content in {**NEW, **PASSING}.items():
        write(one, name, content)
    (one / "etc/enabled").symlink_to("bird.service")
    (one / "usr/lib/lab/lab/__init__.py").chmod(0o640)
    assert not kept.is_kept("abc")
    kept.keep("abc", machine(one))
    assert kept.is_kept("abc")
    assert not kept.is_kept("abd")
    kept.apply("abc", machine(two))
    assert {name: (two / name).read_text() for name in NEW} == NEW
    assert (two / "etc/enabled").readlink() == Path("bird.service")
    assert (two / "usr/lib/lab/lab/__init__.py").stat().st_mode & 0o777 == 0o640
    assert [name for name in PASSING if (two / name).exists()] == []
    assert (two / "etc/hostname").read_text() == "of the box"
    assert systemctl.read_text().splitlines()[-1] == "start multi-user.target"


def test_another_recipe_has_no_configuration_kept(
    box: Path, systemctl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.keep("abc", machine(box))
    monkeypatch.setattr(recipe, "version", lambda: "another")
    assert not kept.is_kept("abc")


def test_a_machine_that_fails_is_quoted(box: Path, systemctl: Path) -> None:
    def broken(argv: Sequence[str]) -> list[str]:
        return ["sh", "-c", "echo no route to host >&2; exit 255"]

    with pytest.raises(MachineError, match="no route to host"):
        kept.keep("abc", broken)
    assert not kept.is_kept("abc")
