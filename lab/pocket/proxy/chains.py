"""One service port to its rules, word for word as kube-proxy writes them in iptables mode.

A rule is the text after `-A CHAIN`. Chains of one port (kube-proxy's comments explain the reasons):

    KUBE-SVC-   picks among all endpoints                 KUBE-EXT-   traffic to an external address or node port
    KUBE-SVL-   picks among the endpoints of this node    KUBE-FW-    lets only loadBalancerSourceRanges pass
    KUBE-SEP-   rewrites the destination to one endpoint

Names are the first 16 characters of the base32 of a SHA-256. Source: kubernetes/pkg/proxy/iptables and
https://kubernetes.io/docs/reference/networking/virtual-ips/.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from lab.pocket.proxy.model import Endpoint, ServicePort
from lab.pocket.proxy.select import Choice, choose

MARK_MASQ = "KUBE-MARK-MASQ"


class Chain(NamedTuple):
    """A chain of a table."""

    table: str
    name: str


Fragment = Mapping[Chain, tuple[str, ...]]
"""Rules by chain: of chains that the port owns, and those that it adds to shared chains."""

SERVICES = Chain("nat", "KUBE-SERVICES")
NODE_PORTS = Chain("nat", "KUBE-NODEPORTS")
REFUSED = Chain("filter", "KUBE-SERVICES")
REFUSED_EXTERNAL = Chain("filter", "KUBE-EXTERNAL-SERVICES")
HEALTH_CHECKS = Chain("filter", "KUBE-NODEPORTS")
FIREWALL = Chain("filter", "KUBE-PROXY-FIREWALL")
SHARED = frozenset({SERVICES, NODE_PORTS, REFUSED, REFUSED_EXTERNAL, HEALTH_CHECKS, FIREWALL})


class Node(NamedTuple):
    """What the rules must know of the node, in one address family."""

    ip: str = ""
    """The node's address; empty when it has none in this family."""
    pod_cidr: str = ""
    """The cluster's pod range: sources inside it are pods. Empty when unknown: then nothing is masqueraded for it."""


def chain_name(prefix: str, *parts: str) -> str:
    """Return `prefix` with the hash of the parts, as `KUBE-SVC-NPX46M4PTMTKRN6Y`."""
    digest = hashlib.sha256("".join(parts).encode()).digest()
    return prefix + base64.b32encode(digest).decode()[:16]


def endpoint_chain(port: ServicePort, endpoint: Endpoint) -> str:
    """Return the name of the KUBE-SEP- chain of an endpoint."""
    return chain_name("KUBE-SEP-", str(port.name), port.protocol, endpoint.address)


def service_rules(
    port: ServicePort, endpoints: Sequence[Endpoint], node: Node, *, comments: bool = True
) -> Fragment:
    """Return every rule for `port`. `comments` off leaves them out of endpoint rules, as in large clusters."""
    writer = _Writer(port, choose(port, endpoints), node, comments=comments)
    writer.write()
    return {chain: tuple(rules) for chain, rules in writer.rules.items()}


def _comment(text: str) -> str:
    return f'-m comment --comment "{text}"' if " " in text else f"-m comment --comment {text}"


class _Writer:
    """The rules of one port while they are being written."""

    def __init__(self, port: ServicePort, choice: Choice, node: Node, *, comments: bool) -> None:
        self.rules: dict[Chain, list[str]] = defaultdict(list)
        self._port, self._choice, self._node, self._comments = port, choice, node, comments
        self._title = str(port.name)
        own = (self._title, port.protocol)
        self._svc = Chain("nat", chain_name("KUBE-SVC-", *own))
        self._svl = Chain("nat", chain_name("KUBE-SVL-", *own))
        self._ext = Chain("nat", chain_name("KUBE-EXT-", *own))
        self._fw = Chain("nat", chain_name("KUBE-FW-", *own))
        self._fenced = bool(choice.any and port.load_balancer_ips and port.source_ranges)

    def write(self) -> None:
        """Write each chain after those that it jumps to, so that a long input can be cut between any two chains."""
        for endpoint in self._choice.all:
            self._endpoint(endpoint)
        self._cluster_ip()
        self._balance(self._svc, self._choice.cluster)
        self._balance(self._svl, self._choice.local)
        if self._choice.any and self._port.external:
            self._external_chain()
        if self._fenced:
            self._firewall_chain()
        for ip in self._port.external_ips:
            self._external_address(ip, "external IP", self._ext)
        for ip in self._port.load_balancer_ips:
            self._external_address(ip, "loadbalancer IP", self._fw if self._fenced else self._ext)
        self._node_port()

    def _add(self, chain: Chain, *words: str) -> None:
        self.rules[chain].append(" ".join(word for word in words if word))

    def _match(self, ip: str, port: int) -> str:
        """Match the protocol, destination address (any when empty) and destination port."""
        protocol = self._port.protocol
        return f"-m {protocol} -p {protocol} {f'-d {ip} ' if ip else ''}--dport {port}"

    def _refusal(self, *, local: bool) -> tuple[str, str]:
        """Return comment and target for traffic that finds no endpoint."""
        if self._choice.any and local:
            return _comment(f"{self._title} has no local endpoints"), "-j DROP"
        return _comment(f"{self._title} has no endpoints"), "-j REJECT"

    def _reachable(self, *, local: bool) -> bool:
        return bool(self._choice.local if local else self._choice.any)

    def _cluster_ip(self) -> None:
        local = self._port.internal_local
        match = self._match(self._port.cluster_ip, self._port.port)
        if not self._reachable(local=local):
            comment, target = self._refusal(local=local)
            self._add(REFUSED, comment, match, target)
            return
        chain = self._svl if local else self._svc
        comment = _comment(f"{self._title} cluster IP")
        self._add(SERVICES, comment, match, f"-j {chain.name}")
        if self._node.pod_cidr:
            self._add(chain, comment, match, f"! -s {self._node.pod_cidr} -j {MARK_MASQ}")

    def _external_address(self, ip: str, kind: str, chain: Chain) -> None:
        match = self._match(ip, self._port.port)
        if self._choice.any:
            self._add(SERVICES, _comment(f"{self._title} {kind}"), match, f"-j {chain.name}")
        if chain is self._fw:
            refused = _comment(f"{self._title} traffic not accepted by {chain.name}")
            self._add(FIREWALL, refused, match, "-j DROP")
        self._refuse_external(match)

    def _refuse_external(self, *words: str) -> None:
        if not self._reachable(local=self._port.external_local):
            comment, target = self._refusal(local=self._port.external_local)
            self._add(REFUSED_EXTERNAL, comment, *words, target)

    def _node_port(self) -> None:
        if self._port.node_port:
            match = self._match("", self._port.node_port)
            if self._choice.any:
                self._add(NODE_PORTS, _comment(self._title), match, f"-j {self._ext.name}")
            self._refuse_external("-m addrtype --dst-type LOCAL", match)
        if self._port.health_check_node_port:
            comment = _comment(f"{self._title} health check node port")
            self._add(
                HEALTH_CHECKS, comment, f"-m tcp -p tcp --dport {self._port.health_check_node_port} -j ACCEPT"
            )

    def _external_chain(self) -> None:
        add, of = self._add, f"traffic for {self._title} external destinations"
        if not self._port.external_local:
            add(self._ext, _comment(f"masquerade {of}"), f"-j {MARK_MASQ}")
        else:
            if self._node.pod_cidr:
                pods = f"-s {self._node.pod_cidr} -j {self._svc.name}"
                add(self._ext, _comment(f"pod {of}"), pods)
            here = "-m addrtype --src-type LOCAL"
            add(self._ext, _comment(f"masquerade LOCAL {of}"), here, f"-j {MARK_MASQ}")
            add(self._ext, _comment(f"route LOCAL {of}"), here, f"-j {self._svc.name}")
        if self._reachable(local=self._port.external_local):
            add(self._ext, f"-j {(self._svl if self._port.external_local else self._svc).name}")

    def _firewall_chain(self) -> None:
        comment = _comment(f"{self._title} loadbalancer IP")
        for source in self._port.source_ranges:
            self._add(self._fw, comment, f"-s {source} -j {self._ext.name}")
        if self._node.ip and any(_contains(each, self._node.ip) for each in self._port.source_ranges):
            # The address may be one of the node's own: then that is the source of the node's requests to it.
            for ip in self._port.load_balancer_ips:
                self._add(self._fw, comment, f"-s {ip} -j {self._ext.name}")
        self._add(
            self._fw, _comment(f"other traffic to {self._title} will be dropped by KUBE-PROXY-FIREWALL")
        )

    def _balance(self, chain: Chain, endpoints: Sequence[Endpoint]) -> None:
        for endpoint in endpoints if self._port.affinity_seconds else ():
            name = endpoint_chain(self._port, endpoint)
            recent = f"-m recent --name {name} --rcheck --seconds {self._port.affinity_seconds} --reap"
            self._add(chain, self._arrow(endpoint), recent, f"-j {name}")
        for left, endpoint in _countdown(endpoints):
            odds = f"-m statistic --mode random --probability {1 / left:.10f}" if left > 1 else ""
            self._add(chain, self._arrow(endpoint), odds, f"-j {endpoint_chain(self._port, endpoint)}")

    def _arrow(self, endpoint: Endpoint) -> str:
        return _comment(f"{self._title} -> {endpoint.address}") if self._comments else ""

    def _endpoint(self, endpoint: Endpoint) -> None:
        chain = Chain("nat", endpoint_chain(self._port, endpoint))
        comment = _comment(self._title) if self._comments else ""
        # A pod that reaches itself through the Service must see another source than its own.
        self._add(chain, comment, f"-s {endpoint.ip} -j {MARK_MASQ}")
        remember = f"-m recent --name {chain.name} --set" if self._port.affinity_seconds else ""
        protocol = f"-m {self._port.protocol} -p {self._port.protocol}"
        self._add(chain, comment, remember, protocol, f"-j DNAT --to-destination {endpoint.address}")


def _contains(network: str, ip: str) -> bool:
    return ip_address(ip) in ip_network(network)


def _countdown(endpoints: Sequence[Endpoint]) -> Iterable[tuple[int, Endpoint]]:
    return ((len(endpoints) - index, endpoint) for index, endpoint in enumerate(endpoints))
