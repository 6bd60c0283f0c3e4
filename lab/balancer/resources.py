"""The resources of group metallb.io."""

from __future__ import annotations

from typing import Final

from lab.kube.resources import Resource

GROUP: Final = "metallb.io"

IP_ADDRESS_POOLS: Final = Resource(GROUP, "v1beta1", "ipaddresspools", "IPAddressPool")
L2_ADVERTISEMENTS: Final = Resource(GROUP, "v1beta1", "l2advertisements", "L2Advertisement")
BGP_ADVERTISEMENTS: Final = Resource(GROUP, "v1beta1", "bgpadvertisements", "BGPAdvertisement")
BGP_PEERS: Final = Resource(GROUP, "v1beta2", "bgppeers", "BGPPeer")
BFD_PROFILES: Final = Resource(GROUP, "v1beta1", "bfdprofiles", "BFDProfile")
COMMUNITIES: Final = Resource(GROUP, "v1beta1", "communities", "Community")
SERVICE_L2_STATUSES: Final = Resource(GROUP, "v1beta1", "servicel2statuses", "ServiceL2Status")
SERVICE_BGP_STATUSES: Final = Resource(GROUP, "v1beta1", "servicebgpstatuses", "ServiceBGPStatus")
CONFIGURATION_STATES: Final = Resource(GROUP, "v1beta1", "configurationstates", "ConfigurationState")

BGP_SESSION_STATES: Final = Resource("frrk8s.metallb.io", "v1beta1", "bgpsessionstates", "BGPSessionState")
"""Not of our group: it has the name under which MetalLB's users look for sessions (frr-k8s)."""

CONFIGURATION: Final = (
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
    BGP_ADVERTISEMENTS,
    BGP_PEERS,
    BFD_PROFILES,
    COMMUNITIES,
)
"""What users write, in the order in which it is read."""
