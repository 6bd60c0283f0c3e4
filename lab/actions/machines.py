"""The steps that make machines exist: look at the host, make the base, create, start and heal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lab.actions import proved
from lab.actions.steps import Context
from lab.machines.port import LabStatus, Link, MachineStatus, Power, State
from lab.topology.model import MachineName


class PrepareBase:
    title = "prepare the base"

    def plan(self, context: Context) -> Sequence[str]:
        return ["build it (about 40 s, once)"] if context.provider.prepare(None) else []

    def run(self, context: Context) -> None:
        if not context.provider.prepare(context.report.detail):
            context.report.note("from the cache")


class CreateMachines:
    """Make every machine exist, run, and be whole; remove those that lab.yml no longer names."""

    title = "create machines"

    def plan(self, context: Context) -> Sequence[str]:
        status = context.provider.status()
        names = {machine.name for machine in context.topology.machines}
        gone = [f"remove {machine.name}" for machine in status.machines if machine.name not in names]
        return gone + [line for name in sorted(names) if (line := _remedy(status.machine(name)))]

    def run(self, context: Context) -> None:
        create(context)
        heal(context, context.provider.status())


def create(context: Context, *, fresh: Collection[MachineName] = ()) -> None:
    wanted = context.fingerprints if context.captures else {}
    context.provider.create(wanted, fresh=fresh)


def can_be_made_anew(context: Context, machines: Collection[MachineName]) -> bool:
    """Tell whether fresh machines of these names would boot with what the present ones were configured with."""
    wanted = context.fingerprints
    captures = context.captures
    return captures is not None and all(captures.knows(wanted[machine]) for machine in machines)


def heal(context: Context, status: LabStatus) -> None:
    """Undo every fault: thaw what is frozen, plug what is unplugged, start what is off."""
    for machine in status.machines:
        heal_machine(context, machine)


def heal_machine(context: Context, machine: MachineStatus) -> None:
    if machine.state is State.FROZEN:
        context.provider.power(machine.name, Power.THAW)
    if machine.state in (State.OFF, State.FAILED):
        context.provider.power(machine.name, Power.START)
    for network, link in machine.links.items():
        if link != Link():
            proved.doubt(context)
            context.provider.link(machine.name, network, Link())


def _remedy(machine: MachineStatus) -> str:
    if machine.state is State.ABSENT:
        return f"create {machine.name}"
    if machine.stale:
        return f"make {machine.name} anew: its interfaces changed"
    if machine.state is State.FROZEN:
        return f"thaw {machine.name}"
    if machine.state is not State.RUNNING:
        return f"start {machine.name} ({machine.state})"
    broken = [network for network, link in machine.links.items() if link != Link()]
    return f"plug {machine.name} into {', '.join(broken)} again" if broken else ""
