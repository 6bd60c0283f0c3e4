"""OpenBGPD and ExaBGP as routers."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.interop.daemons import Learned, Setup
from tests.interop.places import Container


class OpenBgpd:
    name = "openbgpd"
    restarts = True

    def configure(self, container: Container, setup: Setup) -> list[str]:
        password = f"tcp md5sig password {setup.password}" if setup.password else ""
        container.write(
            "etc/openbgpd/bgpd.conf",
            f"""
AS {setup.router_asn}
router-id 10.0.0.1
fib-update no
listen on {setup.router}
neighbor {setup.node} {{
    remote-as {setup.node_asn}
    {"passive" if setup.passive else ""}
    holdtime {setup.hold_time}
    announce IPv4 unicast
    announce IPv6 unicast
    announce restart {"yes" if setup.restart else "no"}
    {password}
}}
allow from any
deny to any
""",
            mode=0o600,
        )
        return ["sh", "-c", "mkdir -p /run/openbgpd && exec bgpd -d -v -f /etc/openbgpd/bgpd.conf"]

    def routes(self, container: Container) -> dict[str, Learned]:
        said = container.run("bgpctl", "-j", "show", "rib", "detail")
        try:
            rib: list[dict[str, Any]] = json.loads(said)["rib"]
        except (ValueError, KeyError):
            return {}
        return {entry["prefix"]: _openbgpd_route(entry) for entry in rib}

    def log(self, container: Container) -> str:
        return container.output


def _openbgpd_route(entry: dict[str, Any]) -> Learned:
    values = {name: value for attribute in entry.get("attributes", []) for name, value in _pairs(attribute)}
    return Learned(
        next_hop=entry["exit_nexthop"],
        communities=frozenset(entry.get("communities", values.get("communities", []))),
        large=frozenset(entry.get("large_communities", values.get("large_communities", []))),
        local_pref=entry.get("localpref"),
    )


def _pairs(attribute: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(str(attribute.get("type", "")).lower().replace(" ", "_"), attribute.get("communities", []))]


_DUMP = """#!/bin/sh
# ExaBGP takes a closed standard output for the end of the process: only the lines go to the file.
while IFS= read -r line; do printf '%s\\n' "$line" >> /updates.json; done
"""


class ExaBgp:
    """ExaBGP keeps no routes itself: what it passes to its process is replayed here."""

    name = "exabgp"
    restarts = False

    def configure(self, container: Container, setup: Setup) -> list[str]:
        password = f'md5-password "{setup.password}";' if setup.password else ""
        container.write(
            "etc/exabgp/exabgp.conf",
            f"""
process dump {{ run /usr/local/bin/dump; encoder json; }}
neighbor {setup.node} {{
    router-id 10.0.0.1;
    local-address {setup.router};
    local-as {setup.router_asn};
    peer-as {setup.node_asn};
    hold-time {setup.hold_time};
    {"passive true; listen 179;" if setup.passive else ""}
    {password}
    capability {{ asn4 enable; route-refresh enable; }}
    family {{ ipv4 unicast; ipv6 unicast; }}
    api {{ processes [ dump ]; neighbor-changes; receive {{ parsed; packets; update; notification; }} }}
}}
""",
        )
        container.write("usr/local/bin/dump", _DUMP, mode=0o755)
        container.write("updates.json", "", mode=0o666)
        environment = [
            "env",
            "exabgp.tcp.bind=" + setup.router,
            "exabgp.daemon.user=root",
            "exabgp.api.ack=false",
        ]
        return [*environment, "exabgp", "/etc/exabgp/exabgp.conf"]

    def routes(self, container: Container) -> dict[str, Learned]:
        found: dict[str, Learned] = {}
        for line in (container.files / "updates.json").read_text().splitlines():
            event = _event(line)
            if event.get("type") == "state" and event["neighbor"].get("state") == "down":
                found.clear()
            update = event.get("neighbor", {}).get("message", {}).get("update", {})
            for entries in update.get("withdraw", {}).values():
                for entry in entries:
                    found.pop(entry["nlri"], None)
            for hops in update.get("announce", {}).values():
                found |= _announced(hops, update.get("attribute", {}))
        return found

    def log(self, container: Container) -> str:
        """Read the packets too: ExaBGP 4.2.25 stumbles over shutdown texts on Python 3.13 and cannot tell them."""
        dumped = (container.files / "updates.json").read_text()
        bodies = re.findall(r'"body": "0x([0-9A-F]*)"', dumped)
        return container.output + "".join(bytes.fromhex(body).decode(errors="replace") for body in bodies)


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _announced(hops: dict[str, Any], attributes: dict[str, Any]) -> dict[str, Learned]:
    return {
        entry["nlri"]: Learned(
            next_hop=hop,
            communities=frozenset(":".join(map(str, c)) for c in attributes.get("community", [])),
            large=frozenset(":".join(map(str, c)) for c in attributes.get("large-community", [])),
            local_pref=attributes.get("local-preference"),
        )
        for hop, entries in hops.items()
        if isinstance(entries, list)
        for entry in entries
        if "nlri" in entry
    }
