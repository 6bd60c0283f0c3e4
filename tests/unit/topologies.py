"""The default lab as a value, for tests above the topology."""

from __future__ import annotations

from pathlib import Path

from lab.topology.loader import load
from lab.topology.model import Topology

ROOT = Path(__file__).resolve().parents[2]


def default_lab() -> Topology:
    return load(ROOT / "lab.yml")
