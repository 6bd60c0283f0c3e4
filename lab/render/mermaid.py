"""The lab as a Mermaid flowchart."""

from __future__ import annotations

from lab.render.templates import render
from lab.topology.model import Topology


def mermaid(topology: Topology) -> str:
    """Return the flowchart, for Markdown pages."""
    return render("lab.mmd.j2", lab=topology)
