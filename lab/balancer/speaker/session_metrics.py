"""How the BGP sessions are doing, under the names of MetalLB itself and of frr-k8s, which dashboards know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lab.balancer.model import PeerName
from lab.balancer.speaker.sessions import PeerSession
from lab.kits.metrics import Registry, Sample
from lab.wire.bgp import MessageType, State

Sessions = Callable[[], Mapping[PeerName, PeerSession]]


def _sent(*kinds: MessageType) -> Callable[[PeerSession], int]:
    return lambda peer: sum(peer.pump.session.sent[kind] for kind in kinds)


def _received(*kinds: MessageType) -> Callable[[PeerSession], int]:
    return lambda peer: sum(peer.pump.session.received[kind] for kind in kinds)


Rows = tuple[tuple[str, str, str, Callable[[PeerSession], float]], ...]
SESSION: Final[Rows] = (
    (
        "session_up",
        "BGP session state (1 is up, 0 is down).",
        "gauge",
        lambda peer: peer.pump.session.state is State.ESTABLISHED,
    ),
    ("updates_total", "Number of BGP UPDATE messages sent.", "counter", _sent(MessageType.UPDATE)),
    (
        "announced_prefixes_total",
        "Number of prefixes currently being advertised.",
        "gauge",
        lambda peer: peer.pump.session.announced,
    ),
    (
        "pending_prefixes_total",
        "Number of prefixes that should be advertised.",
        "gauge",
        lambda peer: peer.pump.session.pending,
    ),
)
MESSAGES: Final[Rows] = (
    (
        "updates_total_received",
        "Number of BGP UPDATE messages received.",
        "counter",
        _received(MessageType.UPDATE),
    ),
    ("opens_sent", "Number of BGP OPEN messages sent.", "counter", _sent(MessageType.OPEN)),
    ("opens_received", "Number of BGP OPEN messages received.", "counter", _received(MessageType.OPEN)),
    (
        "notifications_sent",
        "Number of BGP NOTIFICATION messages sent.",
        "counter",
        _sent(MessageType.NOTIFICATION),
    ),
    ("keepalives_sent", "Number of BGP KEEPALIVE messages sent.", "counter", _sent(MessageType.KEEPALIVE)),
    (
        "keepalives_received",
        "Number of BGP KEEPALIVE messages received.",
        "counter",
        _received(MessageType.KEEPALIVE),
    ),
    (
        "route_refresh_sent",
        "Number of BGP ROUTE-REFRESH messages sent.",
        "counter",
        _sent(MessageType.ROUTE_REFRESH),
    ),
    ("total_sent", "Number of BGP messages sent.", "counter", _sent(*MessageType)),
    ("total_received", "Number of BGP messages received.", "counter", _received(*MessageType)),
    (
        "received_prefixes_total",
        "Number of prefixes accepted from the peer: none ever are.",
        "gauge",
        lambda _peer: 0,
    ),
)


@dataclass(frozen=True, slots=True)
class _Samples:
    sessions: Sessions
    value: Callable[[PeerSession], float]
    with_vrf: bool = False

    def __call__(self) -> Iterator[Sample]:
        for session in self.sessions().values():
            vrf = {"vrf": session.peer.vrf or "default"} if self.with_vrf else {}
            yield {"peer": session.label, **vrf}, float(self.value(session))


def watch_sessions(registry: Registry, sessions: Sessions) -> None:
    """Have the registry tell of the sessions that there are when somebody asks."""
    for name, text, kind, value in SESSION:
        registry.collected(f"metallb_bgp_{name}", text, _Samples(sessions, value), kind=kind)
    for name, text, kind, value in (*SESSION[:-1], *MESSAGES):
        samples = _Samples(sessions, value, with_vrf=True)
        registry.collected(f"frrk8s_bgp_{name}", text, samples, kind=kind)
