"""Faults on purpose, and their undoing."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from lab.actions.machines import heal_machine
from lab.actions.steps import Context
from lab.errors import UsageError
from lab.machines.port import Link, Power
from lab.topology.model import Machine, NetworkName


class Fault(StrEnum):
    KILL = "kill"
    STOP = "stop"
    FREEZE = "freeze"
    LINK_DOWN = "link-down"
    LOSS = "loss"
    UNDO = "undo"


POWER = {Fault.KILL: Power.KILL, Fault.STOP: Power.STOP, Fault.FREEZE: Power.FREEZE}


def inflict(
    context: Context, fault: Fault, machine: Machine, *, network: str | None = None, percent: int = 100
) -> None:
    """Do `fault` to the machine; `network` limits link faults to one cable, `percent` is the loss.

    Raises UsageError when the machine has no cable to `network`.
    """
    if fault is Fault.UNDO:
        heal_machine(context, context.provider.status().machine(machine.name))
    elif fault in POWER:
        context.provider.power(machine.name, POWER[fault])
    else:
        link = Link(up=False) if fault is Fault.LINK_DOWN else Link(loss=percent)
        for cable in _cables(machine, network):
            context.provider.link(machine.name, cable, link)


def _cables(machine: Machine, network: str | None) -> Iterable[NetworkName]:
    cables = [interface.network for interface in machine.interfaces]
    if network is None:
        return cables
    if network not in cables:
        raise UsageError(
            f"{machine.name} has no cable to {network}", hint=f"its networks: {', '.join(cables)}"
        )
    return [NetworkName(network)]
