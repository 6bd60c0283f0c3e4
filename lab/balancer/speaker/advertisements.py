"""Decisions into announcements: which prefix, with which attributes, to which peers. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

from lab.balancer.model import Address, BgpAdvertisement, LargeCommunity, PeerName, Prefix
from lab.wire.bgp import Community, Path
from lab.wire.bgp import LargeCommunity as WireLargeCommunity


@dataclass(frozen=True, slots=True)
class Announcement:
    """One prefix that one Service wants announced, and to whom. No peers: to all."""

    prefix: Prefix
    path: Path
    peers: frozenset[PeerName]
    draining: bool = False
    """It is about to be withdrawn: peers are asked to prefer others (RFC 8326)."""

    def is_for(self, peer: PeerName) -> bool:
        return not self.peers or peer in self.peers


def aggregate(address: Address, advertisement: BgpAdvertisement) -> Prefix:
    """Return the prefix that stands for an address in an advertisement."""
    v4, v6 = advertisement.aggregation_length, advertisement.aggregation_length_v6
    return ip_network((address, v4 if address.version == 4 else v6), strict=False)


def announcements(
    addresses: Iterable[Address], advertisements: Collection[BgpAdvertisement], *, draining: bool = False
) -> tuple[Announcement, ...]:
    """Return what a Service with these addresses wants announced."""
    return tuple(
        Announcement(aggregate(address, ad), path_of(ad), ad.peers, draining)
        for address in addresses
        for ad in advertisements
    )


@lru_cache(maxsize=256)
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
