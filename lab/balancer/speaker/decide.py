"""Whether this node announces a Service over BGP, and if not, why (MetalLB, speaker/bgp_controller.go, ShouldAnnounce).

Pure: everything that matters is in the arguments. What is not asked on purpose, as in MetalLB: the node's condition
Ready, cordons, taints, the health of kube-proxy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from lab.balancer.model import Address, BgpAdvertisement, Configuration, Pool
from lab.balancer.reasons import NotAnnounced
from lab.balancer.service import Endpoint, Node, Service
from lab.balancer.speaker.advertisements import aggregate


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is the same for all Services of a moment."""

    configuration: Configuration
    node: Node
    ignore_exclude_label: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The addresses to announce and the advertisements that say how, or the reason why not."""

    addresses: tuple[Address, ...] = ()
    advertisements: tuple[BgpAdvertisement, ...] = ()
    reason: NotAnnounced | None = None


def decide(service: Service, endpoints: Iterable[Endpoint], situation: Situation) -> Decision:
    """Return what this node does about a Service; the first reason in MetalLB's order counts."""
    pool = _pool(service, situation.configuration)
    if isinstance(pool, NotAnnounced):
        return Decision(reason=pool)
    here = [
        advertisement
        for advertisement in situation.configuration.bgp_advertisements.values()
        if pool.name in advertisement.pools and advertisement.on_node(situation.node.labels)
    ]
    matching = tuple(ad for ad in here if ad.for_service(service.labels))
    reason = (
        _without_advertisement(here, matching)
        or _conflict(matching, service.addresses)
        or _unsuitable_node(situation)
        or _without_endpoints(service, endpoints, situation.node.name)
    )
    return Decision(reason=reason) if reason else Decision(service.addresses, matching)


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
    if situation.node.excluded and not situation.ignore_exclude_label:
        return NotAnnounced.NODE_EXCLUDED
    return None


def _without_endpoints(service: Service, endpoints: Iterable[Endpoint], node: str) -> NotAnnounced | None:
    """An address that is healthy in one slice is healthy, whatever another slice says."""
    healthy = [endpoint for endpoint in endpoints if endpoint.healthy]
    if service.local:
        local = any(endpoint.node == node for endpoint in healthy)
        return None if local else NotAnnounced.NO_LOCAL_ENDPOINTS
    return None if healthy else NotAnnounced.NO_ENDPOINTS
