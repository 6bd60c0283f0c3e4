"""Whether this node announces a Service over BGP, and if not, why (MetalLB, speaker/bgp_controller.go, ShouldAnnounce).

Pure: everything that matters is in the arguments. What is not asked on purpose, as in MetalLB: the node's condition
Ready, cordons, taints, the health of kube-proxy. What MetalLB does not ask: whether the Node still exists, and whether
all pods of a node are on their way out (externalTrafficPolicy: Local); then peers are told to prefer other nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from lab.balancer.model import Address, BgpAdvertisement, Configuration, Pool
from lab.balancer.reasons import NotAnnounced
from lab.balancer.service import Endpoint, Node, Service
from lab.balancer.speaker.advertisements import aggregate


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is the same for all Services of a moment."""

    configuration: Configuration
    node: Node
    ignore_exclude_label: bool = False

    @cached_property
    def advertisements(self) -> tuple[BgpAdvertisement, ...]:
        """Those that this node makes."""
        found = self.configuration.bgp_advertisements.values()
        return tuple(advertisement for advertisement in found if advertisement.on_node(self.node.labels))

    @property
    def node_leaves(self) -> NotAnnounced | None:
        """Whether the node was taken out of service, in good order, and how."""
        if self.node.deleted:
            return NotAnnounced.NODE_DELETED
        if self.node.excluded and not self.ignore_exclude_label:
            return NotAnnounced.NODE_EXCLUDED
        return None


@dataclass(frozen=True, slots=True)
class Decision:
    """The addresses to announce and the advertisements that say how, or the reason why not."""

    addresses: tuple[Address, ...] = ()
    advertisements: tuple[BgpAdvertisement, ...] = ()
    reason: NotAnnounced | None = None
    draining: bool = False
    """Announced, but all pods here are on their way out."""


def decide(service: Service, endpoints: Iterable[Endpoint], situation: Situation) -> Decision:
    """Return what this node does about a Service; the first reason in MetalLB's order counts."""
    pool = _pool(service, situation.configuration)
    if isinstance(pool, NotAnnounced):
        return Decision(reason=pool)
    here = [advertisement for advertisement in situation.advertisements if pool.name in advertisement.pools]
    matching = tuple(ad for ad in here if ad.for_service(service.labels))
    healthy = _healthy(service, endpoints, situation.node.name)
    reason = (
        _without_advertisement(here, matching)
        or _conflict(matching, service.addresses)
        or _unsuitable_node(situation)
        or _without_endpoints(service, healthy)
    )
    if reason:
        return Decision(reason=reason)
    draining = service.local and all(endpoint.leaving for endpoint in healthy)
    return Decision(service.addresses, matching, draining=draining)


def _pool(service: Service, configuration: Configuration) -> Pool | NotAnnounced:
    if service.type != "LoadBalancer":
        return NotAnnounced.NOT_LOAD_BALANCER
    if not service.ingress:
        return NotAnnounced.NO_IP_ALLOCATED
    if len(service.addresses) != len(service.ingress):
        return NotAnnounced.INVALID_IP
    pool = configuration.pool_of(service.addresses[0])
    if pool is None or not all(address in pool for address in service.addresses):
        return NotAnnounced.IP_NOT_ALLOWED
    return pool


def _without_advertisement(
    here: list[BgpAdvertisement], matching: tuple[BgpAdvertisement, ...]
) -> NotAnnounced | None:
    if not here:
        return NotAnnounced.NOT_OWNER
    return None if matching else NotAnnounced.NO_MATCHING_ADVERTISEMENT


def _conflict(matching: Iterable[BgpAdvertisement], addresses: tuple[Address, ...]) -> NotAnnounced | None:
    """Find two advertisements that give one prefix different preferences towards one peer."""
    for one, other in combinations(matching, 2):
        shared = not one.peers or not other.peers or one.peers & other.peers
        if shared and one.local_pref != other.local_pref:
            same = any(aggregate(address, one) == aggregate(address, other) for address in addresses)
            if same:
                return NotAnnounced.CONFLICTING_ADVERTISEMENTS
    return None


def _unsuitable_node(situation: Situation) -> NotAnnounced | None:
    if situation.node.network_unavailable:
        return NotAnnounced.NODE_NETWORK_UNAVAILABLE
    return situation.node_leaves


def _healthy(service: Service, endpoints: Iterable[Endpoint], node: str) -> list[Endpoint]:
    """Return those that may get traffic from this node.

    An address that is healthy in one slice is healthy, whatever another slice says.
    """
    return [e for e in endpoints if e.healthy and (e.node == node or not service.local)]


def _without_endpoints(service: Service, healthy: list[Endpoint]) -> NotAnnounced | None:
    if healthy:
        return None
    return NotAnnounced.NO_LOCAL_ENDPOINTS if service.local else NotAnnounced.NO_ENDPOINTS
