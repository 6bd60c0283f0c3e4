"""Short ways to write Services, advertisements and situations in tables."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from lab.balancer.model import (
    Asn,
    BgpAdvertisement,
    Configuration,
    Peer,
    PeerName,
    Pool,
    PoolName,
    StandardCommunity,
)
from lab.balancer.service import Endpoint, Node, Service
from lab.balancer.speaker.decide import Situation
from lab.kube.resources import ObjectKey
from lab.kube.selectors import LabelSelector

NODE = "pandora"


def advertisement(
    name: str = "ad", *, communities: str = "", peers: str = "", **fields: Any
) -> BgpAdvertisement:
    pairs = (text.split(":") for text in communities.split(",") if text)
    return BgpAdvertisement(
        name=name,
        pools=frozenset({PoolName("pool")}),
        communities=frozenset(StandardCommunity(int(a), int(b)) for a, b in pairs),
        peers=frozenset(PeerName(peer) for peer in peers.split(",") if peer),
        **fields,
    )


def selectors(**labels: str) -> tuple[LabelSelector, ...]:
    return (LabelSelector.parse({"matchLabels": labels}),)


def situation(
    *advertisements: BgpAdvertisement,
    node: Node | None = None,
    ignore: bool = False,
    pool: str = "10.20.30.0/24",
) -> Situation:
    pools = {PoolName("pool"): Pool(name=PoolName("pool"), prefixes=(ip_network(pool),))}
    configuration = Configuration(
        pools=pools, bgp_advertisements={ad.name: ad for ad in advertisements or (advertisement(),)}
    )
    return Situation(configuration=configuration, node=node or Node(NODE, {}), ignore_exclude_label=ignore)


def service(name: str = "web", *ingress: str, **fields: Any) -> Service:
    return Service(key=ObjectKey("default", name), ingress=ingress or ("10.20.30.1",), **fields)


def endpoint(node: str = NODE, address: str = "2.3.4.5", *, healthy: bool = True) -> Endpoint:
    return Endpoint(address, node, healthy)


def peer(name: str = "router", **fields: Any) -> Peer:
    known: dict[str, Any] = {
        "my_asn": Asn(22000),
        "peer_asn": Asn(11000),
        "address": ip_address("10.0.0.1"),
    }
    return Peer(name=PeerName(name), **(known | fields))
