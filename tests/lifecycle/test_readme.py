"""The README's commands, typed in the order in which they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.lifecycle.conftest import ROOT, TIMEOUT, Lab

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = {"make test", "lab test"}
"""What runs this test, and what test_whole runs on the same lab."""


def commands() -> list[str]:
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    return [line for block in blocks for line in block.splitlines() if line and line not in ELSEWHERE]


def test_the_two_commands_are_there() -> None:
    assert "make lab-up" in commands()
    assert "make test" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("lab", [3], indirect=True)
def test_every_command_of_the_readme_works(lab: Lab) -> None:
    """Typed in a project of its own, beside which `make` finds this checkout."""
    makefile = Path(lab.file.parent, "Makefile")
    makefile.write_text(f"%:\n\t$(MAKE) -C {ROOT} $@ FILE={lab.file}\n")
    script = "set -eux\n" + "\n".join(commands())
    script = script.replace("$PWD/.venv", f"{ROOT}/.venv")
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=lab.file.parent,
        env=os.environ,
        input="",
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
