"""What the router knows, and what its kernel does with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lab.topology.model import Address, Machine, Topology

JITTER: Final = timedelta(seconds=0.1)
SOME_DAY: Final = "1970-01-01"


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


@dataclass(frozen=True, slots=True)
class Session:
    """A BGP session, as BIRD lists it."""

    peer: str
    state: str
    since: datetime
    """When it came into this state: the time of some day, or the day alone when that is long ago."""

    def goes_on(self, later: Session) -> bool:
        """Tell whether `later` is this session still. BIRD's times differ by milliseconds from one answer to the next."""
        return (self.peer, self.state) == (later.peer, later.state) and abs(later.since - self.since) < JITTER


def sessions(router: Any) -> list[Session]:
    """Return the BGP sessions; none while BIRD does not run."""
    lines = router.run("birdc show protocols").stdout.splitlines()
    return [_session(line) for line in lines if " BGP " in line]


def go_on(earlier: Sequence[Session], later: Sequence[Session]) -> bool:
    """Tell whether all sessions are what they were, without a break."""
    return len(earlier) == len(later) and all(map(Session.goes_on, earlier, later))


def _session(line: str) -> Session:
    """Read a line as `peer1  BGP  ---  up  14:26:01.046  Established`; the last word is missing where nothing is said."""
    peer, _, _, _, since, *state = line.split()
    moment = since if "-" in since else f"{SOME_DAY} {since}"
    return Session(peer=peer, state=state[0] if state else "", since=datetime.fromisoformat(moment))
