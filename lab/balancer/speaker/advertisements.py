"""Decisions into routes: which prefix goes to which peer, with which attributes.

Services may share an address, and addresses an aggregate; each prefix is one route a peer, with the communities of all
advertisements that produce it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from lab.balancer.model import Address, BgpAdvertisement, LargeCommunity, Peer, PeerName, Prefix
from lab.wire.bgp import Community, Path
from lab.wire.bgp import LargeCommunity as WireLargeCommunity


@dataclass(frozen=True, slots=True)
class Announcement:
    """One prefix that one Service wants announced, and to whom. No peers: to all."""

    prefix: Prefix
    path: Path
    peers: frozenset[PeerName]


Routes = dict[Prefix, Path]


def aggregate(address: Address, advertisement: BgpAdvertisement) -> Prefix:
    """Return the prefix that stands for an address in an advertisement."""
    v4, v6 = advertisement.aggregation_length, advertisement.aggregation_length_v6
    return ip_network((address, v4 if address.version == 4 else v6), strict=False)


def announcements(
    addresses: Iterable[Address], advertisements: Iterable[BgpAdvertisement]
) -> tuple[Announcement, ...]:
    """Return what a Service with these addresses wants announced."""
    found = list(advertisements)
    return tuple(
        Announcement(aggregate(address, ad), path_of(ad), ad.peers) for address in addresses for ad in found
    )


def path_of(advertisement: BgpAdvertisement) -> Path:
    """Return the attributes that an advertisement asks for."""
    standard, large = set(), set()
    for community in advertisement.communities:
        if isinstance(community, LargeCommunity):
            large.add(WireLargeCommunity(community.global_administrator, community.data1, community.data2))
        else:
            standard.add(Community(community.asn, community.value))
    return Path(
        local_pref=advertisement.local_pref,
        communities=frozenset(standard),
        large_communities=frozenset(large),
    )


def routes(wanted: Iterable[Announcement], peers: Iterable[Peer]) -> Mapping[PeerName, Routes]:
    """Return the routes for each peer; several announcements of one prefix become one."""
    names = [peer.name for peer in peers]
    found: dict[PeerName, Routes] = {name: {} for name in names}
    for announcement in wanted:
        for name in _receivers(announcement, names):
            before = found[name].get(announcement.prefix)
            same = before is None or before == announcement.path
            path = announcement.path if same or before is None else merge(before, announcement.path)
            found[name][announcement.prefix] = path
    return found


def merge(one: Path, other: Path) -> Path:
    """Join two paths of one prefix: all communities, and the higher preference."""
    preferences = [path.local_pref for path in (one, other) if path.local_pref is not None]
    return Path(
        local_pref=max(preferences, default=None),
        communities=one.communities | other.communities,
        large_communities=one.large_communities | other.large_communities,
    )


def _receivers(announcement: Announcement, names: Iterable[PeerName]) -> Iterator[PeerName]:
    return (name for name in names if not announcement.peers or name in announcement.peers)
