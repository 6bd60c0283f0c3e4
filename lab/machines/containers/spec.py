"""What the supervisor is told of a lab: plain values that cross a socket as JSON. It knows no topology."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

VERSION = 4
"""Changes when an older supervisor can no longer be spoken to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NicSpec:
    network: str
    bridge: str
    port: str
    """Name of the switch's end of the cable; at most 15 bytes, as the kernel demands."""
    name: str
    """Name of the machine's end."""
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    name: str
    nics: tuple[NicSpec, ...]
    files: Mapping[str, str]
    """Path below the root → content, written before the first boot."""

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read what `asdict` wrote."""
        nics = tuple(NicSpec(**nic) for nic in raw["nics"])
        return cls(name=raw["name"], nics=nics, files=dict(raw["files"]))

    def digest(self) -> str:
        """Return what tells this description from any other."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
