"""Examine this host for what a lab needs: the generic part, and what the provider of machines asks for."""

from __future__ import annotations

import os
import shutil
import sys

from lab.actions.steps import Context
from lab.machines.port import Finding, Severity


def examine(context: Context) -> list[Finding]:
    """Return all findings, the good ones too."""
    return [_python(), *([_root()] if context.needs_root else []), *context.host.findings()]


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(check="python", severity=Severity.OK, detail=found)


def _root() -> Finding:
    if os.geteuid() == 0:
        return Finding(check="root", severity=Severity.OK, detail="running as root")
    if shutil.which("sudo"):
        return Finding(
            check="root", severity=Severity.OK, detail="sudo is there and will be asked when needed"
        )
    fix = "run lab as root, or install sudo"
    return Finding(check="root", severity=Severity.FAILURE, detail="not root, and no sudo", fix=fix)
