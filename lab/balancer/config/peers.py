"""BGPPeer and BFDProfile objects."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import combinations

from lab.balancer.config.nodes import meet
from lab.balancer.config.problems import Problem, Reader, Severity
from lab.balancer.model import (
    DEFAULT_BGP_PORT,
    DEFAULT_HOLD_TIME,
    Asn,
    BfdProfile,
    DynamicAsn,
    Peer,
    PeerName,
)
from lab.kube.resources import Json

Nodes = Mapping[str, Mapping[str, str]]
Secrets = Mapping[str, Json]


def read_bfd_profiles(items: Iterable[Json], problems: list[Problem]) -> dict[str, BfdProfile]:
    """Return the profiles by name. Limits: RFC 5880 gives the meanings, MetalLB's CRD the ranges."""
    profiles = {}
    for reader in sorted((Reader("BFDProfile", item, problems) for item in items), key=lambda r: r.name):
        profiles[reader.name] = BfdProfile(
            name=reader.name,
            receive_interval=reader.integer("receiveInterval", 300, low=10, high=60000),
            transmit_interval=reader.integer("transmitInterval", 300, low=10, high=60000),
            detect_multiplier=reader.integer("detectMultiplier", 3, low=2, high=255),
            echo_interval=reader.integer("echoInterval", 50, low=10, high=60000),
            echo_mode=reader.flag("echoMode"),
            passive_mode=reader.flag("passiveMode"),
            minimum_ttl=reader.integer("minimumTtl", 254, low=1, high=254),
        )
    return profiles


def read_peers(
    items: Iterable[Json],
    *,
    profiles: Mapping[str, BfdProfile],
    secrets: Secrets | None,
    nodes: Nodes | None,
    problems: list[Problem],
) -> dict[PeerName, Peer]:
    """Return the peers by name.

    `secrets` are those of our namespace by name; None when they are not ours to read, then passwords stay empty.
    """
    readers = sorted((Reader("BGPPeer", item, problems) for item in items), key=lambda r: r.name)
    peers = {PeerName(reader.name): _read(reader, profiles, secrets) for reader in readers}
    for one, other in combinations(readers, 2):
        _warn_of_pair(other, peers[PeerName(one.name)], peers[PeerName(other.name)], nodes)
    return peers


def _read(reader: Reader, profiles: Mapping[str, BfdProfile], secrets: Secrets | None) -> Peer:
    hold_time, keepalive_time = _timers(reader)
    local_asn = reader.integer("localASN", 0, low=1, high=0xFFFFFFFF)
    peer = Peer(
        name=PeerName(reader.name),
        my_asn=Asn(reader.integer("myASN", 0, low=0, high=0xFFFFFFFF)),
        peer_asn=_peer_asn(reader),
        address=reader.address("peerAddress"),
        interface=reader.text("interface"),
        local_asn=Asn(local_asn) if local_asn else None,
        source_address=reader.address("sourceAddress"),
        port=reader.integer("peerPort", DEFAULT_BGP_PORT, low=0, high=65535) or DEFAULT_BGP_PORT,
        hold_time=hold_time,
        keepalive_time=keepalive_time,
        connect_time=_connect_time(reader),
        router_id=_router_id(reader),
        node_selectors=reader.selectors("nodeSelectors"),
        bfd_profile=reader.text("bfdProfile"),
        graceful_restart=reader.flag("enableGracefulRestart"),
        ebgp_multi_hop=reader.flag("ebgpMultiHop"),
        vrf=reader.text("vrf"),
        dual_stack_address_family=reader.flag("dualStackAddressFamily"),
    )
    _check(reader, peer, profiles)
    if not peer.bfd_profile or peer.bfd_profile in profiles:
        _warn_of_unsupported(reader, peer)
    return replace(peer, password=_password(reader, secrets))


def _check(reader: Reader, peer: Peer, profiles: Mapping[str, BfdProfile]) -> None:
    if not peer.my_asn:
        reader.report("myASN", "missing local ASN", "write the AS number of the cluster, for example 64500")
    if not reader.text("peerAddress") and not peer.interface:
        reader.report(
            "peerAddress", "neither peerAddress nor interface is given", "write the router's address"
        )
    if reader.text("peerAddress") and peer.interface:
        reader.report("interface", "both peerAddress and interface are given", "remove one of them")
    if peer.ebgp_multi_hop and peer.internal:
        reader.report(
            "ebgpMultiHop",
            "invalid ebgp-multihop parameter set for an ibgp peer",
            "remove it: iBGP sessions may always cross several hops",
        )
    if peer.source_address and peer.address and peer.source_address.version != peer.address.version:
        reader.report("sourceAddress", "source and peer address are of different IP families")
    profile = profiles.get(peer.bfd_profile)
    if peer.bfd_profile and profile is None:
        hint = f"create it, or use one of: {', '.join(profiles) or 'none exists'}"
        reader.report(
            "bfdProfile", f"BFDProfile {peer.bfd_profile!r} not found", hint, severity=Severity.TRANSIENT
        )
    if profile and profile.echo_mode and peer.address and peer.address.version == 6:
        reader.report("bfdProfile", f"profile {profile.name!r} has echoMode, which exists for IPv4 only")


def _peer_asn(reader: Reader) -> Asn | DynamicAsn:
    number = reader.integer("peerASN", 0, low=0, high=0xFFFFFFFF)
    dynamic = reader.text("dynamicASN")
    if number and dynamic:
        reader.report("peerASN", "both peer ASN and dynamicASN specified", "remove one of them")
    if not number and not dynamic:
        reader.report("peerASN", "missing peer ASN and dynamicASN", "write the AS number of the router")
    if dynamic and dynamic not in {member.value for member in DynamicAsn}:
        reader.report("dynamicASN", f"{dynamic!r} is not possible", "write internal or external")
        return Asn(number)
    return DynamicAsn(dynamic) if dynamic else Asn(number)


def _timers(reader: Reader) -> tuple[int, int]:
    """Return hold and keepalive time: of one given alone the other follows, three to one (RFC 4271, section 10)."""
    hold, keepalive = reader.seconds("holdTime"), reader.seconds("keepaliveTime")
    if hold is None and keepalive is None:
        hold = DEFAULT_HOLD_TIME
    if hold is None:
        hold = 3 * (keepalive or 0)
    if keepalive is None:
        keepalive = hold // 3
    if hold != 0 and not 3 <= hold <= 65535:
        reader.report(
            "holdTime",
            f"invalid hold time {hold}s: must be 0 or >=3s",
            "write 90s, or 0s for a session without one",
        )
    if keepalive > hold:
        reader.report(
            "keepaliveTime",
            f"invalid keepalive time {keepalive}s: must be lower than holdTime {hold}s",
            "a third of holdTime is usual",
        )
    return hold, keepalive


def _connect_time(reader: Reader) -> int | None:
    value = reader.seconds("connectTime")
    if value is not None and not 1 <= value <= 65535:
        reader.report("connectTime", f"{value}s is not possible", "write 1s to 65535s")
        return None
    return value


def _router_id(reader: Reader) -> IPv4Address | None:
    text = reader.text("routerID")
    if not text:
        return None
    try:
        return IPv4Address(text)
    except ValueError:
        reader.report(
            "routerID", f"invalid router ID {text!r}", "write it as an IPv4 address, such as 10.0.0.51"
        )
        return None


def _password(reader: Reader, secrets: Secrets | None) -> str:
    plain = reader.text("password")
    reference = reader.spec.get("passwordSecret")
    reference = reference if isinstance(reference, dict) else {}
    name = str(reference.get("name") or "")
    if plain and name:
        reader.report("password", "can not have both password and passwordSecret set", "remove the password")
    _warn_of_namespace(reader, reference.get("namespace"))
    if not name or secrets is None:
        return plain
    secret = secrets.get(name)
    if secret is None:
        hint = (
            f"kubectl create secret generic {name} --type=kubernetes.io/basic-auth --from-literal=password=…"
        )
        reader.report("passwordSecret", f"secret {name!r} not found", hint, severity=Severity.TRANSIENT)
        return ""
    if secret.get("type") != "kubernetes.io/basic-auth":
        reader.report(
            "passwordSecret",
            f"secret {name!r} is of type {secret.get('type', 'Opaque')!r}",
            "its type must be kubernetes.io/basic-auth",
        )
        return ""
    return _secret_password(reader, name, secret)


def _warn_of_namespace(reader: Reader, namespace: object) -> None:
    if namespace and reader.namespace and namespace != reader.namespace:
        reader.report(
            "passwordSecret.namespace",
            f"nothing is read in namespace {namespace!r}",
            f"the Secret has to be in {reader.namespace!r}, beside the BGPPeer; leave the field out",
            severity=Severity.WARNING,
        )


def _secret_password(reader: Reader, name: str, secret: Json) -> str:
    try:
        return base64.b64decode(secret["data"]["password"]).decode()
    except (KeyError, TypeError):
        reader.report("passwordSecret", f"secret {name!r} has no key password")
    except (binascii.Error, UnicodeDecodeError):
        reader.report("passwordSecret", f"the password in secret {name!r} cannot be decoded")
    return ""


def _warn_of_pair(reader: Reader, one: Peer, other: Peer, nodes: Nodes | None) -> None:
    """Warn of what two peers of one node have that does not go well together, or not with MetalLB."""
    if not meet(one.node_selectors, other.node_selectors, nodes) or one.vrf != other.vrf:
        return
    if (one.address, one.interface, one.port) == (other.address, other.interface, other.port):
        reader.report(
            "peerAddress",
            f"BGPPeer {one.name} has the same peer on a node that both select",
            "most routers accept one session from a node: give the two different nodeSelectors",
            severity=Severity.WARNING,
        )
    for path, ours, theirs in (
        ("myASN", other.my_asn, one.my_asn),
        ("routerID", other.router_id, one.router_id),
    ):
        if ours != theirs:
            reader.report(
                path,
                f"differs from that of BGPPeer {one.name} on a node that both select",
                "that works, but MetalLB with FRR refuses it",
                severity=Severity.WARNING,
            )


def _warn_of_unsupported(reader: Reader, peer: Peer) -> None:
    """Say what is read and understood, and does nothing yet."""
    if peer.bfd_profile:
        reader.report(
            "bfdProfile",
            f"BFD is not spoken yet: a silent peer is noticed after the hold time, {peer.hold_time} s",
            "a holdTime of 3s is the shortest",
            severity=Severity.WARNING,
        )
    if peer.interface:
        reader.report(
            "interface",
            "peers found on an interface are not supported yet: there is no session with this one",
            "write peerAddress",
            severity=Severity.WARNING,
        )
    if reader.flag("disableMP"):
        reader.report(
            "disableMP",
            "disable mp is deprecated and has no effect since it's the default behavior now",
            "remove it",
            severity=Severity.WARNING,
        )
