"""Which configurations are accepted, refused, refused for now, accepted with a warning; and in which words."""

from __future__ import annotations

from typing import Any

from lab.balancer.config import Objects
from tests.unit.balancer.config_objects import community, expression, item, peer, pool, secret, selector

TWO_NODES = {"n1": {"host": "n1"}, "n2": {"host": "n2"}}
N1, N2 = selector(host="n1"), selector(host="n2")


def allocation(**spec: Any) -> dict[str, Any]:
    return pool(serviceAllocation=spec)


ACCEPTED: dict[str, Objects] = {
    "nothing at all": Objects(),
    "a range with spaces": Objects(pools=[pool("p", "1.2.3.1 - 1.2.3.9")]),
    "namespaces": Objects(pools=[allocation(namespaces=["a", "b"])]),
    "service selectors": Objects(pools=[allocation(serviceSelectors=[selector(a="1")])]),
    "both": Objects(pools=[allocation(namespaces=["a"], serviceSelectors=[selector(a="1")])]),
    "only a priority": Objects(pools=[allocation(priority=5)]),
    "the last address before the next pool": Objects(
        pools=[pool("a", "1.2.3.0-1.2.3.4"), pool("b", "1.2.3.5-1.2.3.9")]
    ),
    "the same numbers in both families": Objects(pools=[pool("a", "::102:300/120"), pool("b", "1.2.3.0/24")]),
    "zero timers": Objects(peers=[peer(holdTime="0s", keepaliveTime="0s")]),
    "an empty node selector": Objects(peers=[peer(nodeSelectors=[{}])]),
    "a selector that matches no node": Objects(
        peers=[peer(nodeSelectors=[selector(host="x")])], nodes=TWO_NODES
    ),
    "a secret": Objects(peers=[peer(passwordSecret={"name": "s"})], secrets={"s": secret()}),
    "a secret that is not ours to read": Objects(peers=[peer(passwordSecret={"name": "s"})]),
    "a dynamic AS number": Objects(peers=[peer(peerASN=None, dynamicASN="external")]),
    "a local AS number": Objects(peers=[peer(localASN=65000)]),
    "multi-hop eBGP": Objects(peers=[peer(ebgpMultiHop=True)]),
    "two peers for two nodes": Objects(
        peers=[peer("a", nodeSelectors=[N1]), peer("b", nodeSelectors=[N2])], nodes=TWO_NODES
    ),
    "aggregation of a prefix": Objects(
        pools=[pool("p", "1.2.3.0/24")], bgp_advertisements=[item("a", aggregationLength=26)]
    ),
    "aggregation of a range": Objects(
        pools=[pool("p", "3.3.3.2-3.3.3.254")], bgp_advertisements=[item("a", aggregationLength=26)]
    ),
    "aggregation that does not fit a pool that is not announced": Objects(
        pools=[pool("p", "1.2.3.0/28"), pool("q", "2.0.0.0/8")],
        bgp_advertisements=[item("a", aggregationLength=16, ipAddressPools=["q"])],
    ),
    "localPref differs with aggregation": Objects(
        pools=[pool("p", "1.2.3.0/24", "fd00::/64")],
        bgp_advertisements=[
            item("a", localPref=1),
            item("b", localPref=2, aggregationLength=26, aggregationLengthV6=64),
        ],
    ),
    "localPref differs on different nodes": Objects(
        pools=[pool()],
        bgp_advertisements=[
            item("a", localPref=1, nodeSelectors=[N1]),
            item("b", localPref=2, nodeSelectors=[N2]),
        ],
        nodes=TWO_NODES,
    ),
    "localPref differs for different peers": Objects(
        pools=[pool()],
        peers=[peer("r1"), peer("r2", peerAddress="10.0.0.2")],
        bgp_advertisements=[item("a", localPref=1, peers=["r1"]), item("b", localPref=2, peers=["r2"])],
    ),
    "localPref differs for different pools": Objects(
        pools=[pool("p"), pool("q", "1.2.4.0/28")],
        bgp_advertisements=[
            item("a", localPref=1, ipAddressPools=["p"]),
            item("b", localPref=2, ipAddressPools=["q"]),
        ],
    ),
    "localPref differs for selected Services": Objects(
        pools=[pool()],
        bgp_advertisements=[item("a", localPref=1), item("b", localPref=2, serviceSelectors=[N1])],
    ),
    "communities in every form": Objects(
        pools=[pool()],
        communities=[community("c", mine="64500:1", big="large:1:2:3")],
        bgp_advertisements=[item("a", communities=["1:2", "large:4294967295:0:1", "mine", "big"])],
    ),
}

REFUSED: dict[str, tuple[Objects, str]] = {
    "no addresses": (Objects(pools=[item("p")]), "pool has no prefixes defined"),
    "not a prefix": (Objects(pools=[pool("p", "1.2.3.400/24")]), "invalid CIDR '1.2.3.400/24'"),
    "a prefix too long": (Objects(pools=[pool("p", "1.2.3.0/33")]), "invalid CIDR"),
    "an address without length": (Objects(pools=[pool("p", "1.2.3.4")]), "invalid CIDR '1.2.3.4'"),
    "a reversed range": (Objects(pools=[pool("p", "1.2.3.9-1.2.3.1")]), "must come before"),
    "a range over families": (Objects(pools=[pool("p", "1.2.3.9-fd00::1")]), "must come before"),
    "a range to nowhere": (Objects(pools=[pool("p", "1.2.3.9-x")]), "'x' is not an address"),
    "duplicate prefixes": (Objects(pools=[pool("p", "1.2.3.0/24", "1.2.3.0/24")]), "overlaps with already"),
    "overlap inside a pool": (
        Objects(pools=[pool("p", "1.2.0.0/16", "1.2.3.0/24")]),
        'CIDR "1.2.3.0/24" in pool "p" overlaps with already defined CIDR "1.2.0.0/16"',
    ),
    "overlap across pools": (
        Objects(pools=[pool("p", "1.2.0.0/16"), pool("q", "1.2.255.255/32", "1.3.0.0/24")]),
        'in pool "q" overlaps with already defined CIDR "1.2.0.0/16" of pool p',
    ),
    "overlap behind a smaller one": (
        Objects(pools=[pool("p", "1.0.0.0/8"), pool("q", "1.2.0.0/24"), pool("r", "1.9.0.0/24")]),
        'in pool "r" overlaps with already defined CIDR "1.0.0.0/8" of pool p',
    ),
    "duplicate namespaces": (Objects(pools=[allocation(namespaces=["a", "a"])]), "duplicate entry a"),
    "duplicate namespace selectors": (
        Objects(pools=[allocation(namespaceSelectors=[N1, N1])]),
        "duplicate entry",
    ),
    "duplicate service selectors": (
        Objects(pools=[allocation(serviceSelectors=[N1, N1])]),
        "duplicate entry",
    ),
    "no AS number of ours": (Objects(peers=[peer(myASN=0)]), "missing local ASN"),
    "no AS number of the peer": (Objects(peers=[peer(peerASN=0)]), "missing peer ASN and dynamicASN"),
    "two kinds of AS number": (Objects(peers=[peer(dynamicASN="internal")]), "both peer ASN and dynamicASN"),
    "an unknown dynamic AS number": (
        Objects(peers=[peer(peerASN=0, dynamicASN="x")]),
        "write internal or external",
    ),
    "an AS number too big": (Objects(peers=[peer(myASN=1 << 32)]), "write a number from 0 to 4294967295"),
    "no peer": (Objects(peers=[peer(peerAddress=None)]), "neither peerAddress nor interface"),
    "peer address and interface": (Objects(peers=[peer(interface="eth0")]), "both peerAddress and interface"),
    "not a peer address": (Objects(peers=[peer(peerAddress="1.2.3.400")]), "invalid peerAddress '1.2.3.400'"),
    "not a source address": (Objects(peers=[peer(sourceAddress="x")]), "invalid sourceAddress 'x'"),
    "a source of another family": (Objects(peers=[peer(sourceAddress="fd00::1")]), "different IP families"),
    "multi-hop iBGP": (Objects(peers=[peer(peerASN=64500, ebgpMultiHop=True)]), "invalid ebgp-multihop"),
    "hold time too short": (Objects(peers=[peer(holdTime="2s")]), "must be 0 or >=3s"),
    "hold time not whole": (Objects(peers=[peer(holdTime="3500ms")]), "not a number of whole seconds"),
    "hold time not a time": (Objects(peers=[peer(holdTime="soon")]), "write for example 90s"),
    "keepalive longer than hold": (
        Objects(peers=[peer(holdTime="30s", keepaliveTime="60s")]),
        "must be lower",
    ),
    "connect time": (Objects(peers=[peer(connectTime="0s")]), "write 1s to 65535s"),
    "not a router ID": (Objects(peers=[peer(routerID="fd00::1")]), "invalid router ID"),
    "password twice": (
        Objects(peers=[peer(password="x", passwordSecret={"name": "s"})], secrets={"s": secret()}),
        "both password and passwordSecret",
    ),
    "secret of a wrong type": (
        Objects(peers=[peer(passwordSecret={"name": "s"})], secrets={"s": secret(type_="Opaque")}),
        "must be kubernetes.io/basic-auth",
    ),
    "secret without password": (
        Objects(peers=[peer(passwordSecret={"name": "s"})], secrets={"s": secret(None)}),
        "has no key password",
    ),
    "secret that is not base64": (
        Objects(
            peers=[peer(passwordSecret={"name": "s"})],
            secrets={"s": {"type": "kubernetes.io/basic-auth", "data": {"password": "a"}}},
        ),
        "cannot be decoded",
    ),
    "BFD echo over IPv6": (
        Objects(peers=[peer(peerAddress="fd00::1", bfdProfile="b")], bfd_profiles=[item("b", echoMode=True)]),
        "exists for IPv4 only",
    ),
    "BFD interval too low": (Objects(bfd_profiles=[item("b", receiveInterval=9)]), "from 10 to 60000"),
    "BFD interval too high": (Objects(bfd_profiles=[item("b", transmitInterval=60001)]), "from 10 to 60000"),
    "BFD multiplier": (Objects(bfd_profiles=[item("b", detectMultiplier=1)]), "from 2 to 255"),
    "node selector without key": (
        Objects(peers=[peer(nodeSelectors=[expression(None, "In", "x")])]),
        "without key",
    ),
    "node selector without operator": (
        Objects(peers=[peer(nodeSelectors=[expression("a", None, "x")])]),
        "is unknown",
    ),
    "node selector with an unknown operator": (
        Objects(peers=[peer(nodeSelectors=[expression("a", "surrounded by", "x")])]),
        "it can be In, NotIn",
    ),
    "node selector with duplicate values": (
        Objects(peers=[peer(nodeSelectors=[expression("a", "In", "x", "x")])]),
        "duplicate values",
    ),
    "duplicate node selectors": (Objects(peers=[peer(nodeSelectors=[N1, N1])]), "duplicate entry"),
    "aggregation longer than an address": (
        Objects(pools=[pool()], bgp_advertisements=[item("a", aggregationLength=34)]),
        "from 1 to 32",
    ),
    "aggregation shorter than the prefix": (
        Objects(pools=[pool("p", "1.2.3.0/28")], bgp_advertisements=[item("a", aggregationLength=26)]),
        "invalid aggregation length 26: prefix 1.2.3.0/28 in pool 'p' is longer; write 28 or more",
    ),
    "aggregation shorter than the range": (
        Objects(pools=[pool("p", "3.3.3.2-3.3.3.254")], bgp_advertisements=[item("a", aggregationLength=24)]),
        "write 26 or more",
    ),
    "aggregation shorter than the IPv6 prefix": (
        Objects(pools=[pool("p", "fd00::/124")], bgp_advertisements=[item("a", aggregationLengthV6=64)]),
        "aggregationLengthV6: invalid aggregation length 64",
    ),
    "aggregation of selected Services": (
        Objects(
            pools=[pool("p", "1.2.3.0/24")],
            bgp_advertisements=[item("a", aggregationLength=26, serviceSelectors=[N1])],
        ),
        "serviceSelectors and aggregationLength are mutually exclusive",
    ),
    "two values of localPref": (
        Objects(pools=[pool()], bgp_advertisements=[item("a", localPref=1), item("b", localPref=2)]),
        "BGPAdvertisement b: spec.localPref: invalid local preference: BGPAdvertisement a",
    ),
    "two values of localPref on a shared node": (
        Objects(
            pools=[pool()],
            bgp_advertisements=[
                item("a", localPref=1, nodeSelectors=[N1]),
                item("b", localPref=2, nodeSelectors=[N1, N2]),
            ],
            nodes=TWO_NODES,
        ),
        "invalid local preference",
    ),
    "duplicate pools in an advertisement": (
        Objects(pools=[pool()], bgp_advertisements=[item("a", ipAddressPools=["p", "p"])]),
        "duplicate entry p",
    ),
    "duplicate pools on layer 2": (
        Objects(pools=[pool()], l2_advertisements=[item("a", ipAddressPools=["p", "p"])]),
        "duplicate entry p",
    ),
    "duplicate peers in an advertisement": (
        Objects(pools=[pool()], peers=[peer()], bgp_advertisements=[item("a", peers=["r", "r"])]),
        "duplicate entry r",
    ),
    "weight of preferred nodes": (
        Objects(l2_advertisements=[item("a", preferredNodeSelectors=[{"weight": 101, "preference": {}}])]),
        "from 1 to 100",
    ),
    "a community of one number": (
        Objects(bgp_advertisements=[item("a", communities=["12345"])]),
        "invalid community format: 12345",
    ),
    "a community of three numbers": (
        Objects(bgp_advertisements=[item("a", communities=["1:2:3"])]),
        "invalid community format: 1:2:3",
    ),
    "a community with a big AS number": (
        Objects(bgp_advertisements=[item("a", communities=["100000:1"])]),
        "invalid section '100000'",
    ),
    "a community with a big value": (
        Objects(bgp_advertisements=[item("a", communities=["99999999:1"])]),
        "invalid community value: invalid section",
    ),
    "a large community with another marker": (
        Objects(bgp_advertisements=[item("a", communities=["lar:123:9999:123"])]),
        "expected community to be of format large",
    ),
    "a large community with a word": (
        Objects(bgp_advertisements=[item("a", communities=["large:1:wrong:1"])]),
        "invalid section 'wrong'",
    ),
    "duplicate communities": (
        Objects(bgp_advertisements=[item("a", communities=["1111:2222", "1111:2222"])]),
        "duplicate entry",
    ),
    "duplicate communities by an alias": (
        Objects(
            communities=[community("c", mine="1:2")],
            bgp_advertisements=[item("a", communities=["1:2", "mine"])],
        ),
        "duplicate entry 1:2",
    ),
    "a bad community in a Community": (
        Objects(communities=[community("c", x="1:2:3")]),
        "invalid community format",
    ),
    "an alias in two Communities": (
        Objects(communities=[community("c", x="1:2"), community("d", x="1:3")]),
        "Community d: spec.communities[0]: duplicate definition of community 'x', see Community c",
    ),
}

TRANSIENT: dict[str, tuple[Objects, str]] = {
    "secret missing": (
        Objects(peers=[peer(passwordSecret={"name": "s"})], secrets={}),
        "secret 's' not found; kubectl create",
    ),
    "BFD profile missing": (Objects(peers=[peer(bfdProfile="b")]), "BFDProfile 'b' not found"),
    "community missing": (
        Objects(bgp_advertisements=[item("a", communities=["mine"])]),
        "unknown community 'mine'",
    ),
}

WARNED: dict[str, tuple[Objects, str]] = {
    "pool missing": (
        Objects(pools=[pool()], bgp_advertisements=[item("a", ipAddressPools=["x"])]),
        "the pools are: p",
    ),
    "peer missing": (
        Objects(bgp_advertisements=[item("a", peers=["x"])]),
        "no BGPPeer 'x'; the peers are: none",
    ),
    "one peer twice": (
        Objects(peers=[peer("r1", nodeSelectors=[N1]), peer("r2")], nodes=TWO_NODES),
        "BGPPeer r1 has the same peer",
    ),
    "one peer, another router ID": (
        Objects(peers=[peer("r1", routerID="1.1.1.1"), peer("r2", peerAddress="10.0.0.2")]),
        "BGPPeer r2: spec.routerID: differs from that of BGPPeer r1",
    ),
    "one peer, another AS number of ours": (
        Objects(peers=[peer("r1"), peer("r2", peerAddress="10.0.0.2", myASN=64501)]),
        "BGPPeer r2: spec.myASN: differs from that of BGPPeer r1",
    ),
    "a BFD profile": (
        Objects(peers=[peer(bfdProfile="b", holdTime="9s")], bfd_profiles=[item("b")]),
        "BGPPeer r: spec.bfdProfile: BFD is not spoken yet: a silent peer is noticed after the hold time, 9 s",
    ),
    "a BFD profile with echo for IPv4": (
        Objects(peers=[peer(bfdProfile="b")], bfd_profiles=[item("b", echoMode=True)]),
        "BFD is not spoken yet",
    ),
    "unnumbered": (
        Objects(peers=[peer(peerAddress=None, interface="eth0")]),
        "spec.interface: peers found on an interface are not supported yet",
    ),
    "disableMP, which has no effect": (
        Objects(peers=[peer(disableMP=True)]),
        "disable mp is deprecated and has no effect",
    ),
    "interfaces of layer 2": (
        Objects(pools=[pool()], l2_advertisements=[item("a", interfaces=["eth0", "eth1"])]),
        "L2Advertisement a: spec: nothing is announced on layer 2 yet",
    ),
    "preferred nodes of layer 2": (
        Objects(
            pools=[pool()],
            l2_advertisements=[item("a", preferredNodeSelectors=[{"weight": 1, "preference": N1}])],
        ),
        "nothing is announced on layer 2 yet",
    ),
}
