"""A testinfra back end that enters a lab's machines the way `lab exec` does: `lab://client`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import testinfra.backend
from testinfra.backend.base import BaseBackend, CommandResult

from lab.machines.family import family_of
from lab.topology.loader import load
from lab.topology.model import MachineName, Topology

FILE_VARIABLE = "LAB_TOPOLOGY"


def topology_under_test() -> Topology:
    """Return the topology that `lab test` named."""
    return load(Path(os.environ[FILE_VARIABLE]))


class LabBackend(BaseBackend):  # type: ignore[misc]  # testinfra's types are not followed
    NAME = "lab"

    def __init__(self, machine: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(machine, *args, **kwargs)
        self._machine = MachineName(machine)
        self._provider = family_of(topology_under_test(), Path(os.environ[FILE_VARIABLE])).provider

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        argv = ["sh", "-c", self.get_command(command, *args)]
        enter = self._provider.enter(self._machine, argv, user="root", terminal=False)
        return self.run_local(" ".join("%s" for _ in enter), *enter)


testinfra.backend.BACKENDS["lab"] = "tests.e2e.backend.LabBackend"
