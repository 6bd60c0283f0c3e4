"""The lab as a Mermaid flowchart, for Markdown pages."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import Machine, Network, NetworkName, Topology


def mermaid(topology: Topology) -> str:
    """Return the flowchart: links solid, BGP sessions dotted."""
    return "\n".join(_lines(topology)) + "\n"


def _lines(lab: Topology) -> Iterator[str]:
    cluster, client = lab.networks
    yield "flowchart TB"
    yield f"  {_machine(lab.client, client.name)}"
    yield f"  {_network(client)}"
    yield f"  {_id(lab.router.name)}[{_label(lab.router.name, f'AS {lab.bgp.router_asn}')}]"
    yield f"  {_network(cluster)}"
    yield f"  {_machine(lab.control_plane, cluster.name)}"
    yield f"  subgraph workers[{_label(f'AS {lab.bgp.cluster_asn}')}]"
    for worker in lab.workers:
        yield f"    {_machine(worker, cluster.name)}"
    for number, pool in enumerate(lab.load_balancer.pools, start=1):
        yield f"    pool{number}{{{{{_label('pool ' + pool.name, *map(str, pool.addresses))}}}}}"
    yield "  end"
    yield f"  {_id(lab.client.name)} --- {_network_id(client)}"
    router, above, below = (_id(lab.router.name), _network_id(client), _network_id(cluster))
    yield f"  {above} ---|{_label(*_addresses(lab.router, client.name))}| {router}"
    yield f"  {router} ---|{_label(*_addresses(lab.router, cluster.name))}| {below}"
    for machine in (lab.control_plane, *lab.workers):
        yield f"  {_network_id(cluster)} --- {_id(machine.name)}"
    for worker in lab.workers:
        yield f"  {_id(lab.router.name)} <-. BGP .-> {_id(worker.name)}"


def _machine(machine: Machine, network: NetworkName) -> str:
    return f"{_id(machine.name)}[{_label(machine.name, *_addresses(machine, network))}]"


def _network(network: Network) -> str:
    return f"{_network_id(network)}([{_label(network.name, *map(str, network.subnets))}])"


def _addresses(machine: Machine, network: NetworkName) -> list[str]:
    return [str(address.ip) for address in machine.interface(network).addresses]


def _label(*lines: str) -> str:
    """Return a quoted label. Names are DNS labels, so nothing in it needs an escape."""
    return f'"{"<br/>".join(lines)}"'


def _network_id(network: Network) -> str:
    return f"network_{network.name.replace('-', '_')}"


def _id(machine: str) -> str:
    """Return a node's identifier. The prefix keeps it clear of Mermaid's own words, such as `end`."""
    return f"machine_{machine.replace('-', '_')}"
