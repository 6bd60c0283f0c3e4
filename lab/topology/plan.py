"""The address plan behind the keys: who claims which addresses on which network, and which ranges are spoken for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.topology import keys
from lab.topology.mistakes import Located, Place
from lab.topology.model import Address, Subnet
from lab.topology.sections import Fields, Key

Addresses = Located[tuple[Located[Address], ...]]
Subnets = Located[tuple[Located[Subnet], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A machine's addresses on a network. The workers make one claim together, from their first address upwards."""

    machine: str
    addresses: Addresses
    network: str
    subnets: Subnets
    count: Located[int] | None = None
    """Only the workers': how many they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Consecutive addresses with one purpose."""

    label: str
    place: Place
    first: Address
    last: Address

    @property
    def version(self) -> int:
        return self.first.version

    def overlaps(self, other: Range) -> bool:
        return (
            self.version == other.version
            and int(self.first) <= int(other.last)
            and int(other.first) <= int(self.last)
        )


def networks(lab: Fields) -> dict[str, Subnets]:
    """Return the networks that could be read."""
    located = lab.get(keys.NETWORKS)
    return {name: subnets for name, subnets in located.value.items() if subnets} if located else {}


def claims(lab: Fields) -> Iterator[Claim]:
    """Yield the claims that could be read: router, control plane, workers, client."""
    located = lab.get(keys.NETWORKS)
    if not located:
        return
    cluster, client = located.value
    count = lab.find(keys.WORKERS, keys.WORKERS_COUNT)
    first = lab.find(keys.WORKERS, keys.WORKERS_FIRST_ADDRESS)
    router = lab.find(keys.ROUTER, keys.ROUTER_ADDRESSES)
    wanted = [("the router", name, addresses) for name, addresses in (router.value if router else {}).items()]
    wanted += [
        ("the control plane", cluster, lab.find(keys.CONTROL_PLANE, keys.CONTROL_PLANE_ADDRESS)),
        ("the workers", cluster, first),
        ("the client", client, lab.find(keys.CLIENT, keys.CLIENT_ADDRESS)),
    ]
    for machine, network, addresses in wanted:
        subnets = located.value.get(network)
        if addresses and subnets:
            yield Claim(
                machine=machine,
                addresses=addresses,
                network=network,
                subnets=subnets,
                count=count if addresses is first else None,
            )


def pod_subnets(lab: Fields) -> Subnets | None:
    """Return the pods' subnets, written or by default; None if they cannot be known."""
    return _subnets(lab, keys.POD_SUBNETS, keys.DEFAULT_POD_SUBNETS)


def service_subnets(lab: Fields) -> Subnets | None:
    """Return the Services' subnets, written or by default; None if they cannot be known."""
    return _subnets(lab, keys.SERVICE_SUBNETS, keys.DEFAULT_SERVICE_SUBNETS)


def _subnets(
    lab: Fields, key: Key[tuple[Located[Subnet], ...]], defaults: dict[int, Subnet]
) -> Subnets | None:
    kubernetes = lab.get(keys.KUBERNETES)
    if not kubernetes or kubernetes.value.has_mistakes(key):
        return None
    written = kubernetes.value.get(key)
    if written:
        return written
    located = lab.get(keys.NETWORKS)
    cluster = next(iter(located.value.values())) if located else None
    if not cluster:
        return None
    families = {subnet.value.version for subnet in cluster.value}
    section = kubernetes.place
    place = Place(path=f"kubernetes.{key.name}", line=section.line, column=section.column)
    default = tuple(Located(subnet, place) for family, subnet in defaults.items() if family in families)
    return Located(default, place)


def ranges(lab: Fields) -> Iterator[Range]:
    """Yield every range that may overlap no other."""
    yield from subnet_ranges(lab)
    yield from pool_ranges(lab)


def subnet_ranges(lab: Fields) -> Iterator[Range]:
    """Yield the networks, the pods' and the Services' subnets."""
    labelled = networks(lab)
    for label, subnets in (
        ("the pods' subnet", pod_subnets(lab)),
        ("the Services' subnet", service_subnets(lab)),
    ):
        labelled |= {label: subnets} if subnets else {}
    for label, subnets_ in labelled.items():
        for subnet in subnets_.value:
            yield Range(label=label, place=subnet.place, first=subnet.value[0], last=subnet.value[-1])


def pool_ranges(lab: Fields) -> Iterator[Range]:
    """Yield the external addresses."""
    pools = lab.find(keys.LOAD_BALANCER, keys.POOLS)
    for pool in pools.value if pools else ():
        name = pool.value.get(keys.POOL_NAME)
        label = f"pool {name.value}" if name else "a pool"
        addresses = pool.value.get(keys.POOL_ADDRESSES)
        for item in addresses.value if addresses else ():
            yield Range(label=label, place=item.place, first=item.value[0][0], last=item.value[-1][-1])
