"""The rules of all service ports, and those that are always there, as tables.

A rule set maps chains to rules. It holds only chains that belong to the proxy; the jumps into them from the
built-in chains are listed apart, because other programs own rules there too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lab.pocket.proxy.chains import NODE_PORTS, SERVICES, SHARED, Chain, Fragment
from lab.pocket.proxy.model import Family

MASQUERADE_MARK = "0x4000"

RuleSet = Mapping[Chain, tuple[str, ...]]


class Jump(NamedTuple):
    """A rule of a built-in chain that leads into one of ours."""

    table: str
    source: str
    target: str
    match: str = ""


_NEW = "-m conntrack --ctstate NEW "
_PORTALS = '-m comment --comment "kubernetes service portals"'
_EXTERNAL = f'{_NEW}-m comment --comment "kubernetes externally-visible service portals"'
_FENCE = f'{_NEW}-m comment --comment "kubernetes load balancer firewall"'

JUMPS = (
    # Later ones are inserted above earlier ones, as kube-proxy does it.
    Jump("filter", "INPUT", "KUBE-FIREWALL"),
    Jump("filter", "OUTPUT", "KUBE-FIREWALL"),
    Jump("filter", "INPUT", "KUBE-EXTERNAL-SERVICES", _EXTERNAL),
    Jump("filter", "FORWARD", "KUBE-EXTERNAL-SERVICES", _EXTERNAL),
    Jump("filter", "INPUT", "KUBE-NODEPORTS", '-m comment --comment "kubernetes health check service ports"'),
    Jump("filter", "FORWARD", "KUBE-SERVICES", _NEW + _PORTALS),
    Jump("filter", "OUTPUT", "KUBE-SERVICES", _NEW + _PORTALS),
    Jump("filter", "FORWARD", "KUBE-FORWARD", '-m comment --comment "kubernetes forwarding rules"'),
    Jump("filter", "INPUT", "KUBE-PROXY-FIREWALL", _FENCE),
    Jump("filter", "OUTPUT", "KUBE-PROXY-FIREWALL", _FENCE),
    Jump("filter", "FORWARD", "KUBE-PROXY-FIREWALL", _FENCE),
    Jump("nat", "OUTPUT", "KUBE-SERVICES", _PORTALS),
    Jump("nat", "PREROUTING", "KUBE-SERVICES", _PORTALS),
    Jump("nat", "POSTROUTING", "KUBE-POSTROUTING", '-m comment --comment "kubernetes postrouting rules"'),
)

CANARY = "KUBE-PROXY-CANARY"
"""An empty chain: when it is gone, someone flushed the tables and everything must be written again."""

_FIXED: RuleSet = {
    Chain("filter", CANARY): (),
    Chain("nat", CANARY): (),
    Chain("filter", "KUBE-FORWARD"): (
        "-m conntrack --ctstate INVALID -j DROP",
        f'-m comment --comment "kubernetes forwarding rules" -m mark --mark {MASQUERADE_MARK}/{MASQUERADE_MARK} -j ACCEPT',
        '-m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ),
    Chain("nat", "KUBE-MARK-MASQ"): (f"-j MARK --or-mark {MASQUERADE_MARK}",),
    Chain("nat", "KUBE-POSTROUTING"): (
        f"-m mark ! --mark {MASQUERADE_MARK}/{MASQUERADE_MARK} -j RETURN",
        # Cleared, so that a packet which passes here twice is not masqueraded again.
        f"-j MARK --xor-mark {MASQUERADE_MARK}",
        '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
    ),
}

_LOCALNET = (
    '-m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8'
    " -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
)
"""Undoes the hole that route_localnet, needed for node ports on 127.0.0.1, would open (CVE-2020-8558)."""


def rule_set(fragments: Iterable[Fragment], family: Family) -> RuleSet:
    """Return all chains that the proxy owns, with their rules."""
    shared: dict[Chain, list[str]] = {chain: [] for chain in sorted(SHARED)}
    owned: dict[Chain, tuple[str, ...]] = {}
    for fragment in fragments:
        for chain, rules in fragment.items():
            if chain in SHARED:
                shared[chain].extend(rules)
            else:
                owned[chain] = rules
    shared[SERVICES].append(_node_port_jump(family))
    firewall = (_LOCALNET,) if family is Family.IPV4 else ()
    fixed = {**_FIXED, Chain("filter", "KUBE-FIREWALL"): firewall}
    return {**fixed, **{chain: tuple(rules) for chain, rules in shared.items()}, **owned}


def _node_port_jump(family: Family) -> str:
    # Node ports on ::1 never work: there is no route_localnet in IPv6.
    not_loopback = "! -d ::1/128 " if family is Family.IPV6 else ""
    note = "kubernetes service nodeports; NOTE: this must be the last rule in this chain"
    return f'-m comment --comment "{note}" {not_loopback}-m addrtype --dst-type LOCAL -j {NODE_PORTS.name}'
