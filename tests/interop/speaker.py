"""Our side of a session, as a process of its own so that it can be stopped, killed and started again.

One JSON object a line: the wishes first, then commands (`announce`, `drain`, `stop`); events come back the same way.
"""

from __future__ import annotations

import asyncio
import json
import sys
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from lab.links.bgp_socket import Endpoint
from lab.links.bgp_tcp import Listener, Pump
from lab.wire.bgp import (
    Asn,
    Community,
    Ended,
    Established,
    Family,
    LargeCommunity,
    Output,
    Path,
    Prefix,
    Restart,
    Session,
    SessionConfig,
    UpdateReceived,
)


def say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def tell(output: Output) -> None:
    match output:
        case Established(negotiated, families):
            say(event="established", hold=negotiated.hold_time, families=sorted(f.name for f in families))
        case Ended(_, state, cause, notification, detail):
            words = str(notification) if notification else ""
            say(event="ended", state=state.name, cause=cause.value, notification=words, detail=detail)
        case UpdateReceived(update) if update.announced or update.attributes.mp_reach:
            reach = update.attributes.mp_reach
            prefixes = update.announced + (reach.prefixes if reach else ())
            say(event="learned", prefixes=[str(prefix) for prefix in prefixes])


def routes(wanted: dict[str, dict[str, Any]]) -> dict[Prefix, Path]:
    return {ip_network(prefix): path(**wishes) for prefix, wishes in wanted.items()}


def path(*, communities: list[str] = [], large: list[str] = [], local_pref: int | None = None) -> Path:  # noqa: B006  # read only
    return Path(
        communities=frozenset(Community(*map(int, text.split(":"))) for text in communities),
        large_communities=frozenset(LargeCommunity(*map(int, text.split(":"))) for text in large),
        local_pref=local_pref,
    )


def make(wishes: dict[str, Any]) -> Pump:
    restart = wishes.get("restart")
    config = SessionConfig(
        local_asn=Asn(wishes["local_asn"]),
        peer_asn=Asn(wishes["peer_asn"]),
        router_id=IPv4Address("10.0.0.51"),
        families=frozenset(Family),
        hold_time=wishes.get("hold_time", 9),
        passive=wishes.get("passive", False),
        connect_retry_time=2.0,
        idle_hold_time=2.0,
        next_hops={Family.IPV4: ip_address("10.0.0.51"), Family.IPV6: ip_address("fd00:10::51")},
        graceful_restart=Restart(**restart) if restart else None,
    )
    endpoint = Endpoint(
        address=ip_address(wishes["address"]),
        password=wishes.get("password", ""),
        ttl=wishes.get("ttl", 1),
        security_hops=wishes.get("security_hops", 0),
    )
    return Pump(Session(config, jitter=lambda: 1.0), endpoint, on_event=tell)


async def main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    wishes = json.loads(await reader.readline())
    pump = make(wishes)
    if wishes.get("passive"):
        listener = Listener(ip_address(wishes["listen"]), 179)
        listener.add(pump)
        await listener.start()
    pump.announce(routes(wishes.get("announce", {})))
    pump.start()
    while line := await reader.readline():
        command = json.loads(line)
        match command.pop("do"):
            case "announce":
                pump.announce(routes(command["routes"]))
            case "drain":
                pump.drain()
            case "stop":
                await pump.stop(text=command.get("text", ""))
                return


if __name__ == "__main__":
    asyncio.run(main())
