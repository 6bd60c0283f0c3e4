"""Every key of lab.yml: kind, default, description. The one table behind `validate`, `schema` and docs/topology.md."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_network
from typing import Any, Final

from lab.topology.kinds import Choice, Cidr, CidrOrRange, Flag, Integer, IpAddress, Text
from lab.topology.model import (
    SIZES,
    Acceleration,
    Bgp,
    Distribution,
    Hypervisor,
    Implementation,
    Kubernetes,
    LoadBalancer,
    PodNetwork,
    Pool,
    ProxyMode,
    Role,
    RouterSoftware,
    Session,
    Vagrant,
)
from lab.topology.naming import DNS_LABEL, DNS_LABEL_PHRASE
from lab.topology.sections import Key, ListOf, Named, PerFamily, Section

MAX_WORKERS: Final = 1000
DEFAULT_POD_SUBNETS: Final = {4: ip_network("10.244.0.0/16"), 6: ip_network("fd00:244::/56")}
DEFAULT_SERVICE_SUBNETS: Final = {4: ip_network("10.96.0.0/12"), 6: ip_network("fd00:96::/112")}
RESERVED_ASNS: Final = {
    0: "reserved by RFC 7607",
    23456: "reserved by RFC 6793 (AS_TRANS)",
    65535: "reserved by RFC 7300",
    4294967295: "reserved by RFC 7300",
}
SHORT_HOLD_TIMES: Final = {1: "too short for RFC 4271, section 4.2", 2: "too short for RFC 4271, section 4.2"}


ROLE_NAMES: Final = {
    Role.ROUTER: "the router",
    Role.CONTROL_PLANE: "the control plane",
    Role.WORKER: "each worker",
    Role.CLIENT: "the client",
}


def _default(record: type[Any], name: str) -> Any:
    """Return the default that the model gives to a field."""
    return next(field.default for field in dataclasses.fields(record) if field.name == name)


LABEL: Final = Text(pattern=DNS_LABEL.pattern, phrase=DNS_LABEL_PHRASE)
ASN: Final = Integer(minimum=1, maximum=4294967295, refused=RESERVED_ASNS)
ADDRESSES: Final = PerFamily(IpAddress())
SUBNETS: Final = PerFamily(Cidr())

NAME: Final = Key(
    name="name",
    kind=LABEL,
    required=True,
    description="The lab's name. Labs with different names live side by side on one host.",
)
NETWORKS: Final = Key(
    name="networks",
    kind=Named(
        item=SUBNETS, count=2, phrase="two networks with their subnets: the cluster's, then the client's"
    ),
    required=True,
    description="The two networks by name, the cluster's first and the client's second: a subnet, or a list with "
    "an IPv4 and an IPv6 subnet. Both have the same families.",
)
ROUTER_ADDRESSES: Final = Key(
    name="addresses",
    kind=Named(item=ADDRESSES, count=2, phrase="the router's address on each of the two networks"),
    required=True,
    description="The router's address on each network: one, or a list with one for each subnet in the same order.",
)
ROUTER_SOFTWARE: Final = Key(
    name="software",
    kind=Choice(RouterSoftware),
    default="bird2",
    description="The routing daemon.",
)
ROUTER: Final = Key(
    name="router",
    kind=Section((ROUTER_ADDRESSES, ROUTER_SOFTWARE)),
    required=True,
    description="The router between the networks, the cluster's BGP peer. The machine is called `router`.",
)
CONTROL_PLANE_NAME: Final = Key(
    name="name", kind=LABEL, default="k8s-master", description="The machine's name."
)
CONTROL_PLANE_ADDRESS: Final = Key(
    name="address",
    kind=ADDRESSES,
    required=True,
    description="Its address on the cluster's network: one, or a list with one for each subnet in the same order.",
)
CONTROL_PLANE: Final = Key(
    name="control_plane",
    kind=Section((CONTROL_PLANE_NAME, CONTROL_PLANE_ADDRESS)),
    required=True,
    description="The Kubernetes control plane.",
)
WORKERS_NAME: Final = Key(
    name="name",
    kind=LABEL,
    default="k8s-worker",
    description="What the machines' names begin with; their number follows, from 1: `k8s-worker1`.",
)
WORKERS_COUNT: Final = Key(
    name="count",
    kind=Integer(minimum=1, maximum=MAX_WORKERS),
    required=True,
    description="How many workers there are.",
)
WORKERS_FIRST_ADDRESS: Final = Key(
    name="first_address",
    kind=ADDRESSES,
    required=True,
    description="The first worker's address on the cluster's network, or a list with one for each subnet in the same "
    "order. The others count upwards from it.",
)
WORKERS: Final = Key(
    name="workers",
    kind=Section((WORKERS_NAME, WORKERS_COUNT, WORKERS_FIRST_ADDRESS)),
    required=True,
    description="The Kubernetes workers. Each has one BGP session with the router.",
)
CLIENT_ADDRESS: Final = Key(
    name="address",
    kind=ADDRESSES,
    required=True,
    description="Its address on the client's network: one, or a list with one for each subnet in the same order.",
)
CLIENT: Final = Key(
    name="client",
    kind=Section((CLIENT_ADDRESS,)),
    required=True,
    description="The machine on the other side of the router. It is called `client`.",
)
ROUTER_ASN: Final = Key(
    name="router_asn",
    kind=ASN,
    required=True,
    description="The router's AS number. 0, 23456, 65535 and 4294967295 are reserved.",
)
CLUSTER_ASN: Final = Key(
    name="cluster_asn",
    kind=ASN,
    required=True,
    description="The AS number of all workers. It differs from the router's, unless the session is internal.",
)
SESSION: Final = Key(
    name="session",
    kind=Choice(Session),
    default=_default(Bgp, "session"),
    description="Whether the sessions are between two AS (external) or inside one (internal).",
)
HOLD_TIME: Final = Key(
    name="hold_time",
    kind=Integer(minimum=0, maximum=65535, refused=SHORT_HOLD_TIMES, words="0, or seconds from 3 to 65535"),
    default=_default(Bgp, "hold_time"),
    description="Seconds without a message after which a session is closed (RFC 4271, section 4.2): 0 for never, or "
    "at least 3.",
)
PASSWORD: Final = Key(
    name="password",
    kind=Text(
        pattern="[ !#-~]{1,80}",
        phrase="1 to 80 printable ASCII characters without double quotes",
        secret=True,
    ),
    description="Key of the sessions' TCP MD5 signatures (RFC 2385), at most 80 characters. Without it, none.",
)
BFD: Final = Key(
    name="bfd",
    kind=Flag(),
    default=_default(Bgp, "bfd"),
    description="Whether BFD watches the sessions (RFC 5882), to notice a silent peer within a second. The load balancer "
    "`lab` does not speak it yet.",
)
BGP: Final = Key(
    name="bgp",
    kind=Section((ROUTER_ASN, CLUSTER_ASN, SESSION, HOLD_TIME, PASSWORD, BFD)),
    required=True,
    description="The BGP sessions between the router and the workers.",
)
POOL_NAME: Final = Key(
    name="name", kind=LABEL, required=True, description="The pool's name, as Services ask for it."
)
POOL_ADDRESSES: Final = Key(
    name="addresses",
    kind=ListOf(CidrOrRange()),
    required=True,
    description="Subnets, and ranges `first-last`. They overlap nothing else in the lab.",
)
AVOID_BUGGY_IPS: Final = Key(
    name="avoid_buggy_ips",
    kind=Flag(),
    default=_default(Pool, "avoid_buggy_ips"),
    description="Whether IPv4 addresses that end in .0 or .255 are never handed out.",
)
AUTO_ASSIGN: Final = Key(
    name="auto_assign",
    kind=Flag(),
    default=_default(Pool, "auto_assign"),
    description="Whether a Service that asks for no pool may get an address of this one.",
)
POOLS: Final = Key(
    name="pools",
    kind=ListOf(Section((POOL_NAME, POOL_ADDRESSES, AVOID_BUGGY_IPS, AUTO_ASSIGN))),
    required=True,
    description="The external addresses that Services of type LoadBalancer get.",
)
IMPLEMENTATION: Final = Key(
    name="implementation",
    kind=Choice(Implementation),
    default=_default(LoadBalancer, "implementation"),
    description="Which load balancer is installed.",
)
LOAD_BALANCER: Final = Key(
    name="load_balancer",
    kind=Section((IMPLEMENTATION, POOLS)),
    required=True,
    description="The load balancer and its external addresses.",
)
DISTRIBUTION: Final = Key(
    name="distribution",
    kind=Choice(Distribution),
    default="pocket",
    description="Which Kubernetes runs: the lab's own small one, or kubeadm's.",
)
KUBERNETES_VERSION: Final = Key(
    name="version",
    kind=Text(pattern=r"1[.][1-9][0-9][.][0-9]{1,2}", phrase="a release such as 1.37.2"),
    default=_default(Kubernetes, "version"),
    description="Only kubeadm: the release of Kubernetes. Change it and run `lab up` to upgrade, one minor release at a "
    "time.",
)
POD_NETWORK: Final = Key(
    name="pod_network",
    kind=Choice(PodNetwork),
    default=_default(Kubernetes, "pod_network"),
    description="Only kubeadm: what carries packets between pods. With `none`, nodes wait for what you install.",
)
PROXY_MODE: Final = Key(
    name="proxy_mode",
    kind=Choice(ProxyMode),
    default=_default(Kubernetes, "proxy_mode"),
    description="Only kubeadm: how kube-proxy programs the kernel.",
)
POD_SUBNETS: Final = Key(
    name="pod_subnets",
    kind=SUBNETS,
    description=f"The pods' subnet, or a list with one of each family. Each node gets a /24 (IPv6: /64) of it. Without "
    f"it: {DEFAULT_POD_SUBNETS[4]} and {DEFAULT_POD_SUBNETS[6]}, as far as the networks have the family.",
)
SERVICE_SUBNETS: Final = Key(
    name="service_subnets",
    kind=SUBNETS,
    description=f"The Services' cluster IPs: a subnet, or a list with one of each family. Without it: "
    f"{DEFAULT_SERVICE_SUBNETS[4]} and {DEFAULT_SERVICE_SUBNETS[6]}, as far as the networks have the family.",
)
KUBERNETES: Final = Key(
    name="kubernetes",
    kind=Section((DISTRIBUTION, KUBERNETES_VERSION, POD_NETWORK, PROXY_MODE, POD_SUBNETS, SERVICE_SUBNETS)),
    default={},
    description="The cluster itself.",
)
HYPERVISOR: Final = Key(
    name="provider",
    kind=Choice(Hypervisor),
    default=_default(Vagrant, "provider"),
    description="What the virtual machines run under.",
)
ACCELERATION: Final = Key(
    name="acceleration",
    kind=Choice(Acceleration),
    default=_default(Vagrant, "acceleration"),
    description="Only libvirt: KVM, or emulation in software, which is many times slower. `auto` takes KVM where this "
    "host has it.",
)
BOX: Final = Key(
    name="box",
    kind=Text(pattern="[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", phrase="owner/name"),
    description="A public Debian box, as in `debian/trixie64`. Without it: the lab's own, made by `lab box build`.",
)
BOX_VERSION: Final = Key(
    name="box_version",
    kind=Text(pattern="[0-9]+([.][0-9]+)*", phrase='a version such as "13.20250803.1", in quotes'),
    description="The version of the public box. Required with `box`.",
)
BOX_CHECKSUM: Final = Key(
    name="box_checksum",
    kind=Text(pattern="sha256:[0-9a-f]{64}", phrase="sha256: and 64 hexadecimal digits"),
    description="The checksum of the public box.",
)
MEMORY: Final = {
    role: Key(
        name=role.value,
        kind=Integer(minimum=128, maximum=1 << 20, words="MiB from 128 to 1048576"),
        default=size.memory,
        description=f"MiB of {ROLE_NAMES[role]}.",
    )
    for role, size in SIZES.items()
}
CPUS: Final = {
    role: Key(
        name=role.value,
        kind=Integer(minimum=1, maximum=256),
        default=size.cpus,
        description=f"Processors of {ROLE_NAMES[role]}.",
    )
    for role, size in SIZES.items()
}
VAGRANT_MEMORY: Final = Key(
    name="memory", kind=Section(tuple(MEMORY.values())), default={}, description="Memory of each machine."
)
VAGRANT_CPUS: Final = Key(
    name="cpus", kind=Section(tuple(CPUS.values())), default={}, description="Processors of each machine."
)
VAGRANT: Final = Key(
    name="vagrant",
    kind=Section((HYPERVISOR, ACCELERATION, BOX, BOX_VERSION, BOX_CHECKSUM, VAGRANT_MEMORY, VAGRANT_CPUS)),
    default={},
    description="The virtual machines, when the lab is made of them: `lab up --provider vagrant`.",
)
LAB: Final = Section(
    (
        *(NAME, NETWORKS, ROUTER, CONTROL_PLANE, WORKERS, CLIENT, BGP, LOAD_BALANCER, KUBERNETES),
        VAGRANT,
    )
)
