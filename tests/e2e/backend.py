"""A testinfra back end that enters a lab's machines the way `lab exec` does: `lab://client`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import testinfra.backend
from testinfra.backend.base import BaseBackend, CommandResult

from lab.machines.family import family_of
from lab.machines.port import Provider
from lab.topology.loader import load
from lab.topology.model import MachineName, Topology

FILE_VARIABLE = "LAB_TOPOLOGY"


def topology_file() -> Path:
    """Return the file that `lab test` named."""
    return Path(os.environ[FILE_VARIABLE])


def topology_under_test() -> Topology:
    return load(topology_file())


def enter(machine: str, user: str = "root") -> Callable[[list[str]], list[str]]:
    """Return what makes a host command of a command on the machine."""
    return lambda argv: _provider().enter(MachineName(machine), argv, user=user, terminal=False)


@cache
def _provider() -> Provider:
    return family_of(topology_under_test(), topology_file()).provider


class LabBackend(BaseBackend):  # type: ignore[misc]  # testinfra's types are not followed
    NAME = "lab"

    def __init__(self, machine: str, *args: Any, user: str = "root", **kwargs: Any) -> None:
        super().__init__(machine, *args, **kwargs)
        self._enter = enter(machine, user)

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        argv = self._enter(["sh", "-c", self.get_command(command, *args)])
        return self.run_local(" ".join("%s" for _ in argv), *argv)


testinfra.backend.BACKENDS["lab"] = "tests.e2e.backend.LabBackend"
