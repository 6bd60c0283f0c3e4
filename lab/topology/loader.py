"""lab.yml → Topology: read, check, build. Nothing is built while there is a mistake."""

from __future__ import annotations

from ipaddress import ip_interface
from pathlib import Path

from lab.topology import checks, keys, plan, source
from lab.topology.mistakes import InvalidTopologyError, Mistakes, values
from lab.topology.model import (
    Address,
    Asn,
    Bgp,
    Interface,
    Kubernetes,
    LoadBalancer,
    Machine,
    MachineName,
    Network,
    NetworkName,
    Pool,
    Role,
    Size,
    Topology,
    Vagrant,
)
from lab.topology.naming import mac_address, worker_name
from lab.topology.sections import Fields


def load(path: Path) -> Topology:
    """Return the topology that `path` describes; raises InvalidTopologyError with every mistake in it."""
    mistakes = Mistakes()
    root = keys.LAB.read(source.read(path), "", mistakes)
    if root:
        checks.check(root.value, mistakes)
    found = mistakes.in_file_order()
    if found or not root:
        raise InvalidTopologyError(str(path), found)
    return _topology(root.value)


def _topology(lab: Fields) -> Topology:
    cluster, client = _networks(lab)
    machines = _Machines(lab[keys.NAME])
    master, workers = lab[keys.CONTROL_PLANE], lab[keys.WORKERS]
    prefix, first = workers[keys.WORKERS_NAME], values(workers[keys.WORKERS_FIRST_ADDRESS])
    router = {
        name: values(item.value) for name, item in lab[keys.ROUTER][keys.ROUTER_ADDRESSES].items() if item
    }
    return Topology(
        name=lab[keys.NAME],
        networks=(cluster, client),
        router=machines.make(
            "router", Role.ROUTER, *((network, router[network.name]) for network in (cluster, client))
        ),
        control_plane=machines.make(
            master[keys.CONTROL_PLANE_NAME],
            Role.CONTROL_PLANE,
            (cluster, values(master[keys.CONTROL_PLANE_ADDRESS])),
        ),
        workers=tuple(
            machines.make(
                worker_name(prefix, n + 1), Role.WORKER, (cluster, tuple(address + n for address in first))
            )
            for n in range(workers[keys.WORKERS_COUNT])
        ),
        client=machines.make("client", Role.CLIENT, (client, values(lab[keys.CLIENT][keys.CLIENT_ADDRESS]))),
        bgp=_bgp(lab[keys.BGP]),
        load_balancer=_load_balancer(lab[keys.LOAD_BALANCER]),
        kubernetes=_kubernetes(lab),
        router_software=lab[keys.ROUTER][keys.ROUTER_SOFTWARE],
        vagrant=_vagrant(lab[keys.VAGRANT]),
    )


class _Machines:
    """Makes the machines of one lab."""

    def __init__(self, lab: str) -> None:
        self._lab = lab

    def make(self, name: str, role: Role, *claims: tuple[Network, tuple[Address, ...]]) -> Machine:
        """Return a machine with its addresses on each network, one for each subnet."""
        interfaces = (
            Interface(
                network=network.name,
                addresses=tuple(
                    ip_interface((address, subnet.prefixlen))
                    for address, subnet in zip(addresses, network.subnets, strict=True)
                ),
                mac=mac_address(self._lab, name, network.name),
            )
            for network, addresses in claims
        )
        return Machine(name=MachineName(name), role=role, interfaces=tuple(interfaces))


def _networks(lab: Fields) -> tuple[Network, Network]:
    cluster, client = (
        Network(name=NetworkName(name), subnets=values(subnets.value))
        for name, subnets in plan.networks(lab).items()
    )
    return cluster, client


def _bgp(bgp: Fields) -> Bgp:
    password = bgp.get(keys.PASSWORD)
    return Bgp(
        router_asn=Asn(bgp[keys.ROUTER_ASN]),
        cluster_asn=Asn(bgp[keys.CLUSTER_ASN]),
        session=bgp[keys.SESSION],
        hold_time=bgp[keys.HOLD_TIME],
        password=password.value if password else None,
        bfd=bgp[keys.BFD],
    )


def _load_balancer(load_balancer: Fields) -> LoadBalancer:
    pools = (
        Pool(
            name=pool.value[keys.POOL_NAME],
            addresses=tuple(subnet for item in pool.value[keys.POOL_ADDRESSES] for subnet in item.value),
            avoid_buggy_ips=pool.value[keys.AVOID_BUGGY_IPS],
            auto_assign=pool.value[keys.AUTO_ASSIGN],
        )
        for pool in load_balancer[keys.POOLS]
    )
    return LoadBalancer(implementation=load_balancer[keys.IMPLEMENTATION], pools=tuple(pools))


def _kubernetes(lab: Fields) -> Kubernetes:
    pods, services = plan.pod_subnets(lab), plan.service_subnets(lab)
    kubernetes = lab[keys.KUBERNETES]
    return Kubernetes(
        distribution=kubernetes[keys.DISTRIBUTION],
        version=kubernetes[keys.KUBERNETES_VERSION],
        pod_network=kubernetes[keys.POD_NETWORK],
        proxy_mode=kubernetes[keys.PROXY_MODE],
        pod_subnets=values(pods.value) if pods else (),
        service_subnets=values(services.value) if services else (),
    )


def _vagrant(vagrant: Fields) -> Vagrant:
    box, version, checksum = (
        located.value if (located := vagrant.get(key)) else None
        for key in (keys.BOX, keys.BOX_VERSION, keys.BOX_CHECKSUM)
    )
    memory, cpus = vagrant[keys.VAGRANT_MEMORY], vagrant[keys.VAGRANT_CPUS]
    return Vagrant(
        provider=vagrant[keys.HYPERVISOR],
        acceleration=vagrant[keys.ACCELERATION],
        box=box,
        box_version=version,
        box_checksum=checksum,
        sizes={role: Size(memory=memory[keys.MEMORY[role]], cpus=cpus[keys.CPUS[role]]) for role in Role},
    )
