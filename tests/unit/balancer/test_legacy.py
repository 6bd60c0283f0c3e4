"""The ConfigMap of old installations → objects, section by section."""

from __future__ import annotations

from typing import Any

import pytest

from lab.balancer.config import Objects, load
from lab.balancer.config.legacy import LegacyError, convert, parse

Json = dict[str, Any]

# Name of the case: content of the ConfigMap's key `config`, and kind/name → spec of what it becomes.
CASES: dict[str, tuple[str, dict[str, Json]]] = {
    "address pools": (
        """
        address-pools:
        - {name: layer, protocol: layer2, addresses: [192.0.2.0/28], auto-assign: false}
        - name: routed
          protocol: bgp
          addresses: [198.51.100.0/24, 203.0.113.0-203.0.113.255]
          avoid-buggy-ips: true
          bgp-advertisements:
          - {aggregation-length: 32, localpref: 100, communities: [no-export, "64500:7"]}
          - {aggregation-length: 24, aggregation-length-v6: 64}
        - {name: plain, protocol: bgp, addresses: [10.9.0.0/24]}
        """,
        {
            "IPAddressPool/layer": {"addresses": ["192.0.2.0/28"], "autoAssign": False},
            "IPAddressPool/routed": {
                "addresses": ["198.51.100.0/24", "203.0.113.0-203.0.113.255"],
                "avoidBuggyIPs": True,
            },
            "IPAddressPool/plain": {"addresses": ["10.9.0.0/24"]},
            "L2Advertisement/l2advertisement1": {"ipAddressPools": ["layer"]},
            "BGPAdvertisement/bgpadvertisement1": {
                "aggregationLength": 32,
                "localPref": 100,
                "communities": ["no-export", "64500:7"],
                "ipAddressPools": ["routed"],
            },
            "BGPAdvertisement/bgpadvertisement2": {
                "aggregationLength": 24,
                "aggregationLengthV6": 64,
                "ipAddressPools": ["routed"],
            },
            "BGPAdvertisement/bgpadvertisement3": {"ipAddressPools": ["plain"]},
        },
    ),
    "bfd profiles": (
        """
        bfd-profiles:
        - {name: quick, receive-interval: 100, transmit-interval: 110, detect-multiplier: 4, echo-interval: 60,
           echo-mode: true, passive-mode: true, minimum-ttl: 250}
        - {name: plain}
        """,
        {
            "BFDProfile/quick": {
                "receiveInterval": 100,
                "transmitInterval": 110,
                "detectMultiplier": 4,
                "echoInterval": 60,
                "echoMode": True,
                "passiveMode": True,
                "minimumTtl": 250,
            },
            "BFDProfile/plain": {},
        },
    ),
    "communities": (
        "bgp-communities: {no-export: '65535:65281', mine: '64500:1'}",
        {
            "Community/communities": {
                "communities": [
                    {"name": "no-export", "value": "65535:65281"},
                    {"name": "mine", "value": "64500:1"},
                ]
            }
        },
    ),
    "peers": (
        """
        peers:
        - {my-asn: 64500, peer-asn: 64501, peer-address: 10.0.0.1}
        - my-asn: 64500
          peer-asn: 64502
          peer-address: 10.0.0.2
          source-address: 10.0.0.9
          peer-port: 1179
          hold-time: 30s
          keepalive-time: 10s
          router-id: 1.1.1.1
          password: geheim
          bfd-profile: quick
          ebgp-multihop: true
          node-selectors:
          - match-labels: {rack: a}
            match-expressions: [{key: zone, operator: In, values: [x, y]}]
        """,
        {
            "BGPPeer/peer1": {
                "myASN": 64500,
                "peerASN": 64501,
                "peerAddress": "10.0.0.1",
                "holdTime": "1m30s",
            },
            "BGPPeer/peer2": {
                "myASN": 64500,
                "peerASN": 64502,
                "peerAddress": "10.0.0.2",
                "sourceAddress": "10.0.0.9",
                "peerPort": 1179,
                "holdTime": "30s",
                "keepaliveTime": "10s",
                "routerID": "1.1.1.1",
                "password": "geheim",
                "bfdProfile": "quick",
                "ebgpMultiHop": True,
                "nodeSelectors": [
                    {
                        "matchLabels": {"rack": "a"},
                        "matchExpressions": [{"key": "zone", "operator": "In", "values": ["x", "y"]}],
                    }
                ],
            },
        },
    ),
    "names that an object cannot have": (
        "address-pools: [{name: My_Pool!, protocol: layer2, addresses: [192.0.2.0/28]}]",
        {
            "IPAddressPool/my-pool": {"addresses": ["192.0.2.0/28"]},
            "L2Advertisement/l2advertisement1": {"ipAddressPools": ["my-pool"]},
        },
    ),
    "names from the first letter on, and not too long": (
        f"""
        address-pools:
        - {{name: 01-numbered, protocol: layer2, addresses: [192.0.2.0/28]}}
        - {{name: Capitals-In-It, protocol: bgp, addresses: [198.51.100.0/28]}}
        bfd-profiles:
        - {{name: under_scored}}
        - {{name: {"Long" * 20}}}
        peers: [{{my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1, bfd-profile: under_scored}}]
        """,
        {
            "IPAddressPool/numbered": {"addresses": ["192.0.2.0/28"]},
            "IPAddressPool/capitals-in-it": {"addresses": ["198.51.100.0/28"]},
            "L2Advertisement/l2advertisement1": {"ipAddressPools": ["numbered"]},
            "BGPAdvertisement/bgpadvertisement1": {"ipAddressPools": ["capitals-in-it"]},
            "BFDProfile/under-scored": {},
            f"BFDProfile/{('long' * 20)[:63]}": {},
            "BGPPeer/peer1": {
                "myASN": 1,
                "peerASN": 2,
                "peerAddress": "10.0.0.1",
                "bfdProfile": "under-scored",
                "holdTime": "1m30s",
            },
        },
    ),
    "communities without quotes are no numbers to the base 60": (
        """
        address-pools:
        - name: routed
          protocol: bgp
          addresses: [198.51.100.0/24]
          bgp-advertisements: [{communities: [64512:1, 65535:65281, short]}]
        bgp-communities:
          short: 65535:6
          long: 65535:65281
        """,
        {
            "IPAddressPool/routed": {"addresses": ["198.51.100.0/24"]},
            "BGPAdvertisement/bgpadvertisement1": {
                "communities": ["64512:1", "65535:65281", "short"],
                "ipAddressPools": ["routed"],
            },
            "Community/communities": {
                "communities": [
                    {"name": "short", "value": "65535:6"},
                    {"name": "long", "value": "65535:65281"},
                ]
            },
        },
    ),
    "JSON": (
        '{"address-pools": [{"name": "a", "protocol": "layer2", "addresses": ["192.0.2.0/28"]}]}',
        {
            "IPAddressPool/a": {"addresses": ["192.0.2.0/28"]},
            "L2Advertisement/l2advertisement1": {"ipAddressPools": ["a"]},
        },
    ),
    "everything together": (
        """
        peers:
        - peer-address: 10.0.0.1
          peer-asn: 64512
          my-asn: 64513
          peer-port: 1790
          source-address: 10.0.0.2
          hold-time: 120s
          keepalive-time: 30s
          router-id: 1.2.3.4
          password: geheim
          bfd-profile: quick
          ebgp-multihop: false
          node-selectors:
          - match-labels: {kubernetes.io/hostname: prod-01}
            match-expressions: [{key: kubernetes.io/arch, operator: In, values: [amd64, arm]}]
        address-pools:
        - name: routed
          protocol: bgp
          addresses: [192.168.10.0/24, 192.168.0.150-192.168.0.200]
          avoid-buggy-ips: true
          auto-assign: true
          bgp-advertisements:
          - {aggregation-length: 32, aggregation-length-v6: 64, localpref: 100, communities: [64512:1, no-export]}
        - {name: near, protocol: layer2, addresses: [192.168.11.0/24], avoid-buggy-ips: true}
        bgp-communities: {no-export: 65535:65281}
        bfd-profiles: [{name: quick, receive-interval: 280, minimum-ttl: 254}]
        """,
        {
            "BGPPeer/peer1": {
                "peerAddress": "10.0.0.1",
                "peerASN": 64512,
                "myASN": 64513,
                "peerPort": 1790,
                "sourceAddress": "10.0.0.2",
                "holdTime": "120s",
                "keepaliveTime": "30s",
                "routerID": "1.2.3.4",
                "password": "geheim",
                "bfdProfile": "quick",
                "ebgpMultiHop": False,
                "nodeSelectors": [
                    {
                        "matchLabels": {"kubernetes.io/hostname": "prod-01"},
                        "matchExpressions": [
                            {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64", "arm"]}
                        ],
                    }
                ],
            },
            "IPAddressPool/routed": {
                "addresses": ["192.168.10.0/24", "192.168.0.150-192.168.0.200"],
                "avoidBuggyIPs": True,
                "autoAssign": True,
            },
            "IPAddressPool/near": {"addresses": ["192.168.11.0/24"], "avoidBuggyIPs": True},
            "BGPAdvertisement/bgpadvertisement1": {
                "aggregationLength": 32,
                "aggregationLengthV6": 64,
                "localPref": 100,
                "communities": ["64512:1", "no-export"],
                "ipAddressPools": ["routed"],
            },
            "L2Advertisement/l2advertisement1": {"ipAddressPools": ["near"]},
            "Community/communities": {"communities": [{"name": "no-export", "value": "65535:65281"}]},
            "BFDProfile/quick": {"receiveInterval": 280, "minimumTtl": 254},
        },
    ),
    "address pools of the first releases": (
        """
        address-pools:
        - name: default
          cidr: [192.168.10.0/24]
          advertisements:
          - aggregation-length: 32
        """,
        {
            "IPAddressPool/default": {"addresses": ["192.168.10.0/24"]},
            "BGPAdvertisement/bgpadvertisement1": {"aggregationLength": 32, "ipAddressPools": ["default"]},
        },
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_conversion(text: str, expected: dict[str, Json]) -> None:
    objects = convert(parse(text), namespace="ns")
    assert {f"{r.kind}/{item['metadata']['name']}": item["spec"] for r, item in objects} == expected
    assert {item["metadata"]["namespace"] for _, item in objects} == {"ns"}
    assert all(item["apiVersion"] == r.api_version for r, item in objects)


def test_everything_together_is_a_valid_configuration() -> None:
    document = parse(CASES["everything together"][0])
    by_kind: dict[str, list[Json]] = {}
    for resource, item in convert(document, namespace="ns"):
        by_kind.setdefault(resource.kind, []).append(item)
    loaded = load(
        Objects(
            pools=by_kind["IPAddressPool"],
            l2_advertisements=by_kind["L2Advertisement"],
            bgp_advertisements=by_kind["BGPAdvertisement"],
            peers=by_kind["BGPPeer"],
            bfd_profiles=by_kind["BFDProfile"],
            communities=by_kind["Community"],
        )
    )
    assert loaded.errors == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "config: must be a mapping"),
        ("pools: []", "unknown section 'pools'; there can be address-pools"),
        ("peers: {a: 1}", "peers: must be a list"),
        ("peers: [1]", r"peers\[0\]: must be a mapping"),
        ("peers: [{as: 1}]", r"peers\[0\]: unknown field 'as'; there can be my-asn"),
        ("address-pools: [{name: a, protocol: rip}]", "'rip' is unknown; write bgp or layer2"),
        ("address-pools: [{protocol: bgp}]", "has no usable name"),
        ("address-pools: [{name: '01', protocol: bgp}]", "has no usable name"),
        ("bfd-profiles: [{name: a_b}, {name: a-b}]", "two of kind BFDProfile would be called 'a-b'"),
        ("peers: [", "not YAML"),
    ],
)
def test_what_cannot_be_converted(text: str, said: str) -> None:
    with pytest.raises(LegacyError, match=said):
        convert(parse(text), namespace="ns")
