"""Commands on the machines of a lab that is measured."""

from __future__ import annotations

import subprocess
import sys

from tests.lifecycle.conftest import Lab

TIMEOUT = 300.0


def enter(lab: Lab, machine: str, *argv: str) -> list[str]:
    """Return the command that runs `argv` on the machine, from this host."""
    return [sys.executable, "-m", "lab.cli", "exec", "--file", str(lab.file), machine, "--", *argv]


def on(lab: Lab, machine: str, *argv: str) -> str:
    """Run a command on the machine; returns what it printed. Raises CalledProcessError when it fails."""
    command = enter(lab, machine, *argv)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT).stdout


def kubectl(lab: Lab, *argv: str) -> str:
    return on(lab, "k8s-master", "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", *argv)
