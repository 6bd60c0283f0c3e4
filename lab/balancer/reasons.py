"""Why something is not as somebody wishes: codes for programs, words for people.

The speaker's codes are MetalLB's log key `reason`; the allocator's are ours, because MetalLB says only "no available
IPs". Every place that shows a reason (status, events, logs, `explain`) takes it from here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class PoolReason(StrEnum):
    """Why a pool gave no address to a Service."""

    AUTO_ASSIGN_OFF = "autoAssignOff"
    NAMESPACE_MISMATCH = "namespaceMismatch"
    SERVICE_SELECTOR_MISMATCH = "serviceSelectorMismatch"
    OTHER_POOL_REQUESTED = "otherPoolRequested"
    ADDRESS_NOT_IN_POOL = "addressNotInPool"
    ADDRESS_IN_USE = "addressInUse"
    WRONG_FAMILY = "wrongFamily"
    EXHAUSTED = "exhausted"


class NotAnnounced(StrEnum):
    """Why a node does not announce an address, or stopped to."""

    SERVICE_DELETED = "serviceDeleted"
    NOT_LOAD_BALANCER = "notLoadBalancer"
    NO_IP_ALLOCATED = "noIPAllocated"
    INVALID_IP = "invalidIP"
    IP_NOT_ALLOWED = "ipNotAllowed"
    IP_CHANGED = "loadBalancerIPChanged"
    INTERNAL_ERROR = "internalError"
    NOT_OWNER = "notOwner"
    NO_MATCHING_ADVERTISEMENT = "noMatchingAdvertisement"
    CONFLICTING_ADVERTISEMENTS = "conflictingAdvertisements"
    SHARED_IP_WITH_SERVICE_SELECTOR = "sharedIPWithServiceSelector"
    NODE_NETWORK_UNAVAILABLE = "nodeNetworkUnavailable"
    NODE_EXCLUDED = "nodeLabeledExcludeBalancers"
    NODE_DELETED = "nodeDeleted"
    NO_LOCAL_ENDPOINTS = "noLocalEndpoints"
    NO_ENDPOINTS = "noEndpoints"
    PEER_NOT_SELECTED = "peerNotSelected"
    """This and the following concern one peer, and are not MetalLB's."""
    PEER_NOT_SUPPORTED = "peerNotSupported"
    FAMILY_NOT_CARRIED = "addressFamilyNotCarried"


POOL_WORDS: Final = {
    PoolReason.AUTO_ASSIGN_OFF: "gives addresses only to Services that ask for it (autoAssign: false)",
    PoolReason.NAMESPACE_MISMATCH: "is kept for other namespaces (serviceAllocation)",
    PoolReason.SERVICE_SELECTOR_MISMATCH: "is kept for Services with other labels (serviceAllocation.serviceSelectors)",
    PoolReason.OTHER_POOL_REQUESTED: "is not the pool that the Service asks for",
    PoolReason.ADDRESS_NOT_IN_POOL: "does not contain the requested address",
    PoolReason.ADDRESS_IN_USE: "contains the requested address, but it is in use",
    PoolReason.WRONG_FAMILY: "has no addresses of the IP family that the Service needs",
    PoolReason.EXHAUSTED: "has no free address left",
}
"""Completes the sentence: pool X …"""

NOT_ANNOUNCED_WORDS: Final = {
    NotAnnounced.SERVICE_DELETED: "the Service was deleted",
    NotAnnounced.NOT_LOAD_BALANCER: "the Service is not of type LoadBalancer",
    NotAnnounced.NO_IP_ALLOCATED: "the Service has no address yet",
    NotAnnounced.INVALID_IP: "the address in the Service's status cannot be read",
    NotAnnounced.IP_NOT_ALLOWED: "the address belongs to no IPAddressPool",
    NotAnnounced.IP_CHANGED: "the Service has another address now",
    NotAnnounced.INTERNAL_ERROR: "the speaker failed; its log says why",
    NotAnnounced.NOT_OWNER: "another node announces it, or no advertisement covers this node",
    NotAnnounced.NO_MATCHING_ADVERTISEMENT: "no advertisement matches both the Service's labels and this node",
    NotAnnounced.CONFLICTING_ADVERTISEMENTS: "two advertisements give the same prefix different localPref",
    NotAnnounced.SHARED_IP_WITH_SERVICE_SELECTOR: (
        "an advertisement with serviceSelectors cannot announce an address that Services share"
    ),
    NotAnnounced.NODE_NETWORK_UNAVAILABLE: "the node's condition NetworkUnavailable is true",
    NotAnnounced.NODE_EXCLUDED: (
        "the node has the label node.kubernetes.io/exclude-from-external-load-balancers "
        "(remove it, or start the speaker with --ignore-exclude-lb)"
    ),
    NotAnnounced.NODE_DELETED: "the cluster has no Node of this name any more",
    NotAnnounced.NO_LOCAL_ENDPOINTS: "externalTrafficPolicy is Local and no ready pod runs on this node",
    NotAnnounced.NO_ENDPOINTS: "the Service has no ready pod",
    NotAnnounced.PEER_NOT_SELECTED: "no advertisement that matches the Service names this peer",
    NotAnnounced.PEER_NOT_SUPPORTED: "the speaker cannot have a session with this peer, its ConfigurationState says why",
    NotAnnounced.FAMILY_NOT_CARRIED: (
        "its session does not carry every family of the addresses "
        "(it takes dualStackAddressFamily at the BGPPeer, an address of each family at the node, and a router that agrees)"
    ),
}
"""Completes the sentence: node X does not announce it: …"""
