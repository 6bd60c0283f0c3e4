"""The BGP sessions of this node: started, replaced and stopped as the peers in the configuration change."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lab.balancer.model import Peer, PeerName, Prefix
from lab.balancer.service import Node
from lab.balancer.speaker.peers import UnsupportedPeerError, Wishes, wishes
from lab.balancer.speaker.table import Changes
from lab.kits.log import Log
from lab.links.bgp_tcp import Listener, Pump
from lab.wire.bgp import (
    Cause,
    Cease,
    Ended,
    Established,
    Family,
    Output,
    Path,
    Restart,
    RoutesSent,
    Session,
    State,
    StateChanged,
)

log = Log(__name__)
WORDS: Final = {
    State.IDLE: "Idle",
    State.CONNECT: "Connect",
    State.ACTIVE: "Active",
    State.OPEN_SENT: "OpenSent",
    State.OPEN_CONFIRM: "OpenConfirm",
    State.ESTABLISHED: "Established",
}
FAREWELL: Final = "the speaker of this node stops"


@dataclass(slots=True)
class PeerSession:
    """One peer and what became of it."""

    peer: Peer
    wishes: Wishes
    pump: Pump
    families: frozenset[Family]
    """Those that it carries: as wished for, and once it was established, as agreed upon."""
    last_error: str = ""

    @property
    def label(self) -> str:
        """The peer as MetalLB's metrics name it."""
        endpoint = self.wishes.endpoint
        host = f"[{endpoint.address}]" if endpoint.address.version == 6 else str(endpoint.address)
        return f"{host}:{endpoint.port}"

    @property
    def state(self) -> str:
        return WORDS[self.pump.session.state]


class Sessions:
    """Keeps one session for each peer that can be had. Lives in the event loop that it was made in."""

    def __init__(
        self,
        *,
        restart: Restart,
        sent: Callable[[RoutesSent], None],
        changed: Callable[[], None],
        agreed: Callable[[], None],
        listeners: Sequence[Listener] = (),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Call `sent` for routes on the wire, and `changed` when a state or an error is another one.

        Call `agreed` when a session carries other families than before.
        Peers may call on `listeners`; `jitter` gives numbers in [0, 1).
        """
        self._restart = restart
        self._sent = sent
        self._changed = changed
        self._agreed = agreed
        self._listeners = listeners
        self._jitter = jitter
        self._sessions: dict[PeerName, PeerSession] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self.unsupported: dict[PeerName, str] = {}
        """Peers that cannot be had, and why."""

    @property
    def current(self) -> Mapping[PeerName, PeerSession]:
        return self._sessions

    def reconcile(self, peers: Iterable[Peer], node: Node) -> None:
        """Have sessions with exactly these peers; one whose wishes changed is ended and begun anew."""
        wanted = {peer.name: found for peer in peers if (found := self._wishes(peer, node))}
        self.unsupported = {n: why for n, why in self.unsupported.items() if n not in wanted}
        for name in [name for name in self._sessions if name not in wanted]:
            self._retire(self._sessions.pop(name), Cease.PEER_DE_CONFIGURED, None)
        for name, (peer, wish) in wanted.items():
            old = self._sessions.get(name)
            if old is None or old.wishes != wish:
                self._begin(peer, wish, old)

    def announce(self, routes: Mapping[PeerName, Mapping[Prefix, Path]]) -> None:
        """Announce to each peer exactly its routes."""
        for name, session in self._sessions.items():
            session.pump.announce(routes.get(name, {}))

    def change(self, changes: Mapping[PeerName, Changes]) -> None:
        """Announce to each peer what has changed."""
        for name, session in self._sessions.items():
            session.pump.change(changes.get(name, {}))

    async def stop(self, *, drain_seconds: float, for_restart: bool) -> None:
        """Leave after GRACEFUL_SHUTDOWN (RFC 8326); `for_restart` without a word where the peer keeps our routes."""
        sessions, self._sessions = tuple(self._sessions.values()), {}
        final = [s for s in sessions if not (for_restart and s.wishes.session.graceful_restart)]
        for session in final:
            session.pump.drain()
        if any(session.pump.session.announced for session in final):
            await asyncio.sleep(drain_seconds)
        await asyncio.gather(
            *(s.pump.stop(text=FAREWELL, for_restart=s not in final) for s in sessions), *self._leaving
        )

    def _wishes(self, peer: Peer, node: Node) -> tuple[Peer, Wishes] | None:
        try:
            return peer, wishes(peer, node, self._restart)
        except UnsupportedPeerError as error:
            if peer.name not in self.unsupported:
                log.warning("peer not supported", event="peerUnsupported", peer=peer.name, error=str(error))
            self.unsupported[peer.name] = str(error)
            return None

    def _begin(self, peer: Peer, wish: Wishes, old: PeerSession | None) -> None:
        session = Session(wish.session, jitter=lambda: 0.75 + self._jitter() / 4)
        pump = Pump(session, wish.endpoint, on_event=lambda output: self._told(begun, output))
        begun = PeerSession(peer, wish, pump, wish.carried)
        self._sessions[peer.name] = begun
        log.info("peer added", event="peerAdded", peer=peer.name, address=begun.label)
        if old is None:
            self._start(begun)
        else:
            self._retire(old, Cease.OTHER_CONFIGURATION_CHANGE, begun)

    def _start(self, session: PeerSession) -> None:
        for listener in self._listeners:
            listener.add(session.pump)
        session.pump.start()

    def _retire(self, old: PeerSession, reason: Cease, successor: PeerSession | None) -> None:
        log.info("peer removed", event="peerRemoved", peer=old.peer.name, reason=reason.name)

        async def leave() -> None:
            for listener in self._listeners:
                listener.remove(old.pump)
            await old.pump.stop(reason=reason)
            if successor is not None and self._sessions.get(successor.peer.name) is successor:
                self._start(successor)

        task = asyncio.create_task(leave(), name=f"leave {old.peer.name}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _told(self, session: PeerSession, output: Output) -> None:
        match output:
            case RoutesSent():
                self._sent(output)
            case Established(_, families):
                session.last_error = ""
                if families != session.families:
                    session.families = families
                    self._agreed()
                log.info(
                    "BGP session established", event="sessionUp", peer=session.label, name=session.peer.name
                )
            case Ended():
                self._ended(session, output)
            case StateChanged():
                self._changed()

    def _ended(self, session: PeerSession, end: Ended) -> None:
        told = str(end.notification or "")
        parts = (end.cause.value, told, end.detail.removeprefix(f"{told}: "))
        words = ": ".join(part for part in parts if part)
        if end.cause is Cause.STOPPED:
            log.info("BGP session ended", event="sessionEnded", peer=session.label, error=words)
        elif end.state is State.ESTABLISHED:
            log.warning("BGP session down", event="sessionDown", peer=session.label, error=words)
        elif words != session.last_error:
            log.info("BGP session failed", event="sessionFailed", peer=session.label, error=words)
        session.last_error = words
        self._changed()
