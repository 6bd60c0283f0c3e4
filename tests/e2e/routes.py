"""What the router knows, and what its kernel does with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lab.topology.model import Address, Machine, Topology


def kernel_next_hops(router: Any, address: Address) -> set[str]:
    """Return the next hops of the kernel's route to `address`."""
    routes = json.loads(router.check_output("ip -json route show %s", str(address)) or "[]")
    return {hop["gateway"] for route in routes for hop in route.get("nexthops", [route])}


def rib_next_hops(router: Any, address: Address) -> set[str]:
    """Return the next hops of all routes that BIRD has for `address`; birdc fails when it has none."""
    said = router.run("birdc show route for %s", f"{address}/{address.max_prefixlen}").stdout
    return {line.split()[1] for line in said.splitlines() if line.strip().startswith("via ")}


def near_addresses(topology: Topology, machines: Iterable[Machine]) -> set[str]:
    """Return the machines' addresses on the cluster's network: as next hops show them."""
    return {str(machine.address(topology.cluster_network.name)) for machine in machines}


def sessions(router: Any) -> list[str]:
    """Return a line for each BGP session, with its state and since when it has it; none while BIRD does not run."""
    lines = router.run("birdc show protocols").stdout.splitlines()
    return [line for line in lines if " BGP " in line]
