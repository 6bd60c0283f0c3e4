"""BGPAdvertisement and L2Advertisement objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from lab.balancer.config.communities import resolve_communities
from lab.balancer.config.nodes import meet
from lab.balancer.config.pools import PoolSource
from lab.balancer.config.problems import Problem, Reader, Severity
from lab.balancer.model import (
    BgpAdvertisement,
    Community,
    Family,
    L2Advertisement,
    Peer,
    PeerName,
    PoolName,
    PreferredNodes,
    family_of,
)
from lab.kube.resources import Json

Pools = Mapping[PoolName, PoolSource]
Nodes = Mapping[str, Mapping[str, str]]


def read_l2_advertisements(
    items: Iterable[Json], pools: Pools, problems: list[Problem]
) -> dict[str, L2Advertisement]:
    """Return the layer 2 advertisements by name."""
    readers = sorted((Reader("L2Advertisement", item, problems) for item in items), key=lambda r: r.name)
    for reader in readers:
        reader.report(
            "",
            "nothing is announced on layer 2 yet: only a BGPAdvertisement brings addresses to a network",
            severity=Severity.WARNING,
        )
    return {
        reader.name: L2Advertisement(
            name=reader.name,
            pools=_pools(reader, pools),
            interfaces=frozenset(reader.names("interfaces")),
            node_selectors=reader.selectors("nodeSelectors"),
            service_selectors=reader.selectors("serviceSelectors"),
            preferred_nodes=tuple(_preferred(reader)),
        )
        for reader in readers
    }


def read_bgp_advertisements(
    items: Iterable[Json],
    *,
    pools: Pools,
    peers: Mapping[PeerName, Peer],
    aliases: Mapping[str, Community],
    nodes: Nodes | None,
    problems: list[Problem],
) -> dict[str, BgpAdvertisement]:
    """Return the BGP advertisements by name."""
    readers = sorted((Reader("BGPAdvertisement", item, problems) for item in items), key=lambda r: r.name)
    found = {reader.name: _bgp(reader, pools, peers, aliases) for reader in readers}
    for one, other in combinations(readers, 2):
        _report_conflict(other, found[one.name], found[other.name], nodes)
    return found


def _bgp(
    reader: Reader, pools: Pools, peers: Mapping[PeerName, Peer], aliases: Mapping[str, Community]
) -> BgpAdvertisement:
    local_pref = reader.integer("localPref", -1, low=0, high=0xFFFFFFFF)
    names = tuple(PeerName(name) for name in reader.names("peers"))
    for name in names:
        if name not in peers:
            hint = f"the peers are: {', '.join(peers) or 'none'}"
            reader.report("peers", f"no BGPPeer {name!r}", hint, severity=Severity.WARNING)
    advertisement = BgpAdvertisement(
        name=reader.name,
        pools=_pools(reader, pools),
        aggregation_length=reader.integer("aggregationLength", 32, low=1, high=32),
        aggregation_length_v6=reader.integer("aggregationLengthV6", 128, low=1, high=128),
        local_pref=None if local_pref < 0 else local_pref,
        communities=resolve_communities(reader, reader.names("communities"), aliases),
        peers=frozenset(names),
        node_selectors=reader.selectors("nodeSelectors"),
        service_selectors=reader.selectors("serviceSelectors"),
    )
    _check_aggregation(reader, advertisement, pools)
    return advertisement


def _check_aggregation(reader: Reader, advertisement: BgpAdvertisement, pools: Pools) -> None:
    lengths = {
        Family.IPV4: advertisement.aggregation_length,
        Family.IPV6: advertisement.aggregation_length_v6,
    }
    if advertisement.service_selectors and tuple(lengths.values()) != (32, 128):
        reader.report(
            "serviceSelectors",
            "serviceSelectors and aggregationLength are mutually exclusive",
            "remove aggregationLength: a wider prefix would carry the other Services too",
        )
    for name in sorted(advertisement.pools):
        for entry in pools[name].entries:
            shortest = min(prefix.prefixlen for prefix in entry)
            family = family_of(entry[0])
            if lengths[family] < shortest:
                field = "aggregationLength" if family is Family.IPV4 else "aggregationLengthV6"
                reader.report(
                    field,
                    f"invalid aggregation length {lengths[family]}: prefix {entry[0]} in pool {name!r} is longer",
                    f"write {shortest} or more",
                )


def _report_conflict(
    reader: Reader, one: BgpAdvertisement, other: BgpAdvertisement, nodes: Nodes | None
) -> None:
    """Report two values of LOCAL_PREF for one prefix to one peer from one node."""
    same_prefix = bool(one.pools & other.pools) and (
        one.aggregation_length == other.aggregation_length
        or one.aggregation_length_v6 == other.aggregation_length_v6
    )
    same_peer = not one.peers or not other.peers or bool(one.peers & other.peers)
    selected = one.service_selectors or other.service_selectors
    if one.local_pref == other.local_pref or not same_prefix or not same_peer or selected:
        return
    if meet(one.node_selectors, other.node_selectors, nodes):
        reader.report(
            "localPref",
            f"invalid local preference: BGPAdvertisement {one.name} announces the same prefixes with another one",
            "give both the same localPref, or different nodeSelectors, peers or aggregationLength",
        )


def _pools(reader: Reader, pools: Pools) -> frozenset[PoolName]:
    """Return the pools named or selected; all of them when neither is given."""
    names = [PoolName(name) for name in reader.names("ipAddressPools")]
    for name in names:
        if name not in pools:
            hint = f"the pools are: {', '.join(pools) or 'none'}"
            reader.report("ipAddressPools", f"no IPAddressPool {name!r}", hint, severity=Severity.WARNING)
    selectors = reader.selectors("ipAddressPoolSelectors")
    if not reader.spec.get("ipAddressPools") and not reader.spec.get("ipAddressPoolSelectors"):
        return frozenset(pools)
    selected = (
        name
        for name, source in pools.items()
        if any(selector.matches(source.labels) for selector in selectors)
    )
    return frozenset(name for name in names if name in pools) | frozenset(selected)


def _preferred(reader: Reader) -> Iterable[PreferredNodes]:
    for path, entry in reader.mappings("preferredNodeSelectors"):
        weight = entry.get("weight")
        if not isinstance(weight, int) or not 1 <= weight <= 100:
            reader.report(f"{path}.weight", f"{weight!r} is not possible", "write a number from 1 to 100")
            continue
        if (selector := reader.selector(f"{path}.preference", entry.get("preference"))) is not None:
            yield PreferredNodes(weight=weight, selector=selector)
