"""The Ansible inventory of a lab, in the shape that `ansible-inventory --list` prints.

One group a role of machine, `k8s` over the cluster's, and one a distribution of Kubernetes over all that speak to the
cluster, empty for the one that the lab has not. All values are plain JSON; lists of networks, subnets and
addresses keep the order of lab.yml: the cluster's network first, one address for each subnet. Where an address is
wanted by family, the keys are `ipv4` and `ipv6`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lab.topology.model import (
    Address,
    Bgp,
    Distribution,
    Interface,
    InterfaceAddress,
    Machine,
    Pool,
    Role,
    Topology,
)
from lab.topology.naming import peer_name

Json = dict[str, Any]


def inventory(topology: Topology) -> Json:
    """Return the inventory: groups, their variables, and `_meta.hostvars`."""
    groups: Json = {role.value: {"hosts": _names(topology, role)} for role in Role}
    groups[Role.ROUTER.value]["vars"] = _router_vars(topology)
    return {
        "_meta": {"hostvars": {machine.name: _host_vars(machine) for machine in topology.machines}},
        "all": {
            "children": [Role.ROUTER.value, "k8s", Role.CLIENT.value, *(d.value for d in Distribution)],
            "vars": _lab_vars(topology),
        },
        "k8s": {"children": [Role.CONTROL_PLANE.value, Role.WORKER.value]},
        **{distribution.value: _distribution(topology, distribution) for distribution in Distribution},
        **groups,
    }


def _distribution(topology: Topology, distribution: Distribution) -> Json:
    wanted = distribution is topology.kubernetes.distribution
    return {"children": ["k8s", Role.CLIENT.value] if wanted else []}


def _names(topology: Topology, role: Role) -> list[str]:
    return [machine.name for machine in topology.machines if machine.role is role]


def _lab_vars(topology: Topology) -> Json:
    """Return what every machine may know."""
    return {
        "lab_name": topology.name,
        "lab_networks": [
            {"name": network.name, "subnets": _texts(network.subnets)} for network in topology.networks
        ],
        "lab_router_addresses": {
            interface.network: _by_family(interface.addresses) for interface in topology.router.interfaces
        },
        "lab_bgp": _bgp(topology.bgp),
        "lab_pools": [_pool(pool) for pool in topology.load_balancer.pools],
        "lab_hosts": [_host(machine) for machine in topology.machines],
        "lab_kubernetes": topology.kubernetes.distribution.value,
        "lab_kubernetes_version": topology.kubernetes.version,
        "lab_pod_network": topology.kubernetes.pod_network.value,
        "lab_proxy_mode": topology.kubernetes.proxy_mode.value,
        "lab_load_balancer": topology.load_balancer.implementation.value,
        "lab_pod_subnets": _texts(topology.kubernetes.pod_subnets),
        "lab_service_subnets": _texts(topology.kubernetes.service_subnets),
    }


def _router_vars(topology: Topology) -> Json:
    network = topology.cluster_network.name
    return {
        "lab_router_software": topology.router_software.value,
        "lab_peers": [
            {
                "name": peer_name(number),
                "machine": worker.name,
                "addresses": _by_family(worker.interface(network).addresses),
            }
            for number, worker in enumerate(topology.workers, start=1)
        ],
    }


def _host_vars(machine: Machine) -> Json:
    return {"lab_interfaces": [_interface(interface) for interface in machine.interfaces]}


def _interface(interface: Interface) -> Json:
    return {
        "network": interface.network,
        "mac": interface.mac,
        "addresses": [
            {"address": str(address.ip), "prefix": address.network.prefixlen, "family": _family(address.ip)}
            for address in interface.addresses
        ],
    }


def _bgp(bgp: Bgp) -> Json:
    return {
        "router_asn": bgp.router_asn,
        "cluster_asn": bgp.cluster_asn,
        "session": bgp.session.value,
        "hold_time": bgp.hold_time,
        "password": bgp.password,
        "bfd": bgp.bfd,
    }


def _pool(pool: Pool) -> Json:
    return {
        "name": pool.name,
        "addresses": _texts(pool.addresses),
        "avoid_buggy_ips": pool.avoid_buggy_ips,
        "auto_assign": pool.auto_assign,
    }


def _host(machine: Machine) -> Json:
    """Return a line of /etc/hosts: the addresses on every network of the machine."""
    addresses = [address.ip for interface in machine.interfaces for address in interface.addresses]
    return {"name": machine.name, "addresses": _texts(addresses)}


def _by_family(addresses: Iterable[InterfaceAddress]) -> dict[str, str]:
    return {_family(address.ip): str(address.ip) for address in addresses}


def _family(address: Address) -> str:
    return f"ipv{address.version}"


def _texts(values: Iterable[object]) -> list[str]:
    return [str(value) for value in values]
