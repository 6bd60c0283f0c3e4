"""The units of pocket, as the roles write them, judged by systemd itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.golden.produced import HERE

MACHINES = ("k8s-master", "k8s-worker1")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="not run: systemd is not installed here")
@pytest.mark.parametrize("machine", MACHINES)
def test_systemd_has_nothing_to_say_about_the_units(machine: str, tmp_path: Path) -> None:
    prefix = f"lab.{machine}."
    units = [
        shutil.copy(file, tmp_path / file.name.removeprefix(prefix))
        for file in sorted((HERE / "roles").glob(f"{prefix}pocket-*"))
    ]
    assert units
    done = subprocess.run(
        ["systemd-analyze", "verify", *units],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "pocket" in line]
    assert (done.returncode, ours) == (0, [])
