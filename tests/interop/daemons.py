"""Other people's BGP daemons as routers: how each is configured, started and asked what it has learned."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Protocol

from tests.interop.places import NODE, ROUTER, Container


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What the router is told about the node."""

    router_asn: int = 11000
    node_asn: int = 22000
    password: str = ""
    hold_time: int = 9
    passive: bool = True
    restart: bool = False
    transport: str = "4"

    @property
    def node(self) -> str:
        return NODE[self.transport]

    @property
    def router(self) -> str:
        return ROUTER[self.transport]


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A route as the router has it. `local_pref` is None where the daemon does not say it for external routes."""

    next_hop: str
    communities: frozenset[str] = frozenset()
    large: frozenset[str] = frozenset()
    local_pref: int | None = None


class Daemon(Protocol):
    name: str
    restarts: bool
    """Keeps the routes of a peer that restarts."""

    def configure(self, container: Container, setup: Setup) -> list[str]:
        """Write its files; return what to run."""
        ...

    def routes(self, container: Container) -> dict[str, Learned]:
        """Return what it has from the node, stale or not."""
        ...

    def log(self, container: Container) -> str: ...


class Bird:
    name = "bird"
    restarts = True

    def configure(self, container: Container, setup: Setup) -> list[str]:
        password = f'password "{setup.password}";' if setup.password else ""
        passive = "passive on;" if setup.passive else ""
        restart = "graceful restart on;" if setup.restart else "graceful restart off;"
        container.write(
            "etc/bird/bird.conf",
            f"""
            log stderr all;
            router id 10.0.0.1;
            protocol device {{}}
            protocol bgp peer1 {{
                local {setup.router} as {setup.router_asn};
                neighbor {setup.node} as {setup.node_asn};
                hold time {setup.hold_time}; direct;
                error wait time 1, 2; connect delay time 1; connect retry time 2;
                {password} {passive} {restart}
                ipv4 {{ gateway direct; import all; export none; import table on; }};
                ipv6 {{ gateway direct; import all; export none; import table on; }};
            }}
            """,
        )
        container.write("run/bird/.keep", "")
        return ["bird", "-f", "-c", "/etc/bird/bird.conf"]

    def routes(self, container: Container) -> dict[str, Learned]:
        """Read `show route all`: BIRD 2 has no JSON."""
        found: dict[str, Learned] = {}
        prefix, values = "", dict[str, str]()
        for line in [*container.run("birdc", "show", "route", "all").splitlines(), "end"]:
            head = re.match(r"([0-9a-f.:]+/\d+)\s+unicast", line)
            if (head or line == "end") and prefix:
                found[prefix] = _bird_route(values)
            if head:
                prefix, values = head[1], {}
            attribute = re.match(r"\s+BGP\.(\w+): (.*)", line)
            if attribute:
                values[attribute[1]] = attribute[2]
        return found

    def log(self, container: Container) -> str:
        return container.output


def _bird_route(values: dict[str, str]) -> Learned:
    triples = re.findall(r"\((\d+), (\d+), (\d+)\)", values.get("large_community", ""))
    pairs = re.findall(r"\((\d+),(\d+)\)", values.get("community", ""))
    preference = values.get("local_pref")
    return Learned(
        next_hop=values["next_hop"].split()[0],
        communities=frozenset(":".join(pair) for pair in pairs),
        large=frozenset(":".join(triple) for triple in triples),
        local_pref=int(preference) if preference else None,
    )


_START_FRR = """#!/bin/sh
# bgpd learns its addresses from zebra, which must be there first.
mkdir -p /run/frr && chown frr:frr /run/frr
cd /usr/lib/frr
./mgmtd -d
./zebra -d -f /etc/frr/zebra.conf
until [ -S /run/frr/zserv.api ]; do sleep 0.1; done
exec ./bgpd -f /etc/frr/frr.conf
"""


class Frr:
    name = "frr"
    restarts = True

    def configure(self, container: Container, setup: Setup) -> list[str]:
        neighbor = f"neighbor {setup.node}"
        lines = [
            "log stdout debugging",
            "debug bgp neighbor-events",
            f"router bgp {setup.router_asn}",
            "bgp router-id 10.0.0.1",
            "no bgp ebgp-requires-policy",
            "no bgp default ipv4-unicast",
            "bgp graceful-restart" if setup.restart else "bgp graceful-restart-disable",
            f"{neighbor} remote-as {setup.node_asn}",
            f"{neighbor} timers {setup.hold_time // 3} {setup.hold_time}",
            f"{neighbor} timers connect 2",
            f"{neighbor} password {setup.password}" if setup.password else "",
            f"{neighbor} passive" if setup.passive else "",
            *(
                line
                for family in ("ipv4", "ipv6")
                for line in (
                    f"address-family {family} unicast",
                    f"{neighbor} activate",
                    "exit-address-family",
                )
            ),
            "exit",
        ]
        container.write("etc/frr/frr.conf", "\n".join(lines) + "\n")
        container.write("etc/frr/vtysh.conf", "")
        container.write("etc/frr/zebra.conf", "")
        container.write("start", _START_FRR, mode=0o755)
        return ["/start"]

    def routes(self, container: Container) -> dict[str, Learned]:
        found: dict[str, Learned] = {}
        for family in ("ipv4", "ipv6"):
            said = container.run("vtysh", "-d", "bgpd", "-c", f"show bgp {family} unicast detail json")
            for prefix, paths in _loads(said).get("routes", {}).items():
                entries = paths if isinstance(paths, list) else paths.get("paths", [])
                if entries:
                    found[prefix] = _frr_route(entries[0])
        return found

    def log(self, container: Container) -> str:
        return container.output + container.run("vtysh", "-d", "bgpd", "-c", "show bgp neighbors")


def _frr_route(entry: dict[str, Any]) -> Learned:
    hops = [hop["ip"] for hop in entry["nexthops"] if hop.get("scope", "global") == "global"]
    return Learned(
        next_hop=hops[0],
        communities=frozenset(entry.get("community", {}).get("string", "").split()),
        large=frozenset(entry.get("largeCommunity", {}).get("string", "").split()),
        local_pref=entry.get("locPrf"),
    )


class GoBgp:
    name = "gobgp"
    restarts = True

    def configure(self, container: Container, setup: Setup) -> list[str]:
        families = "".join(
            f"""
            [[neighbors.afi-safis]]
              [neighbors.afi-safis.config]
                afi-safi-name = "{family}-unicast"
              [neighbors.afi-safis.mp-graceful-restart.config]
                enabled = {str(setup.restart).lower()}
            """
            for family in ("ipv4", "ipv6")
        )
        container.write(
            "etc/gobgpd.toml",
            f"""
            [global.config]
              as = {setup.router_asn}
              router-id = "10.0.0.1"
            [[neighbors]]
              [neighbors.config]
                neighbor-address = "{setup.node}"
                peer-as = {setup.node_asn}
                auth-password = "{setup.password}"
              [neighbors.transport.config]
                passive-mode = {str(setup.passive).lower()}
              [neighbors.timers.config]
                hold-time = {setup.hold_time}
                keepalive-interval = {setup.hold_time // 3}
                connect-retry = 2
              [neighbors.graceful-restart.config]
                enabled = {str(setup.restart).lower()}
                restart-time = 60
            {families}
            """,
        )
        return ["gobgpd", "-f", "/etc/gobgpd.toml", "-l", "debug", "--log-plain"]

    def routes(self, container: Container) -> dict[str, Learned]:
        found: dict[str, Learned] = {}
        for family in ("ipv4", "ipv6"):
            rib = _loads(container.run("gobgp", "-j", "global", "rib", "-a", family))
            found |= {prefix: _gobgp_route(path["attrs"]) for prefix, paths in rib.items() for path in paths}
        return found

    def log(self, container: Container) -> str:
        return container.output


def _gobgp_route(attributes: list[dict[str, Any]]) -> Learned:
    by_type = {attribute["type"]: attribute for attribute in attributes}
    communities = by_type.get(8, {}).get("communities", [])
    large = by_type.get(32, {}).get("value", [])
    return Learned(
        next_hop=(by_type.get(3) or by_type[14])["nexthop"],
        communities=frozenset(f"{number >> 16}:{number & 0xFFFF}" for number in communities),
        large=frozenset(f"{c['ASN']}:{c['LocalData1']}:{c['LocalData2']}" for c in large),
        local_pref=by_type.get(5, {}).get("value"),
    )


def _loads(said: str) -> dict[str, Any]:
    try:
        loaded = json.loads(said)
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
