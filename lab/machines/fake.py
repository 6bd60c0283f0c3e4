"""Machines that exist only in memory: for tests of what is above the port. Named in its output for what it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from lab.errors import MachineError
from lab.machines.port import LabStatus, Link, MachineStatus, Power, State
from lab.topology.model import MachineName, NetworkName, Topology

AFTER = {
    Power.START: State.RUNNING,
    Power.STOP: State.OFF,
    Power.REBOOT: State.RUNNING,
    Power.KILL: State.OFF,
    Power.FREEZE: State.FROZEN,
    Power.THAW: State.RUNNING,
}


class FakeMachines:
    """A provider and its captures, without any machine (implements `Provider` and `Captures`)."""

    name = "fake"
    slowness = 1.0
    online = False

    def __init__(self, topology: Topology, *, prepared: bool = True) -> None:
        self._topology = topology
        self._prepared = prepared
        self._machines: dict[MachineName, MachineStatus] = {}
        self.captured: set[str] = set()

    def status(self) -> LabStatus:
        exists = bool(self._machines)
        return LabStatus(exists=exists, provider=self.name, machines=tuple(self._machines.values()))

    def prepare(self, on_line: Callable[[str], None] | None) -> bool:
        missing = not self._prepared
        self._prepared = self._prepared or on_line is not None
        return missing

    def create(
        self, wanted: Mapping[MachineName, str], *, fresh: Collection[MachineName] = ()
    ) -> Sequence[MachineName]:
        started = []
        names = {machine.name for machine in self._topology.machines}
        self._machines = {n: m for n, m in self._machines.items() if n in names and n not in fresh}
        for machine in self._topology.machines:
            known = self._machines.get(machine.name)
            if known and known.state in (State.RUNNING, State.FROZEN):
                continue
            configured = wanted.get(machine.name, "")
            self._machines[machine.name] = known or MachineStatus(
                name=machine.name,
                state=State.OFF,
                links={nic.network: Link() for nic in machine.interfaces},
                configured=configured if configured in self.captured else "",
            )
            self.power(machine.name, Power.START)
            started.append(machine.name)
        return started

    def power(self, machine: MachineName, action: Power) -> None:
        known = self._known(machine)
        self._machines[machine] = replace(known, state=AFTER[action], since=known.since + 1)

    def link(self, machine: MachineName, network: NetworkName, state: Link) -> None:
        known = self._known(machine)
        self._machines[machine] = replace(known, links={**known.links, network: state})

    def enter(self, machine: MachineName, argv: Sequence[str], *, user: str, terminal: bool) -> list[str]:
        del user, terminal
        self._known(machine)
        return ["echo", f"[fake machine {machine}]", *argv]

    def connections(self) -> Mapping[MachineName, Mapping[str, str | bool]]:
        return {name: {"ansible_connection": "local"} for name in self._machines}

    def destroy(self) -> None:
        self._machines = {}

    def knows(self, configuration: str) -> bool:
        return configuration in self.captured

    def capture(self, machine: MachineName, configuration: str) -> None:
        self.captured.add(configuration)
        self._machines[machine] = replace(self._known(machine), configured=configuration)

    def _known(self, machine: MachineName) -> MachineStatus:
        try:
            return self._machines[machine]
        except KeyError:
            raise MachineError(f"there is no machine {machine}") from None
