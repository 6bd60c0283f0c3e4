"""The life of a lab of machine containers: how long its verbs take, and what a machine weighs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from lab.machines.containers import cgroups
from tests.bench.inside import on
from tests.bench.report import Figure, publish
from tests.lifecycle.conftest import MACHINES_ONLY, Lab, write_lab

RUNS = 5
MIB = 1 << 20
LISTING = ("ps", "-e", "-o", "rss=,args=")
PROGRAMS = {
    "lab.pocket server": 80,
    "lab.pocket controllers": None,
    "lab.pocket agent": 40,
    "lab.pocket proxy": None,
    "lab.balancer controller": 60,
    "lab.balancer speaker": 45,
}
"""What runs on the machines, and how many MiB of memory it may take."""


def timed(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return round(time.monotonic() - begun, 3)


def verb(lab: Lab, *argv: str) -> Callable[[], object]:
    """Return the verb as a whole process, as a user starts it."""
    lab_program = str(Path(sys.executable).with_name("lab"))
    command = [lab_program, argv[0], "--file", str(lab.file), *argv[1:]]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def help_verb() -> object:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lab")), "--help"], check=True, capture_output=True
    )


def life(lab: Lab) -> list[Figure]:
    """Measure the default lab: cold once, then warm several times, machines alone and whole."""
    cold = timed(verb(lab, "up", "--no-cache"))
    machines, warm, again, status, down = [], [], [], [], []
    idle: list[float] = []
    for _ in range(RUNS):
        down.append(timed(verb(lab, "down")))
        machines.append(timed(verb(lab, "up", *MACHINES_ONLY)))
        idle = [(cgroups.memory(lab.name, name) or 0) / MIB for name in lab.states()]
        lab("down")
        warm.append(timed(verb(lab, "up")))
        again.append(timed(verb(lab, "up")))
        status.append(timed(verb(lab, "status")))
    time.sleep(3)
    whole = sum(cgroups.memory(lab.name, name) or 0 for name in lab.states()) / MIB
    processes = [line for name in lab.states() for line in on(lab, name, *LISTING).splitlines()]
    programs = [
        Figure(name=f"{program}, resident", unit="MiB", target=target, runs=resident(processes, program))
        for program, target in PROGRAMS.items()
    ]
    return [
        Figure(name="up, nothing converged, base known", unit="s", target=90, runs=(cold,)),
        Figure(name="up to machines and networks, layers known", unit="s", target=5, runs=tuple(machines)),
        Figure(name="up to the client's answer, layers known", unit="s", target=10, runs=tuple(warm)),
        Figure(name="second up", unit="s", target=2, runs=tuple(again)),
        Figure(name="status", unit="s", target=0.3, runs=tuple(status)),
        Figure(name="--help", unit="s", target=0.15, runs=tuple(timed(help_verb) for _ in range(RUNS))),
        Figure(name="down", unit="s", target=1, runs=tuple(down)),
        Figure(name="idle machine, memory cgroup", unit="MiB", target=15, runs=tuple(idle)),
        Figure(name="whole default lab, memory cgroups", unit="MiB", target=700, runs=(round(whole, 1),)),
        *programs,
    ]


def resident(processes: Iterable[str], program: str) -> tuple[float, ...]:
    """Return the resident memory, in MiB, of each process of the program."""
    found = (line.split()[0] for line in processes if f" -m {program}" in line)
    return tuple(round(int(kibibytes) / 1024, 1) for kibibytes in found)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        default = write_lab(Path(scratch, "default"), name="bench")
        try:
            figures = life(default)
        finally:
            default("down")
        large = write_lab(Path(scratch, "large"), name="bench20", workers=20)
        try:
            cold = timed(verb(large, "up", *MACHINES_ONLY))
            large("down")
            warm = timed(verb(large, "up", *MACHINES_ONLY))
        finally:
            large("down")
    figures += [
        Figure(name="20 workers: first up", unit="s", target=240, runs=(cold,)),
        Figure(name="20 workers: up, layers known", unit="s", target=20, runs=(warm,)),
    ]
    publish("lab of machine containers", figures)


if __name__ == "__main__":
    main()
