"""UDP flows that the kernel remembers and that would miss a change of rules.

NAT is decided by a flow's first packet. A UDP client that keeps its port has one flow for ever, so flows to an endpoint
that is gone, and flows that began before a Service had endpoints, must be forgotten. As kube-proxy's conntrack package.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping, Sequence

from lab.kits.log import Log
from lab.kits.shell import CommandError, run
from lab.pocket.proxy.model import Endpoint, Family, ServicePort
from lab.pocket.proxy.select import choose

log = Log(__name__)

Entry = tuple[ServicePort, tuple[Endpoint, ...]]


def stale_flows(before: Mapping[object, Entry], after: Mapping[object, Entry]) -> list[tuple[str, ...]]:
    """Return, for each kind of flow to forget, the arguments that `conntrack -D -p udp` takes."""
    flows = [flow for key, entry in before.items() for flow in _of_lost_endpoints(entry, after.get(key))]
    flows += [flow for key, entry in after.items() for flow in _of_first_endpoints(before.get(key), entry)]
    return list(dict.fromkeys(flows))


def _of_lost_endpoints(before: Entry, after: Entry | None) -> Iterator[tuple[str, ...]]:
    port, _ = before
    if port.protocol != "udp":
        return
    left = {e.ip for e in _reachable(after)} if after else set()
    for ip in dict.fromkeys(e.ip for e in _reachable(before) if e.ip not in left):
        for address in _addresses(port):
            yield ("--orig-dst", address, "--dst-nat", ip)
        if port.node_port:
            yield ("--dport", str(port.node_port), "--dst-nat", ip)


def _of_first_endpoints(before: Entry | None, after: Entry) -> Iterator[tuple[str, ...]]:
    port, _ = after
    if port.protocol != "udp" or not _reachable(after) or (before and _reachable(before)):
        return
    for address in _addresses(port):
        yield ("--orig-dst", address)
    if port.node_port:
        yield ("--dport", str(port.node_port))


def _reachable(entry: Entry) -> Sequence[Endpoint]:
    return choose(*entry).all


def _addresses(port: ServicePort) -> tuple[str, ...]:
    return (port.cluster_ip, *port.external_ips, *port.load_balancer_ips)


async def forget(flows: Sequence[tuple[str, ...]], family: Family) -> None:
    """Delete the flows. Without the conntrack program they stay until they are idle, which is logged."""
    if flows and not shutil.which("conntrack"):
        log.warning("conntrack is not installed, old UDP flows keep their endpoint", flows=len(flows))
        return
    for flow in flows:
        await asyncio.to_thread(_delete, flow, "ipv4" if family is Family.IPV4 else "ipv6")


def _delete(flow: tuple[str, ...], family: str) -> None:
    try:
        run(["conntrack", "-D", "-p", "udp", "-f", family, *flow])
    except CommandError as error:
        if "0 flow entries" not in error.message:  # how it says that there was nothing to delete
            log.warning("could not delete UDP flows", flow=" ".join(flow), error=error.message)
