"""A session with one peer, without I/O: tell it what happened, and take what it wants done.

    session = Session(config, jitter=lambda: 1.0)
    session.announce({IPv4Network("198.51.100.1/32"): Path()}, now)
    session.start(now)
    for output in session.outputs(): ...       # Connect(), Send(...), Close(...), and events
    session.connected(Direction.OUTGOING, local_address, now)
    session.receive(Direction.OUTGOING, data, now)
    session.tick(now)                           # not later than session.next_deadline

`now` is seconds of any clock that never goes back. Nothing that a peer sends raises. There may be one connection of
each direction until the collision is resolved (RFC 4271, section 6.8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from lab.wire.bgp.adj_rib_out import AdjRibOut, Path, Speaker, end_of_rib
from lab.wire.bgp.config import SessionConfig
from lab.wire.bgp.connection import Connection
from lab.wire.bgp.constants import Address, Cease, Family, MessageType, Prefix
from lab.wire.bgp.events import (
    Close,
    Direction,
    Established,
    Output,
    RoutesSent,
    StateChanged,
    UpdateReceived,
)
from lab.wire.bgp.fsm import Action, Event, State
from lab.wire.bgp.messages import RouteRefresh
from lab.wire.bgp.notification import Notification
from lab.wire.bgp.open import Open
from lab.wire.bgp.timers import Timer, Timers, backoff
from lab.wire.bgp.update import Update

PREFIXES_AT_ONCE = 4096
"""How many prefixes are written before other work gets its turn."""
REFRESH_INTERVAL = 1.0
"""Seconds between two answers to ROUTE-REFRESH: a request of 23 octets asks for megabytes."""


class Session:
    def __init__(self, config: SessionConfig, *, jitter: Callable[[], float]) -> None:
        """Make a stopped session. `jitter` returns factors from 0.75 to 1 (RFC 4271, section 10)."""
        self.config = config
        self.jitter = jitter
        self.is_first = True
        self.sent = Counter[MessageType]()
        self.received = Counter[MessageType]()
        self._routes = AdjRibOut()
        self._has_routes = False
        self._is_started = False
        self._is_congested = False
        self._retries = 0
        self._timers = Timers()
        self._outputs: list[Output] = []
        self._state = State.IDLE
        self._ends_of_rib: list[Family] = []
        self._asked_again: set[Family] = set()
        self._refreshed_at = -REFRESH_INTERVAL
        self._speaker: Speaker | None = None
        self._connections = {Direction.OUTGOING: Connection(self, Direction.OUTGOING)}

    @property
    def state(self) -> State:
        """The state of the connection that has come furthest."""
        return max(connection.state for connection in self._connections.values())

    @property
    def next_deadline(self) -> float | None:
        """When `tick` must be called at the latest; None when nothing is awaited."""
        timers = (self._timers, *(connection.timers for connection in self._connections.values()))
        return min((t.next_deadline for t in timers if t.next_deadline is not None), default=None)

    @property
    def announced(self) -> int:
        """How many prefixes the peer has from us."""
        return self._routes.announced if self._established else 0

    @property
    def pending(self) -> int:
        """How many prefixes wait to be written."""
        return self._routes.pending

    @property
    def _established(self) -> Connection | None:
        found = (c for c in self._connections.values() if c.state is State.ESTABLISHED)
        return next(found, None)

    def outputs(self) -> list[Output]:
        """Return what is to be done and told, in order, and forget it."""
        if self.state is not self._state:
            self._state = self.state
            self._outputs.append(StateChanged(self._state))
        outputs, self._outputs = self._outputs, []
        return outputs

    def start(self, now: float) -> None:
        """Begin to connect, or to wait for the peer."""
        if self._is_started:
            return
        self._is_started = True
        event = Event.MANUAL_START_PASSIVE if self.config.passive else Event.MANUAL_START
        self._outgoing.fire(event, now)

    def stop(self, now: float, *, reason: Cease = Cease.ADMINISTRATIVE_SHUTDOWN, text: str = "") -> None:
        """End the session with a Cease and the text of RFC 9003, and stay down."""
        self._is_started = False
        for connection in tuple(self._connections.values()):
            connection.fire(Event.MANUAL_STOP, now, notification=Notification.cease(reason, text))
        self._timers.clear()

    def stop_for_restart(self, now: float) -> None:
        """Go without a word, so that the peer keeps our routes (RFC 4724, section 4.2); else as `stop`."""
        connection = self._established
        if self.config.graceful_restart is None or connection is None or not connection.peer_keeps_routes:
            self.stop(now, reason=Cease.ADMINISTRATIVE_RESET)
            return
        connection.fire(Event.TCP_CONNECTION_FAILS, now)
        self.stop(now)

    def announce(self, routes: Mapping[Prefix, Path], now: float) -> None:
        """Announce exactly `routes` from now on; only the difference is sent."""
        self._has_routes = True
        self._routes.replace(routes)
        self._flush(now)

    def change(self, changes: Mapping[Prefix, Path | None], now: float) -> None:
        """Announce these prefixes with these paths from now on, or no longer (None); all others stay as they are."""
        self._routes.change(changes)
        self._flush(now)

    def drain(self, now: float) -> None:
        """Announce every route again with GRACEFUL_SHUTDOWN, so that the peer prefers others (RFC 8326)."""
        self._routes.drain()
        self._flush(now)

    def accept(self, now: float) -> bool:
        """Say whether a connection from the peer is welcome, and make room for it when it is."""
        if not self._is_started:
            return False
        established = self._established
        if established is not None and established.peer_keeps_routes:
            # A peer that can restart gracefully has restarted (RFC 4724, section 4.2).
            established.fire(Event.TCP_CONNECTION_FAILS, now, detail="the peer connected anew")
            self._timers.stop(Timer.IDLE_HOLD)
            self._tidy()
        busy = Direction.INCOMING in self._connections or self._established is not None
        return not busy and not self._timers.is_running(Timer.IDLE_HOLD)

    def connected(self, direction: Direction, local_address: Address, now: float) -> None:
        """Report that a connection has been made; an incoming one only after `accept`."""
        if direction is Direction.INCOMING:
            connection = Connection(self, direction)
            connection.fire(Event.AUTOMATIC_START_DAMPED_PASSIVE, now)
            self._connections[direction] = connection
            connection.opened(Event.TCP_CONNECTION_CONFIRMED, local_address, now)
        elif self._outgoing.state in {State.CONNECT, State.ACTIVE}:
            self._outgoing.opened(Event.TCP_CONNECTION_ACKNOWLEDGED, local_address, now)
        else:
            self.emit(Close(direction))

    def disconnected(self, direction: Direction, now: float, *, detail: str = "") -> None:
        """Report that a connection is gone or could not be made."""
        connection = self._connections.get(direction)
        if connection is not None and connection.state is not State.IDLE:
            connection.fire(Event.TCP_CONNECTION_FAILS, now, detail=detail)
            self._tidy()

    def receive(self, direction: Direction, data: bytes, now: float) -> None:
        """Take bytes from the peer."""
        connection = self._connections.get(direction)
        if connection is not None and connection.state > State.ACTIVE:
            connection.receive(data, now)
            self._tidy()

    def tick(self, now: float) -> None:
        """Do what has become due."""
        for connection in tuple(self._connections.values()):
            connection.expire(now)
        for timer in self._timers.expired(now):
            match timer:
                case Timer.IDLE_HOLD:
                    self._resume(now)
                case Timer.REFRESH:
                    self._resend(now)
                case _:
                    self._flush(now)
        self._tidy()

    def congested(self, direction: Direction, now: float) -> None:
        """Report that the peer does not read: routes wait, and not for ever (RFC 9687)."""
        connection = self._connections.get(direction)
        if connection is not None and connection.state > State.ACTIVE:
            self._is_congested = True
            connection.stall(now)

    def relieved(self, direction: Direction, now: float) -> None:
        """Report that the peer reads again."""
        self._is_congested = False
        connection = self._connections.get(direction)
        if connection is not None:
            connection.timers.stop(Timer.SEND_HOLD)
        self._flush(now)

    def emit(self, output: Output) -> None:
        self._outputs.append(output)

    def retry_delay(self) -> float:
        """Return the seconds to wait before the next attempt to connect."""
        return backoff(self._retries, longest=self.config.connect_retry_time, jitter=self.jitter())

    def collides(self, connection: Connection, peer: Open, now: float) -> bool:
        """Resolve a collision (RFC 4271, section 6.8; RFC 6286, section 2.3); True: `connection` is the one to go."""
        other = self._connections.get(_opposite(connection.direction))
        if other is None or other.state < State.OPEN_CONFIRM:
            return False
        if other.state is State.ESTABLISHED:
            return True
        ours = (int(self.config.router_id), self.config.local_asn)
        theirs = (int(peer.router_id), peer.asn)
        winner = Direction.OUTGOING if ours > theirs else Direction.INCOMING
        if connection.direction is not winner:
            return True
        other.fire(Event.OPEN_COLLISION_DUMP, now)
        return False

    def perform(self, action: Action, connection: Connection, now: float) -> None:
        """Carry out an action of the table that concerns the whole session."""
        match action:
            case Action.RESET_RETRIES:
                self._retries = 0
            case Action.COUNT_RETRY:
                self._count_retry(connection, now)
            case Action.DAMP:
                self._damp(now)
            case Action.ESTABLISH:
                self._establish(connection, now)
            case Action.PROCESS_UPDATE if isinstance(connection.message, Update):
                self.emit(UpdateReceived(connection.message))
            case Action.RESEND_ROUTES if isinstance(connection.message, RouteRefresh):
                self._note_refresh(connection.message, now)

    @property
    def _outgoing(self) -> Connection:
        return self._connections[Direction.OUTGOING]

    def _count_retry(self, connection: Connection, now: float) -> None:
        """Count failures in a row; a session that lasted ends the row."""
        if connection.established_at and now - connection.established_at >= self.config.idle_hold_time:
            self._retries = 0
        connection.established_at = 0.0
        self._retries += 1

    def _damp(self, now: float) -> None:
        delay = backoff(self._retries, longest=self.config.idle_hold_time, jitter=self.jitter())
        self._timers.start(Timer.IDLE_HOLD, now + delay)

    def _resume(self, now: float) -> None:
        if self._is_started and self.state is State.IDLE:
            passive = self.config.passive
            start = Event.AUTOMATIC_START_DAMPED_PASSIVE if passive else Event.AUTOMATIC_START_DAMPED
            self._outgoing.fire(start, now)

    def _tidy(self) -> None:
        incoming = self._connections.get(Direction.INCOMING)
        if incoming is not None and incoming.state is State.IDLE:
            del self._connections[Direction.INCOMING]

    def _establish(self, connection: Connection, now: float) -> None:
        other = self._connections.get(_opposite(connection.direction))
        if other is not None:
            other.fire(Event.OPEN_COLLISION_DUMP, now)
        negotiated = connection.negotiated
        if negotiated is None or connection.local_address is None:
            raise AssertionError("established without an OPEN or an address")
        connection.established_at = now
        self.is_first = False
        self._is_congested = False
        next_hops = {Family.of(connection.local_address): connection.local_address, **self.config.next_hops}
        usable = {family: next_hops[family] for family in negotiated.families if family in next_hops}
        self._speaker = Speaker(asn=self.config.local_asn, next_hops=usable, dialect=negotiated.dialect)
        self._ends_of_rib = [f for f in Family if f in negotiated.families and negotiated.end_of_rib]
        self._asked_again.clear()
        self.emit(Established(negotiated, frozenset(usable)))
        self._routes.restart()
        self._flush(now)

    def _note_refresh(self, refresh: RouteRefresh, now: float) -> None:
        """Answer a ROUTE-REFRESH soon; one for a family that was not agreed upon is ignored (RFC 2918, section 4)."""
        for family in self._speaker.next_hops if self._speaker else ():
            if family.value == (refresh.afi, refresh.safi) and refresh.subtype == 0:
                self._asked_again.add(family)
                self._timers.start(Timer.REFRESH, max(now, self._refreshed_at + REFRESH_INTERVAL))

    def _resend(self, now: float) -> None:
        self._refreshed_at = now
        for family in self._asked_again:
            self._routes.refresh(family)
        self._asked_again.clear()
        self._flush(now)

    def _flush(self, now: float) -> None:
        """Write some of the waiting routes, and the end of the initial ones when they are out."""
        connection = self._established
        if connection is None or self._speaker is None or self._is_congested or not self._has_routes:
            return
        batch = self._routes.take(self._speaker, at_most=PREFIXES_AT_ONCE)
        messages = list(batch.messages)
        if self._routes.pending:
            self._timers.start(Timer.FLUSH, now)
        else:
            messages += (end_of_rib(f).encode(four_octet=True) for f in self._ends_of_rib)
            self._ends_of_rib = []
        if messages:
            connection.send(MessageType.UPDATE, *messages, now=now)
        if batch.announced or batch.withdrawn:
            self.emit(RoutesSent(batch.announced, batch.withdrawn))


def _opposite(direction: Direction) -> Direction:
    return Direction.INCOMING if direction is Direction.OUTGOING else Direction.OUTGOING
