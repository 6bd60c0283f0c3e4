"""The pods' network: a namespace each, joined to the node's bridge by CNI plugins; routes to the other nodes' pods.

Plugins and their configuration: https://www.cni.dev/plugins/current/ (bridge, host-local, portmap).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import orjson

from lab.kits.log import Log
from lab.kits.shell import CommandError, run
from lab.kube.resources import Json
from lab.pocket.agent.errors import SandboxError

log = Log(__name__)
PLUGINS: Final = Path("/usr/lib/cni")
NAMESPACES: Final = Path("/run/netns")
BRIDGE: Final = "cni0"
INTERFACE: Final = "eth0"
PROTOCOL: Final = "201"
"""Marks our routes in the kernel's table, so that stale ones can be told from everybody else's."""
MASQUERADE: Final = "LAB-POD-MASQ"
CNI_VERSION: Final = "1.0.0"


class Network:
    """The network of one node's pods."""

    def __init__(self, state: Path, cluster_cidrs: Sequence[str]) -> None:
        """Keep address allocations under `state`; pods reach `cluster_cidrs` with their own address."""
        self._state = state
        self._cluster_cidrs = cluster_cidrs
        self.ranges: Sequence[str] = ()
        """This node's pod ranges; empty until the Node has them."""

    async def set_up(self, ranges: Sequence[str]) -> None:
        """Take over the node's pod ranges: forwarding on, traffic that leaves the cluster masqueraded."""
        if list(ranges) == list(self.ranges):
            return
        _forward_packets()
        for cidr in ranges:
            await asyncio.to_thread(self._masquerade, cidr)
        self.ranges = list(ranges)

    async def attach(
        self, name: str, ports: Sequence[Mapping[str, Any]], sysctls: Mapping[str, str]
    ) -> list[str]:
        """Make the namespace `name`, connect it, and return its addresses; raises SandboxError.

        `ports` are CNI port mappings: hostPort, containerPort, protocol, hostIP.
        """
        if not self.ranges:
            raise SandboxError("the node has no pod range yet")
        return await asyncio.to_thread(self._attach, name, ports, sysctls)

    async def detach(self, name: str, ports: Sequence[Mapping[str, Any]]) -> None:
        """Give the addresses back and remove the namespace; what is gone already does not matter."""
        await asyncio.to_thread(self._detach, name, ports)

    async def route(self, nodes: Sequence[Json]) -> None:
        """Route every other node's pod ranges to its address; remove our routes to nodes that are gone."""
        wanted = dict(sorted(pair for node in nodes for pair in node_routes(node)))
        try:
            await asyncio.to_thread(_apply_routes, wanted)
        except CommandError as error:
            log.warning("could not set the routes to other nodes' pods", error=error.message)

    def _attach(self, name: str, ports: Sequence[Mapping[str, Any]], sysctls: Mapping[str, str]) -> list[str]:
        try:
            run(["ip", "netns", "add", name])
            run(["ip", "-n", name, "link", "set", "lo", "up"])
            result = orjson.loads(self._plugin("ADD", name, self._bridge()))
            if ports:
                self._plugin("ADD", name, {**_port_map(ports), "prevResult": result})
            for key, value in sysctls.items():
                run(["ip", "netns", "exec", name, "sysctl", "-qw", f"{key}={value}"])
        except CommandError as error:
            raise SandboxError(f"failed to set up the pod's network: {error.message}") from error
        return [each["address"].partition("/")[0] for each in result["ips"]]

    def _detach(self, name: str, ports: Sequence[Mapping[str, Any]]) -> None:
        configurations = [self._bridge(), *([_port_map(ports)] if ports else [])]
        for configuration in reversed(configurations):
            try:
                self._plugin("DEL", name, configuration)
            except CommandError as error:
                log.debug("CNI DEL failed", namespace=name, error=error.message)
        _quietly(["ip", "netns", "del", name])

    def _bridge(self) -> Json:
        defaults = {4: "0.0.0.0/0", 6: "::/0"}
        versions = [ip_network(cidr).version for cidr in self.ranges]
        return {
            "cniVersion": CNI_VERSION,
            "name": "lab",
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self._state),
                "ranges": [[{"subnet": cidr}] for cidr in self.ranges],
                "routes": [{"dst": defaults[version]} for version in versions],
            },
        }

    def _plugin(self, command: str, name: str, configuration: Json) -> str:
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": name,
            "CNI_NETNS": str(NAMESPACES / name),
            "CNI_IFNAME": INTERFACE,
            "CNI_PATH": str(PLUGINS),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        plugin = str(PLUGINS / configuration["type"])
        return run([plugin], stdin=orjson.dumps(configuration).decode(), env=environment)

    def _masquerade(self, cidr: str) -> None:
        """Hide pods behind the node where nobody has a route back to them: outside the cluster."""
        version = ip_network(cidr).version
        cluster = [each for each in self._cluster_cidrs if ip_network(each).version == version]
        inside = [f"-A {MASQUERADE} -d {each} -j RETURN" for each in cluster or [cidr]]
        program = "iptables" if version == 4 else "ip6tables"
        hide = f"-A {MASQUERADE} -s {cidr} -j MASQUERADE --random-fully"
        lines = ["*nat", f":{MASQUERADE} - [0:0]", *inside, hide, "COMMIT", ""]
        try:
            run([f"{program}-restore", "-w", "5", "--noflush"], stdin="\n".join(lines))
            jump = ["POSTROUTING", "-m", "comment", "--comment", "pods to the world", "-j", MASQUERADE]
            if not _quietly([program, "-w", "5", "-t", "nat", "-C", *jump]):
                run([program, "-w", "5", "-t", "nat", "-A", *jump])
        except CommandError as error:
            log.warning("pods will not reach addresses outside the cluster", error=error.message)


def _forward_packets() -> None:
    """Route between pods and the world; let iptables see what crosses the bridge, or answers to Services get lost."""
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "bridge/bridge-nf-call-iptables"):
        with suppress(OSError):
            Path("/proc/sys/net", name).write_text("1")


def _port_map(ports: Sequence[Mapping[str, Any]]) -> Json:
    return {
        "cniVersion": CNI_VERSION,
        "name": "lab",
        "type": "portmap",
        "snat": True,
        "capabilities": {"portMappings": True},
        "runtimeConfig": {"portMappings": list(ports)},
    }


def port_mappings(pod: Json) -> list[Json]:
    """Return the CNI port mappings for a pod's host ports."""
    found = []
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                mapping = {
                    "hostPort": port["hostPort"],
                    "containerPort": port["containerPort"],
                    "protocol": port.get("protocol", "TCP").lower(),
                }
                found.append(mapping | ({"hostIP": port["hostIP"]} if port.get("hostIP") else {}))
    return found


def internal_ips(node: Json) -> list[str]:
    """Return a node's addresses on the cluster's network."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    return [each["address"] for each in addresses if each["type"] == "InternalIP"]


def node_routes(node: Json) -> list[tuple[str, str]]:
    """Return (pod range, the node's address of the same family) for each pod range of a node."""
    by_version = {ip_address(each).version: each for each in reversed(internal_ips(node))}
    ranges = node["spec"].get("podCIDRs") or ()
    pairs = ((cidr, by_version.get(ip_network(cidr).version, "")) for cidr in ranges)
    return [(cidr, via) for cidr, via in pairs if via]


def _apply_routes(wanted: Mapping[str, str]) -> None:
    for family in ("-4", "-6"):
        version = int(family[1])
        mine = {cidr: via for cidr, via in wanted.items() if ip_network(cidr).version == version}
        shown = orjson.loads(run(["ip", family, "-j", "route", "show", "proto", PROTOCOL]) or "[]")
        present = {each["dst"]: each.get("gateway", "") for each in shown}
        lines = [f"route del {cidr} proto {PROTOCOL}" for cidr in present.keys() - mine.keys()]
        lines += [
            f"route replace {c} via {via} proto {PROTOCOL}"
            for c, via in mine.items()
            if present.get(c) != via
        ]
        if lines:
            run(["ip", family, "-force", "-batch", "-"], stdin="\n".join(lines))


def _quietly(argv: Sequence[str]) -> bool:
    """Run what may fail because there is nothing to do; return whether it succeeded."""
    try:
        run(argv)
    except CommandError:
        return False
    return True
