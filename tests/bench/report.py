"""What a benchmark prints: figures with what they were measured on, as JSON and as a table."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure: all runs are kept, the median is the value."""

    name: str
    unit: str
    runs: tuple[float, ...]
    target: float | None = None
    """What the value should not exceed; None where nothing was asked for."""
    at_least: bool = False
    """The value should not fall short of the target instead."""

    @property
    def value(self) -> float:
        return round(statistics.median(self.runs), 3)


def machine_facts() -> dict[str, str | int]:
    """Return what the figures were measured on."""
    meminfo = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")), "unknown")
    return {
        "cpus": os.cpu_count() or 0,
        "cpu": model,
        "memory_mib": int(meminfo["MemTotal"].split()[0]) >> 10,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": Path("/proc/loadavg").read_text().split()[0],
    }


def publish(title: str, figures: Sequence[Figure]) -> None:
    """Print the table on standard error and the JSON on standard output."""
    width = max(len(figure.name) for figure in figures)
    print(f"\n{title}", file=sys.stderr)
    for figure in figures:
        runs = f"{min(figure.runs):g}..{max(figure.runs):g}"
        target = "" if figure.target is None else f"{'≥' if figure.at_least else '≤'} {figure.target:g}"
        row = f"{figure.value:>9g} {figure.unit:<4} {target:>9}   {len(figure.runs)} runs {runs}"
        print(f"  {figure.name:<{width}} {row}", file=sys.stderr)
    rows = [{**asdict(figure), "value": figure.value} for figure in figures]
    print(json.dumps({"bench": title, "machine": machine_facts(), "figures": rows}))
