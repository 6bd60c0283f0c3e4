"""The command line, on the lab under test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.backend import topology_file
from tests.e2e.eventually import SLOWNESS

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 300 * SLOWNESS


def lab(*argv: str) -> str:
    """Run a verb and return what it prints; fails the test when it fails."""
    command = [sys.executable, "-m", "lab.cli", *argv, "--file", str(topology_file())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, cwd=ROOT)
    assert done.returncode == 0, f"lab {argv}: {done.stdout}{done.stderr}"
    return done.stdout
