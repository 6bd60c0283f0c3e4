"""What the balancer is told to do, as validated values: pools of addresses, advertisements, BGP peers.

Names and meanings are those of MetalLB's resources (group metallb.io); `config` makes these values from API objects and
is the only one to do so. Selectors of pools are resolved by then: an advertisement knows its pools by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, NewType

from lab.kube.selectors import LabelSelector, any_matches

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network
Asn = NewType("Asn", int)
PoolName = NewType("PoolName", str)
PeerName = NewType("PeerName", str)

DEFAULT_BGP_PORT: Final = 179
DEFAULT_HOLD_TIME: Final = 90


class Family(Enum):
    """An IP family; the value is the IP version."""

    IPV4 = 4
    IPV6 = 6

    def __str__(self) -> str:
        return f"ipv{self.value}"


def family_of(address: Address | Prefix) -> Family:
    return Family(address.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAllocation:
    """Which Services a pool is kept for."""

    priority: int = 0
    """Lower is preferred; 0 is last."""
    namespaces: frozenset[str] = frozenset()
    """The names given, and those that the namespace selectors match now."""
    namespaced: bool = False
    """Whether the pool is kept for namespaces at all, even if none matches now."""
    service_selectors: tuple[LabelSelector, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """An IPAddressPool."""

    name: PoolName
    prefixes: tuple[Prefix, ...]
    """Disjoint, in the order given; a range became the prefixes that make it up."""
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    """Never hand out IPv4 addresses that end in .0 or .255."""
    allocation: ServiceAllocation | None = None

    def __contains__(self, address: Address) -> bool:
        """Whether the pool may hand out the address."""
        if self.avoid_buggy_ips and address.version == 4 and int(address) & 0xFF in {0, 0xFF}:
            return False
        return any(address.version == prefix.version and address in prefix for prefix in self.prefixes)

    @property
    def families(self) -> frozenset[Family]:
        return frozenset(family_of(prefix) for prefix in self.prefixes)


@dataclass(frozen=True, slots=True, order=True)
class StandardCommunity:
    """RFC 1997: two numbers of 16 bits."""

    asn: int
    value: int

    def __str__(self) -> str:
        return f"{self.asn}:{self.value}"


@dataclass(frozen=True, slots=True, order=True)
class LargeCommunity:
    """RFC 8092: three numbers of 32 bits."""

    global_administrator: int
    data1: int
    data2: int

    def __str__(self) -> str:
        return f"{self.global_administrator}:{self.data1}:{self.data2}"


Community = StandardCommunity | LargeCommunity


@dataclass(frozen=True, slots=True, kw_only=True)
class BgpAdvertisement:
    """How the addresses of some pools are announced over BGP."""

    name: str
    pools: frozenset[PoolName]
    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    local_pref: int | None = None
    """None: not set; 100 is sent where a LOCAL_PREF is needed."""
    communities: frozenset[Community] = frozenset()
    peers: frozenset[PeerName] = frozenset()
    """Empty: all peers."""
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()

    def on_node(self, labels: Mapping[str, str]) -> bool:
        return any_matches(self.node_selectors, labels)

    def for_service(self, labels: Mapping[str, str]) -> bool:
        return any_matches(self.service_selectors, labels)

    def to_peer(self, peer: PeerName) -> bool:
        return not self.peers or peer in self.peers


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredNodes:
    """A weight for the nodes that the selector matches."""

    weight: int
    selector: LabelSelector


@dataclass(frozen=True, slots=True, kw_only=True)
class L2Advertisement:
    """How the addresses of some pools are announced on the local link."""

    name: str
    pools: frozenset[PoolName]
    interfaces: frozenset[str] = frozenset()
    """Empty: all interfaces."""
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    preferred_nodes: tuple[PreferredNodes, ...] = ()

    def on_node(self, labels: Mapping[str, str]) -> bool:
        return any_matches(self.node_selectors, labels)

    def for_service(self, labels: Mapping[str, str]) -> bool:
        return any_matches(self.service_selectors, labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class BfdProfile:
    """Intervals in milliseconds."""

    name: str
    receive_interval: int = 300
    transmit_interval: int = 300
    detect_multiplier: int = 3
    echo_interval: int = 50
    echo_mode: bool = False
    passive_mode: bool = False
    minimum_ttl: int = 254


class DynamicAsn(Enum):
    """A peer whose AS number is learned from its OPEN."""

    INTERNAL = "internal"
    """Must be ours."""
    EXTERNAL = "external"
    """Must not be ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A BGPPeer. Times are whole seconds."""

    name: PeerName
    my_asn: Asn
    peer_asn: Asn | DynamicAsn
    address: Address | None = None
    """None when the peer is found on `interface` instead."""
    interface: str = ""
    local_asn: Asn | None = None
    """The AS number shown to this peer instead of `my_asn`."""
    source_address: Address | None = None
    port: int = DEFAULT_BGP_PORT
    hold_time: int = DEFAULT_HOLD_TIME
    """0: the session has neither hold timer nor keepalives."""
    keepalive_time: int = DEFAULT_HOLD_TIME // 3
    connect_time: int | None = None
    """Between attempts to connect; None: the speaker's default."""
    router_id: IPv4Address | None = None
    node_selectors: tuple[LabelSelector, ...] = ()
    password: str = field(default="", repr=False)
    bfd_profile: str = ""
    graceful_restart: bool = False
    ebgp_multi_hop: bool = False
    vrf: str = ""
    dual_stack_address_family: bool = False
    """Both address families on the one session, whatever the family of `address`."""

    def on_node(self, labels: Mapping[str, str]) -> bool:
        return any_matches(self.node_selectors, labels)

    @property
    def internal(self) -> bool:
        """Whether the session is iBGP."""
        return self.peer_asn in {self.local_asn or self.my_asn, DynamicAsn.INTERNAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that was configured, by name and in the order of names."""

    pools: Mapping[PoolName, Pool] = field(default_factory=dict)
    bgp_advertisements: Mapping[str, BgpAdvertisement] = field(default_factory=dict)
    l2_advertisements: Mapping[str, L2Advertisement] = field(default_factory=dict)
    peers: Mapping[PeerName, Peer] = field(default_factory=dict)
    bfd_profiles: Mapping[str, BfdProfile] = field(default_factory=dict)

    def pool_of(self, address: Address) -> Pool | None:
        """Return the pool that may hand out the address."""
        return next((pool for pool in self.pools.values() if address in pool), None)
