"""The rendered configurations of the router, read by BIRD itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.machines.containers import base

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "golden/roles").glob("*.bird.conf"))
BIND_AND_PARSE = 'mount --bind "$1" "$2/etc/bird/bird.conf"; exec chroot "$2" bird -p'


@pytest.fixture(scope="module")
def bird() -> list[str]:
    """Return the command that parses the file named by its next argument."""
    if not shutil.which("bird"):
        pytest.skip("there is no bird on this host")
    return ["bird", "-p", "-c"]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_bird_of_this_host_accepts(bird, config: Path):
    done = subprocess.run([*bird, str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def machine() -> Path:
    """Return the root file system of the machine containers, if one was built."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    found = base.find()
    if found is None:
        pytest.skip("no base of machine containers was built")
    return found.tree


@pytest.mark.root
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_bird_of_the_machines_accepts(machine, config: Path):
    argv = ["unshare", "--mount", "sh", "-ec", BIND_AND_PARSE, "-", str(config), str(machine)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
