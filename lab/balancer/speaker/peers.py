"""A BGPPeer into the session and the connection that it asks for on one node. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from lab.balancer.model import Address, DynamicAsn, Peer
from lab.balancer.service import Node
from lab.links.bgp_socket import Endpoint
from lab.wire import bgp

LINK_TTL: Final = 1
"""An external peer is on the link unless ebgpMultiHop says otherwise (RFC 4271, section 5.1.3)."""
FAR_TTL: Final = 255
DEFAULT_CONNECT_TIME: Final = 10
"""Seconds; a router that comes back is met at once anyway when it calls first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """One session as the speaker wants it. Two that are equal are the same session."""

    session: bgp.SessionConfig
    endpoint: Endpoint

    @property
    def carried(self) -> frozenset[bgp.Family]:
        """The families that routes can be of, if the peer agrees: those with a next hop."""
        here = {bgp.Family.of(self.endpoint.address), *self.session.next_hops}
        return self.session.families & here


class UnsupportedPeerError(ValueError):
    """A BGPPeer that asks for what this speaker cannot do."""


def wishes(peer: Peer, node: Node, restart: bgp.Restart) -> Wishes:
    """Return the session that a peer asks for. Raises UnsupportedPeerError."""
    if peer.address is None:
        raise UnsupportedPeerError("peers found on an interface are not supported: write peerAddress")
    own = {bgp.Family.of(address): address for address in reversed(node.addresses)}
    session = bgp.SessionConfig(
        local_asn=bgp.Asn(peer.local_asn or peer.my_asn),
        peer_asn=_peer_asn(peer),
        router_id=peer.router_id or router_id(node),
        families=frozenset(bgp.Family if peer.dual_stack_address_family else {bgp.Family.of(peer.address)}),
        hold_time=peer.hold_time,
        keepalive_time=peer.keepalive_time,
        connect_retry_time=float(peer.connect_time or DEFAULT_CONNECT_TIME),
        graceful_restart=restart if peer.graceful_restart else None,
        next_hops=_next_hops(peer, own),
    )
    near = not peer.ebgp_multi_hop and session.external
    endpoint = Endpoint(
        address=peer.address,
        port=peer.port,
        source=peer.source_address,
        interface=peer.vrf,
        password=peer.password,
        ttl=LINK_TTL if near else FAR_TTL,
    )
    return Wishes(session=session, endpoint=endpoint)


def router_id(node: Node) -> IPv4Address:
    """Return the node's IPv4 address, or a number made of its name where it has none."""
    found = next((address for address in node.addresses if isinstance(address, IPv4Address)), None)
    return found or IPv4Address(zlib.crc32(node.name.encode()) or 1)


def _peer_asn(peer: Peer) -> bgp.Asn | bgp.DynamicAsn:
    if isinstance(peer.peer_asn, DynamicAsn):
        return bgp.DynamicAsn(peer.peer_asn.value)
    return bgp.Asn(peer.peer_asn)


def _next_hops(peer: Peer, own: Mapping[bgp.Family, Address]) -> Mapping[bgp.Family, Address]:
    """Return own addresses for the families that the connection itself does not have an address of."""
    return {
        family: own[family] for family in own if peer.address and family is not bgp.Family.of(peer.address)
    }
