"""What the addresses must satisfy together: families, overlaps, room, and no address twice."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from lab.topology import keys, plan
from lab.topology.mistakes import Located, Mistakes
from lab.topology.model import Address, Subnet
from lab.topology.plan import Claim, Range
from lab.topology.sections import Fields

UNASSIGNABLE: Final = tuple(
    ip_network(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/8", "fe80::/10", "ff00::/8")
)
"""Addresses that no interface of a lab can have (RFC 6890; RFC 4291, section 2)."""
NODE_PREFIX: Final = {4: 24, 6: 64}
"""Prefix length of a node's share of the pods' subnets: the defaults of kube-controller-manager."""


def families_are_the_same(lab: Fields, mistakes: Mistakes) -> None:
    networks = list(plan.networks(lab).values())
    if len(networks) < 2:
        return
    wanted = _families(networks[0])
    phrase = " and one of ".join(f"IPv{family}" for family in sorted(wanted))
    for subnets in (*networks[1:], plan.pod_subnets(lab), plan.service_subnets(lab)):
        if subnets and _families(subnets) != wanted:
            reason = "has other address families than the cluster's network"
            mistakes.add(subnets.place, reason, instead=f"a subnet of {phrase}")
    for range_ in plan.pool_ranges(lab):
        if range_.version not in wanted:
            reason = f"is IPv{range_.version}, the networks are not"
            mistakes.add(range_.place, reason, instead="addresses of a family that they have")


def _families(subnets: plan.Subnets) -> set[int]:
    return {subnet.value.version for subnet in subnets.value}


def ranges_are_assignable(lab: Fields, mistakes: Mistakes) -> None:
    for range_ in plan.ranges(lab):
        for special in UNASSIGNABLE:
            if range_.overlaps(Range(label="", place=range_.place, first=special[0], last=special[-1])):
                instead = "private addresses such as 10.0.0.0/24 or fd00::/64"
                mistakes.add(range_.place, f"has addresses of {special}, no machine's", instead=instead)


def ranges_do_not_overlap(lab: Fields, mistakes: Mistakes) -> None:
    """Sweep over the ranges in order: each is compared with the one that reaches farthest so far."""
    farthest: Range | None = None
    for range_ in sorted(plan.ranges(lab), key=lambda r: (r.version, int(r.first), -int(r.last))):
        if farthest and farthest.overlaps(range_):
            earlier, later = sorted((farthest, range_), key=lambda r: (r.place.line, r.place.column))
            mistakes.add(
                later.place, f"overlaps {earlier.label}, {_span(earlier)}", instead="addresses of its own"
            )
        if not farthest or (farthest.version, int(farthest.last)) < (range_.version, int(range_.last)):
            farthest = range_


def _span(range_: Range) -> str:
    return f"{range_.first}-{range_.last}"


def addresses_are_in_their_networks(lab: Fields, mistakes: Mistakes) -> None:
    for claim in plan.claims(lab):
        addresses, subnets = claim.addresses.value, claim.subnets.value
        if len(addresses) != len(subnets):
            wanted = ", ".join(f"an address of {subnet.value}" for subnet in subnets)
            instead = wanted if len(subnets) == 1 else f"a list: {wanted}"
            reason = f"does not match the subnets of {claim.network}"
            mistakes.add(claim.addresses.place, reason, instead=instead)
            continue
        for address, subnet in zip(addresses, subnets, strict=True):
            _check_inside(address, subnet.value, claim.network, mistakes)


def _check_inside(address: Located[Address], subnet: Subnet, network: str, mistakes: Mistakes) -> None:
    first, last = _hosts(subnet)
    if address.value not in subnet:
        reason = f"{address.value} is not in {network}, {subnet}"
    elif int(address.value) < int(first):
        reason = f"{address.value} is the network's own address"
    elif int(address.value) > int(last):
        reason = f"{address.value} is the broadcast address of {subnet}"
    else:
        return
    mistakes.add(address.place, reason, instead=f"an address from {first} to {last}")


def _hosts(subnet: Subnet) -> tuple[Address, Address]:
    """Return the first and the last address for machines (RFC 3021 for /31; RFC 4291, section 2.6.1 for IPv6)."""
    if subnet.prefixlen >= subnet.max_prefixlen - 1:
        return subnet[0], subnet[-1]
    return subnet[1], subnet[-2] if subnet.version == 4 else subnet[-1]


def workers_fit_into_the_network(lab: Fields, mistakes: Mistakes) -> None:
    for claim in plan.claims(lab):
        for address, subnet in zip(claim.addresses.value, claim.subnets.value, strict=False):
            room = int(_hosts(subnet.value)[1]) - int(address.value) + 1
            if claim.count and claim.count.value > room > 0 and address.value in subnet.value:
                reason = f"{claim.count.value} workers from {address.value} on leave {subnet.value}"
                mistakes.add(claim.count.place, reason, instead=f"at most {room}, or a lower first_address")


def nodes_fit_into_the_pod_subnets(lab: Fields, mistakes: Mistakes) -> None:
    workers = lab.find(keys.WORKERS, keys.WORKERS_COUNT)
    pods = plan.pod_subnets(lab)
    for subnet in pods.value if workers and pods else ():
        share = NODE_PREFIX[subnet.value.version]
        nodes = workers.value + 1 if workers else 1
        if nodes > 1 << max(share - subnet.value.prefixlen, 0):
            reason = f"{subnet.value} has not one /{share} for each of {nodes} nodes"
            mistakes.add(subnet.place, reason, instead="a larger subnet, or fewer workers")


def addresses_are_unique(lab: Fields, mistakes: Mistakes) -> None:
    taken: dict[Address, str] = {}
    for claim in plan.claims(lab):
        for located in claim.addresses.value:
            for address, machine in _machines(claim, located.value):
                if address in taken:
                    reason = f"{machine} gets {address}, which {taken[address]} has"
                    mistakes.add(located.place, reason, instead="addresses that are free")
                taken.setdefault(address, machine)


def _machines(claim: Claim, first: Address) -> Iterator[tuple[Address, str]]:
    """Yield the addresses of a claim, each with who gets it."""
    if not claim.count:
        yield first, claim.machine
        return
    room = (1 << first.max_prefixlen) - int(first)
    for offset in range(min(claim.count.value, room)):
        yield first + offset, f"worker {offset + 1}"
