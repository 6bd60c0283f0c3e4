"""What the BGP codec costs: `python -m tests.bench.bgp`."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from lab.wire.bgp import (
    Asn,
    Community,
    Direction,
    Family,
    Path,
    Prefix,
    Send,
    Session,
    SessionConfig,
    UpdateReceived,
)
from lab.wire.bgp.constants import MessageType
from lab.wire.bgp.messages import Keepalive
from tests.bench.report import Figure, publish
from tests.fuzz.bgp_seeds import SEEDS

PREFIXES = 100_000


def timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return round(time.process_time() - started, 3)


def established() -> Session:
    config = SessionConfig(
        local_asn=Asn(22000),
        peer_asn=Asn(11000),
        router_id=IPv4Address("10.0.0.51"),
        families=frozenset(Family),
        next_hops={Family.IPV6: IPv6Address("2001:db8::51")},
    )
    session = Session(config, jitter=lambda: 1.0)
    session.start(0.0)
    session.connected(Direction.OUTGOING, IPv4Address("10.0.0.51"), 0.0)
    session.receive(Direction.OUTGOING, SEEDS[MessageType.OPEN][0] + Keepalive().encode(), 0.0)
    session.outputs()
    return session


def announce(session: Session, routes: dict[Prefix, Path]) -> None:
    session.announce(routes, 0.0)
    while session.pending:
        session.tick(0.0)


def received(data: bytes) -> int:
    session = established()
    session.receive(Direction.OUTGOING, data, 0.0)
    return sum(len(o.update.announced) for o in session.outputs() if isinstance(o, UpdateReceived))


def main() -> None:
    path = Path(communities=frozenset({Community(1111, 2222)}))
    v4: dict[Prefix, Path] = {IPv4Network((0x0A000000 + n, 32)): path for n in range(PREFIXES)}
    v6: dict[Prefix, Path] = {IPv6Network(((0x20010DB8 << 96) + n, 128)): path for n in range(PREFIXES)}
    session = established()
    work: dict[str, Callable[[], object]] = {
        "announce IPv4": lambda: announce(session, v4),
        "find nothing to announce": lambda: announce(session, v4),
        "withdraw IPv4": lambda: announce(session, {}),
        "announce IPv6": lambda: announce(session, v6),
    }
    seconds = {name: timed(do) for name, do in work.items()}
    data = b"".join(o.data for o in session.outputs() if isinstance(o, Send))
    figures = [
        Figure(name=f"{PREFIXES} prefixes: {name}", unit="s", target=1.0, runs=(value,))
        for name, value in seconds.items()
    ]
    reading = timed(lambda: received(data))
    figures.append(
        Figure(name=f"{3 * PREFIXES} prefixes: read all of that", unit="s", target=3.0, runs=(reading,))
    )
    publish("BGP codec, seconds of CPU", figures)


if __name__ == "__main__":
    main()
