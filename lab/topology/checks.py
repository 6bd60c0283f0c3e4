"""What the keys must satisfy together. Each rule says nothing when a value that it needs could not be read."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Final

from lab.topology import keys, plan
from lab.topology.mistakes import Located, Mistakes, Place, child
from lab.topology.model import Address, Session, Subnet
from lab.topology.naming import LABEL_LENGTH, worker_name
from lab.topology.plan import Claim, Range
from lab.topology.sections import Fields

UNASSIGNABLE: Final = tuple(
    ip_network(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/8", "fe80::/10", "ff00::/8")
)
"""Addresses that no interface of a lab can have (RFC 6890; RFC 4291, section 2)."""
RESERVED_NAMES: Final = ("all", "ungrouped", "localhost", "k8s", "worker")
"""Names that mean something else to Ansible or to the resolver."""
NODE_PREFIX: Final = {4: 24, 6: 64}
"""Prefix length of a node's share of the pods' subnets: the defaults of kube-controller-manager."""


def check(lab: Fields, mistakes: Mistakes) -> None:
    """Add the mistakes that show only when keys are seen together."""
    for rule in RULES:
        rule(lab, mistakes)


def router_is_on_both_networks(lab: Fields, mistakes: Mistakes) -> None:
    networks = lab.get(keys.NETWORKS)
    router = lab.find(keys.ROUTER, keys.ROUTER_ADDRESSES)
    for name in router.value if networks and router else ():
        if networks and router and name not in networks.value:
            near = difflib.get_close_matches(name, networks.value, n=1)
            addresses = router.value[name]
            place = addresses.place if addresses else router.place
            instead = near[0] if near else " and ".join(networks.value)
            named = Place(path=child(router.place.path, name), line=place.line, column=place.column)
            mistakes.add(named, "there is no such network", instead=instead)


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
    for range_ in plan.ranges(lab):
        if range_.label.startswith("pool") and range_.first.version not in wanted:
            mistakes.add(
                range_.place,
                f"is IPv{range_.first.version}, the networks are not",
                instead="addresses of a family that they have",
            )


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


def workers_fit(lab: Fields, mistakes: Mistakes) -> None:
    count = lab.find(keys.WORKERS, keys.WORKERS_COUNT)
    for claim in plan.claims(lab):
        for address, subnet in zip(claim.addresses.value, claim.subnets.value, strict=False):
            if not count or claim.machine != "the workers" or address.value not in subnet.value:
                continue
            room = int(_hosts(subnet.value)[1]) - int(address.value) + 1
            if count.value > room > 0:
                reason = f"{count.value} workers from {address.value} on leave {subnet.value}"
                mistakes.add(count.place, reason, instead=f"at most {room}, or a lower first_address")
    for subnet in pods.value if (pods := plan.pod_subnets(lab)) else ():
        shares = 1 << max(NODE_PREFIX[subnet.value.version] - subnet.value.prefixlen, 0)
        if count and (count.value >= shares or subnet.value.prefixlen > NODE_PREFIX[subnet.value.version]):
            share = f"/{NODE_PREFIX[subnet.value.version]}"
            reason = f"{subnet.value} has not one {share} for each of {count.value + 1} nodes"
            mistakes.add(subnet.place, reason, instead="a larger subnet, or fewer workers")


def addresses_are_unique(lab: Fields, mistakes: Mistakes) -> None:
    taken: dict[Address, str] = {}
    for claim in plan.claims(lab):
        for located in claim.addresses.value:
            for address, machine in _expanded(lab, claim, located.value):
                if address in taken:
                    reason = f"{machine} gets {address}, which {taken[address]} has"
                    mistakes.add(located.place, reason, instead="addresses that are free")
                taken.setdefault(address, machine)


def _expanded(lab: Fields, claim: Claim, first: Address) -> Iterator[tuple[Address, str]]:
    """Yield the addresses of a claim, each with its machine's name."""
    if claim.machine != "the workers":
        yield first, claim.machine
        return
    count = lab.find(keys.WORKERS, keys.WORKERS_COUNT)
    last = (1 << first.max_prefixlen) - 1
    for offset in range(count.value if count else 1):
        if int(first) + offset <= last:
            yield type(first)(int(first) + offset), f"worker {offset + 1}"


def names_are_unique(lab: Fields, mistakes: Mistakes) -> None:
    master = lab.find(keys.CONTROL_PLANE, keys.CONTROL_PLANE_NAME)
    prefix = lab.find(keys.WORKERS, keys.WORKERS_NAME)
    count = lab.find(keys.WORKERS, keys.WORKERS_COUNT)
    workers = {worker_name(prefix.value, n + 1) for n in range(count.value)} if prefix and count else set()
    if master and master.value in {"router", "client", *workers}:
        mistakes.add(master.place, f"{master.value} is the name of another machine", instead="another name")
    if master and master.value in RESERVED_NAMES:
        mistakes.add(master.place, f"{master.value} is a reserved name", instead="another name")
    longest = worker_name(prefix.value, count.value) if prefix and count else ""
    if prefix and len(longest) > LABEL_LENGTH:
        room = LABEL_LENGTH - (len(longest) - len(prefix.value))
        reason = f"the last worker's name has {len(longest)} characters, a host name {LABEL_LENGTH}"
        mistakes.add(prefix.place, reason, instead=f"at most {room} characters")


def as_numbers_fit_the_session(lab: Fields, mistakes: Mistakes) -> None:
    router, cluster = lab.find(keys.BGP, keys.ROUTER_ASN), lab.find(keys.BGP, keys.CLUSTER_ASN)
    session = lab.find(keys.BGP, keys.SESSION)
    if not router or not cluster or not session:
        return
    if session.value is Session.EXTERNAL and router.value == cluster.value:
        reason = f"{cluster.value} is the router's AS number too"
        mistakes.add(cluster.place, reason, instead="another AS number, or `session: internal`")
    if session.value is Session.INTERNAL and router.value != cluster.value:
        reason = f"an internal session is inside one AS, and the router's is {router.value}"
        mistakes.add(cluster.place, reason, instead=f"{router.value}, or `session: external`")


def pools_have_names_and_addresses(lab: Fields, mistakes: Mistakes) -> None:
    pools = lab.find(keys.LOAD_BALANCER, keys.POOLS)
    names: set[str] = set()
    for pool in pools.value if pools else ():
        name = pool.value.get(keys.POOL_NAME)
        if name and name.value in names:
            mistakes.add(name.place, f"{name.value} is the name of another pool", instead="another name")
        names.update({name.value} if name else ())
        addresses = pool.value.get(keys.POOL_ADDRESSES)
        avoid = pool.value.get(keys.AVOID_BUGGY_IPS)
        subnets = [subnet for item in addresses.value for subnet in item.value] if addresses else []
        if addresses and avoid and avoid.value and not any(map(_has_usable_address, subnets)):
            reason = "no address is left without those that end in .0 and .255"
            mistakes.add(addresses.place, reason, instead="more addresses, or `avoid_buggy_ips: false`")


def _has_usable_address(subnet: Subnet) -> bool:
    ends = {subnet[0], subnet[-1]}
    return (
        subnet.version == 6 or subnet.num_addresses > 2 or any(int(end) & 255 not in {0, 255} for end in ends)
    )


Rule = Callable[[Fields, Mistakes], None]
RULES: Final[tuple[Rule, ...]] = (
    router_is_on_both_networks,
    families_are_the_same,
    ranges_are_assignable,
    ranges_do_not_overlap,
    addresses_are_in_their_networks,
    workers_fit,
    addresses_are_unique,
    names_are_unique,
    as_numbers_fit_the_session,
    pools_have_names_and_addresses,
)
