"""The lab as values: what `lab.yml` says after validation, with everything derived that derives from it.

All values are frozen. Addresses are `ipaddress` objects, never strings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final, NewType

Address = IPv4Address | IPv6Address
InterfaceAddress = IPv4Interface | IPv6Interface
Subnet = IPv4Network | IPv6Network
Asn = NewType("Asn", int)
MachineName = NewType("MachineName", str)
NetworkName = NewType("NetworkName", str)


class Role(StrEnum):
    """What a machine is for. The values are the Ansible groups."""

    ROUTER = "router"
    CONTROL_PLANE = "control_plane"
    WORKER = "worker"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    name: NetworkName
    subnets: tuple[Subnet, ...]
    """One subnet, or one of each family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    network: NetworkName
    addresses: tuple[InterfaceAddress, ...]
    """One address with its prefix length for each subnet of the network, in the same order."""
    mac: str
    """Locally administered, derived from lab, machine and network: `02:…`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    name: MachineName
    role: Role
    interfaces: tuple[Interface, ...]

    def interface(self, network: NetworkName) -> Interface:
        """Return the interface on `network`; raises KeyError when there is none."""
        for interface in self.interfaces:
            if interface.network == network:
                return interface
        raise KeyError(network)

    def address(self, network: NetworkName) -> Address:
        """Return the first address on `network`; raises KeyError when there is none."""
        return self.interface(network).addresses[0].ip


class Session(StrEnum):
    """Whether both ends of the BGP sessions are meant to share one AS (RFC 4271, section 1.1)."""

    EXTERNAL = "external"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bgp:
    router_asn: Asn
    cluster_asn: Asn
    session: Session = Session.EXTERNAL
    hold_time: int = 3
    """Seconds (RFC 4271, section 4.2): 0 or at least 3."""
    password: str | None = field(default=None, repr=False)
    """TCP MD5 signature key (RFC 2385)."""
    bfd: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """External addresses. `addresses` are CIDRs; a range `a-b` in lab.yml is summarised into CIDRs, order kept."""

    name: str
    addresses: tuple[Subnet, ...]
    avoid_buggy_ips: bool = False
    auto_assign: bool = True


class Implementation(StrEnum):
    """Which load balancer `install_lb.yml` installs."""

    LAB = "lab"
    METALLB = "metallb"
    CILIUM = "cilium"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    implementation: Implementation = Implementation.LAB
    pools: tuple[Pool, ...]


class Distribution(StrEnum):
    POCKET = "pocket"
    KUBEADM = "kubeadm"


class PodNetwork(StrEnum):
    """What carries packets between the pods of a kubeadm cluster."""

    FLANNEL = "flannel"
    CALICO = "calico"
    CILIUM = "cilium"
    NONE = "none"


class ProxyMode(StrEnum):
    """How kube-proxy programs the kernel (KubeProxyConfiguration, `mode`)."""

    IPTABLES = "iptables"
    NFTABLES = "nftables"
    IPVS = "ipvs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    distribution: Distribution = Distribution.POCKET
    version: str = "1.37.2"
    pod_network: PodNetwork = PodNetwork.FLANNEL
    proxy_mode: ProxyMode = ProxyMode.IPTABLES
    pod_subnets: tuple[Subnet, ...]
    """Default 10.244.0.0/16 (and fd00:244::/56 in a dual-stack lab)."""
    service_subnets: tuple[Subnet, ...]
    """Default 10.96.0.0/12 (and fd00:96::/112 in a dual-stack lab)."""


class RouterSoftware(StrEnum):
    BIRD2 = "bird2"
    BIRD3 = "bird3"


class Hypervisor(StrEnum):
    """What Vagrant makes virtual machines with. The values are Vagrant's names of its providers."""

    LIBVIRT = "libvirt"
    VIRTUALBOX = "virtualbox"


class Acceleration(StrEnum):
    """Whether libvirt's machines run on the processor (KVM) or in software."""

    AUTO = "auto"
    KVM = "kvm"
    EMULATION = "emulation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    memory: int
    """MiB."""
    cpus: int


SIZES: Final[Mapping[Role, Size]] = {
    Role.ROUTER: Size(memory=512, cpus=1),
    Role.CONTROL_PLANE: Size(memory=2048, cpus=2),
    Role.WORKER: Size(memory=2048, cpus=1),
    Role.CLIENT: Size(memory=512, cpus=1),
}
"""What virtual machines have unless lab.yml says otherwise: enough for kubeadm's control plane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vagrant:
    """How the lab's machines are made when they are virtual ones."""

    provider: Hypervisor = Hypervisor.LIBVIRT
    acceleration: Acceleration = Acceleration.AUTO
    box: str | None = None
    """A public box; None for the lab's own."""
    box_version: str | None = None
    box_checksum: str | None = None
    """`sha256:` and 64 hexadecimal digits."""
    sizes: Mapping[Role, Size] = field(default_factory=lambda: SIZES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    name: str
    networks: tuple[Network, Network]
    """The cluster's network first, the client's second."""
    router: Machine
    control_plane: Machine
    workers: tuple[Machine, ...]
    client: Machine
    bgp: Bgp
    load_balancer: LoadBalancer
    kubernetes: Kubernetes
    router_software: RouterSoftware = RouterSoftware.BIRD2
    vagrant: Vagrant = field(default_factory=Vagrant)

    @property
    def cluster_network(self) -> Network:
        return self.networks[0]

    @property
    def client_network(self) -> Network:
        return self.networks[1]

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Every machine in the order in which people name them: router, control plane, workers, client."""
        return (self.router, self.control_plane, *self.workers, self.client)

    def machine(self, name: str) -> Machine:
        """Return the machine called `name`; raises KeyError when there is none."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise KeyError(name)

    def pool_subnets(self) -> Iterator[Subnet]:
        for pool in self.load_balancer.pools:
            yield from pool.addresses
