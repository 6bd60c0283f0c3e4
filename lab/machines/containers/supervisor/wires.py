"""The switch: bridges, the cables between them and the machines, and what can go wrong with a cable.

Functions that end in `_batch` only write the input of `ip -batch` or `nft -f`; the others hand it to the program.
"""

from __future__ import annotations

from collections.abc import Iterable

from lab.kits.shell import CommandError, run
from lab.machines.containers.spec import NicSpec

EVERY_PACKET = 100


def bridges_batch(bridges: Iterable[tuple[str, str]]) -> str:
    """(bridge, network) pairs → the bridges. No spanning tree: a port forwards from its first packet on."""
    lines = ["link set lo up"]
    for bridge, network in bridges:
        lines += [
            f"link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link set {bridge} alias {network}",
            f"link set {bridge} up",
        ]
    return "\n".join(lines) + "\n"


def plug_batch(namespace: str, nics: Iterable[NicSpec]) -> str:
    """Make the machine's network namespace with all its interfaces, each cabled to its bridge."""
    lines = [f"netns add {namespace}"]
    for nic in nics:
        lines += [
            f"link add {nic.port} type veth peer name {nic.name} netns {namespace} address {nic.mac}",
            f"link set {nic.port} alias {namespace}:{nic.name}",
            f"link set {nic.port} master {nic.bridge} up",
        ]
    return "\n".join(lines) + "\n"


def loss_batch(port: str, percent: int) -> str:
    """Drop `percent` of the packets of `port` in each direction: what a machine sends comes in at its port."""
    table = f"table netdev loss_{port}"
    text = f"{table}\ndelete {table}\n"
    if not percent:
        return text
    rule = "drop" if percent >= EVERY_PACKET else f"numgen random mod 100 < {percent} drop"
    chains = "".join(
        f'  chain {hook} {{ type filter hook {hook} device "{port}" priority 0; {rule}; }}\n'
        for hook in ("ingress", "egress")
    )
    return f"{text}{table} {{\n{chains}}}\n"


def make_bridges(bridges: Iterable[tuple[str, str]]) -> None:
    run(["ip", "-batch", "-"], stdin=bridges_batch(bridges))


def plug(namespace: str, nics: Iterable[NicSpec]) -> None:
    run(["ip", "-batch", "-"], stdin=plug_batch(namespace, nics))


def unplug(namespace: str, nics: Iterable[NicSpec]) -> None:
    """Remove what `plug` made, or what is left of it.

    The ports go by name: a network namespace can outlive its machine while a closed connection lingers in it.
    """
    lines = [f"link del {nic.port}" for nic in nics] + [f"netns del {namespace}"]
    try:
        run(["ip", "-force", "-batch", "-"], stdin="\n".join(lines) + "\n")
    except CommandError:
        return  # something was already gone, which is what was asked for


def set_port(port: str, *, up: bool, loss: int) -> None:
    run(["ip", "link", "set", port, "up" if up else "down"])
    run(["nft", "-f", "-"], stdin=loss_batch(port, loss))
