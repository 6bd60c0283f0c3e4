"""Prove the running lab: pytest with testinfra, from the client and the router; what could not run is said so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

from lab.actions.steps import Context
from lab.errors import CheckError

TIMEOUT = 1800.0
SLOWNESS_VARIABLE = "LAB_SLOWNESS"
"""Tells the checks how much longer than for machine containers they should wait."""


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    verdict: Verdict
    detail: str = ""
    seconds: float = 0.0


def run_checks(context: Context, *, junit: Path | None, options: Sequence[str], quiet: bool) -> list[Check]:
    """Run tests/e2e against the lab and return what each check found.

    `options` go to pytest as they are; `junit` keeps the report. Raises CheckError when the lab is not up or pytest
    could not run at all.
    """
    if not context.provider.status().exists:
        raise CheckError(f"lab {context.topology.name} is not up", hint="lab up")
    with TemporaryDirectory() as scratch:
        report = junit.resolve() if junit else Path(scratch, "junit.xml")
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "tests/e2e",
            f"--junit-xml={report}",
            "-p",
            "no:cacheprovider",
        ]
        output = subprocess.DEVNULL if quiet else None
        subprocess.run(
            [*argv, *options],
            cwd=context.playbooks,
            env={
                **os.environ,
                "LAB_TOPOLOGY": str(context.file),
                SLOWNESS_VARIABLE: str(context.provider.slowness),
            },
            stdout=output,
            timeout=context.patience(TIMEOUT),
            check=False,
        )
        if not report.exists():
            raise CheckError("the checks could not start", hint="make setup installs what they need")
        return read_report(report)


def read_report(report: Path) -> list[Check]:
    """Read a JUnit report, as pytest writes it."""
    return [_check(case) for case in ET.parse(report).iter("testcase")]  # noqa: S314  # our own pytest wrote it


def _check(case: ET.Element) -> Check:
    name = f"{case.get('classname', '').removeprefix('tests.e2e.')}::{case.get('name')}"
    seconds = float(case.get("time", 0))
    for tag, verdict in (
        ("failure", Verdict.FAILED),
        ("error", Verdict.FAILED),
        ("skipped", Verdict.NOT_RUN),
    ):
        found = case.find(tag)
        if found is not None:
            return Check(name=name, verdict=verdict, detail=found.get("message", ""), seconds=seconds)
    return Check(name=name, verdict=Verdict.PASSED, seconds=seconds)
