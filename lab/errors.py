"""Every error that `lab` raises on purpose.

LabError                    something a user can act on; has an exit code and a next step
├── UsageError              the command line asks for something impossible               exit 2
├── TopologyError           lab.yml is wrong: carries every mistake found                exit 2
├── HostError               this host lacks something (root, a tool, a kernel feature)   exit 3
├── BusyError               another `lab` holds the lab                                  exit 4
├── MachineError            a machine failed to boot, or is not there                    exit 5
├── ProvisionError          a play failed                                                exit 6
├── CheckError              the lab is up and a check says no                            exit 1
├── ApiError                a Kubernetes API refused or failed                           exit 7
└── ProtocolError           a peer broke a protocol; carries the reply to send           (never reaches a user)

Foreign errors are translated where they enter, with `raise … from`.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ApiError",
    "BusyError",
    "CheckError",
    "HostError",
    "LabError",
    "MachineError",
    "ProtocolError",
    "ProvisionError",
    "TopologyError",
    "UsageError",
]


class LabError(Exception):
    """An error with its cause in one sentence and, where there is one, the next step."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LabError):
    exit_code = 2


class TopologyError(LabError):
    exit_code = 2


class HostError(LabError):
    exit_code = 3


class BusyError(LabError):
    exit_code = 4


class MachineError(LabError):
    exit_code = 5


class ProvisionError(LabError):
    exit_code = 6


class CheckError(LabError):
    exit_code = 1


class ApiError(LabError):
    exit_code = 7


class ProtocolError(LabError):
    """A peer's fault. Subclasses in `wire` carry the message that answers it."""
