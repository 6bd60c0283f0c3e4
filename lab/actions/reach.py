"""The step that proves the networks: every machine answers, and the client reaches the cluster through the router."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.actions.machines import can_be_made_anew, create, heal
from lab.actions.steps import Context
from lab.errors import CheckError, LabError
from lab.topology.model import Address, Machine, MachineName, Topology

PATIENCE = 15.0
PROBE_TIMEOUT = 5.0
POLL = 0.1
"""Seconds, all of them on a machine container."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A command that must succeed on a machine."""

    machine: MachineName
    argv: tuple[str, ...]
    claim: str


def probes(topology: Topology) -> list[Probe]:
    """Return what shows that the networks work: each node reaches the client and back, through the router."""
    near, far = topology.cluster_network.name, topology.client_network.name
    client = topology.client.interface(far).addresses
    found = [Probe(topology.router.name, ("birdc", "show", "status"), "BIRD answers on the router")]
    for node in (topology.control_plane, *topology.workers):
        found += [_ping(node, address.ip) for address in client]
    for address in topology.control_plane.interface(near).addresses:
        found.append(_ping(topology.client, address.ip))
    return found


class Reach:
    """Wait until the networks work; make anew, once, a machine that stands in their way."""

    title = "prove the networks"

    def plan(self, context: Context) -> Sequence[str]:
        status = context.provider.status()
        if not status.exists:
            return ["ping from every node to the client and back"]
        broken = _failing(context, probes(context.topology), patience=0)
        return [f"mend: {probe.claim} (it does not)" for probe in broken]

    def run(self, context: Context) -> None:
        heal(context, context.provider.status())
        broken = _failing(context, probes(context.topology), patience=PATIENCE)
        suspects = sorted({probe.machine for probe in broken} | {context.topology.router.name})
        if broken and can_be_made_anew(context, suspects):
            context.report.notice(f"made anew, because it did not work: {', '.join(suspects)}")
            create(context, fresh=suspects)
            broken = _failing(context, broken, patience=PATIENCE)
        if broken:
            raise CheckError(
                "; ".join(f"not true: {probe.claim}" for probe in broken),
                hint=f"look there: lab ssh {broken[0].machine}; or rebuild: lab down && lab up --no-cache",
            )


def _ping(machine: Machine, address: Address) -> Probe:
    argv = ("ping", "-n", "-q", "-c", "1", "-W", "1", str(address))
    return Probe(machine.name, argv, f"{machine.name} reaches {address}")


def _failing(context: Context, wanted: Iterable[Probe], *, patience: float) -> list[Probe]:
    """Try the probes, all at once, until they succeed or `patience` seconds are over; return those that did not.

    Slow machines have longer.
    """
    deadline = time.monotonic() + context.patience(patience)
    failing = list(wanted)
    with ThreadPoolExecutor(max_workers=8) as pool:
        while True:
            verdicts = list(pool.map(lambda probe: _holds(context, probe), failing))
            failing = [probe for probe, holds in zip(failing, verdicts, strict=True) if not holds]
            if not failing or time.monotonic() > deadline:
                return failing
            context.report.detail(f"not yet: {failing[0].claim}")
            time.sleep(context.patience(POLL))


def _holds(context: Context, probe: Probe) -> bool:
    try:
        argv, timeout = context.enter(probe.machine, *probe.argv), context.patience(PROBE_TIMEOUT)
        done = subprocess.run(argv, capture_output=True, timeout=timeout, check=False)
    except (LabError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
