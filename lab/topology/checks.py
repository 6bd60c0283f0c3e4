"""What the keys must satisfy together. Each rule says nothing when a value that it needs could not be read."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Final

from lab.topology import address_checks, keys
from lab.topology.mistakes import Mistakes, Place, child
from lab.topology.model import Implementation, Session, Subnet
from lab.topology.naming import LABEL_LENGTH, worker_name
from lab.topology.sections import Fields

RESERVED_NAMES: Final = ("all", "ungrouped", "localhost", "k8s", "worker")
"""Names that mean something else to Ansible or to the resolver."""


def check(lab: Fields, mistakes: Mistakes) -> None:
    """Add the mistakes that show only when keys are seen together."""
    for rule in RULES:
        rule(lab, mistakes)


def router_is_on_both_networks(lab: Fields, mistakes: Mistakes) -> None:
    networks = lab.get(keys.NETWORKS)
    router = lab.find(keys.ROUTER, keys.ROUTER_ADDRESSES)
    if not networks or not router:
        return
    for name, addresses in router.value.items():
        if name not in networks.value:
            near = difflib.get_close_matches(name, networks.value, n=1)
            place = (addresses or router).place
            named = Place(path=child(router.place.path, name), line=place.line, column=place.column)
            instead = near[0] if near else " and ".join(networks.value)
            mistakes.add(named, "there is no such network", instead=instead)


def machine_names_are_unique(lab: Fields, mistakes: Mistakes) -> None:
    master = lab.find(keys.CONTROL_PLANE, keys.CONTROL_PLANE_NAME)
    prefix = lab.find(keys.WORKERS, keys.WORKERS_NAME)
    count = lab.find(keys.WORKERS, keys.WORKERS_COUNT)
    workers = {worker_name(prefix.value, n + 1) for n in range(count.value)} if prefix and count else set()
    if master and master.value in {"router", "client", *workers}:
        mistakes.add(master.place, f"{master.value} is the name of another machine", instead="another name")
    if master and master.value in RESERVED_NAMES:
        mistakes.add(master.place, f"{master.value} is a reserved name", instead="another name")


def machine_names_are_host_names(lab: Fields, mistakes: Mistakes) -> None:
    prefix = lab.find(keys.WORKERS, keys.WORKERS_NAME)
    count = lab.find(keys.WORKERS, keys.WORKERS_COUNT)
    if not prefix or not count:
        return
    longest = len(worker_name(prefix.value, count.value))
    if longest > LABEL_LENGTH:
        room = LABEL_LENGTH - longest + len(prefix.value)
        reason = f"the last worker's name has {longest} characters, a host name at most {LABEL_LENGTH}"
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


def bfd_is_spoken_by_both(lab: Fields, mistakes: Mistakes) -> None:
    """The router would watch for packets that nobody sends."""
    bfd = lab.find(keys.BGP, keys.BFD)
    implementation = lab.find(keys.LOAD_BALANCER, keys.IMPLEMENTATION)
    if bfd and bfd.value and implementation and implementation.value is Implementation.LAB:
        reason = "the load balancer `lab` does not speak BFD yet"
        mistakes.add(
            bfd.place, reason, instead="false; with `hold_time: 3` a silent peer is noticed in 3 seconds"
        )


def pools_have_names(lab: Fields, mistakes: Mistakes) -> None:
    pools = lab.find(keys.LOAD_BALANCER, keys.POOLS)
    taken: set[str] = set()
    for pool in pools.value if pools else ():
        name = pool.value.get(keys.POOL_NAME)
        if name and name.value in taken:
            mistakes.add(name.place, f"{name.value} is the name of another pool", instead="another name")
        elif name:
            taken.add(name.value)


def pools_have_addresses(lab: Fields, mistakes: Mistakes) -> None:
    pools = lab.find(keys.LOAD_BALANCER, keys.POOLS)
    for pool in pools.value if pools else ():
        addresses, avoid = pool.value.get(keys.POOL_ADDRESSES), pool.value.get(keys.AVOID_BUGGY_IPS)
        if not addresses or not avoid or not avoid.value or not addresses.value:
            continue
        if not any(_has_usable_address(subnet) for item in addresses.value for subnet in item.value):
            reason = "no address is left without those that end in .0 and .255"
            mistakes.add(addresses.place, reason, instead="more addresses, or `avoid_buggy_ips: false`")


def _has_usable_address(subnet: Subnet) -> bool:
    ends = {subnet[0], subnet[-1]}
    return (
        subnet.version == 6 or subnet.num_addresses > 2 or any(int(end) & 255 not in {0, 255} for end in ends)
    )


def a_public_box_has_a_version(lab: Fields, mistakes: Mistakes) -> None:
    box, version = lab.find(keys.VAGRANT, keys.BOX), lab.find(keys.VAGRANT, keys.BOX_VERSION)
    checksum = lab.find(keys.VAGRANT, keys.BOX_CHECKSUM)
    section = lab.get(keys.VAGRANT)
    if not section or section.value.has_mistakes(keys.BOX) or section.value.has_mistakes(keys.BOX_VERSION):
        return
    if box and not version:
        mistakes.add(box.place, "names a box without its version", instead="box_version too")
    for pinned in (version, checksum):
        if pinned and not box:
            mistakes.add(pinned.place, "pins a box that is not named", instead="box too")


Rule = Callable[[Fields, Mistakes], None]
RULES: Final[tuple[Rule, ...]] = (
    router_is_on_both_networks,
    address_checks.families_are_the_same,
    address_checks.ranges_are_assignable,
    address_checks.ranges_do_not_overlap,
    address_checks.addresses_are_in_their_networks,
    address_checks.workers_fit_into_the_network,
    address_checks.nodes_fit_into_the_pod_subnets,
    address_checks.addresses_are_unique,
    machine_names_are_unique,
    machine_names_are_host_names,
    as_numbers_fit_the_session,
    bfd_is_spoken_by_both,
    pools_have_names,
    pools_have_addresses,
    a_public_box_has_a_version,
)
