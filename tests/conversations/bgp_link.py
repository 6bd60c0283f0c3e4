"""Two BGP sessions, a wire in memory and a clock that jumps from deadline to deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_network
from typing import Any

from lab.wire.bgp import (
    Address,
    Asn,
    Close,
    Connect,
    Direction,
    Ended,
    Established,
    Output,
    Path,
    Prefix,
    RoutesSent,
    Send,
    Session,
    SessionConfig,
    State,
    StateChanged,
    UpdateReceived,
)

OTHER_END = {Direction.OUTGOING: Direction.INCOMING, Direction.INCOMING: Direction.OUTGOING}


def config(number: int, **changes) -> SessionConfig:
    """The wishes of speaker 1 (AS 64501, 192.0.2.1) or 2, towards each other."""
    wishes: dict[str, Any] = {
        "local_asn": Asn(64500 + number),
        "peer_asn": Asn(64503 - number),
        "router_id": IPv4Address(f"192.0.2.{number}"),
        "hold_time": 9,
    }
    return SessionConfig(**(wishes | changes))


def routes(*prefixes: str, **path) -> dict[Prefix, Path]:
    return {ip_network(prefix): Path(**path) for prefix in prefixes}


@dataclass
class End:
    session: Session
    address: Address
    told: list[Output] = field(default_factory=list)
    rib: dict[Prefix, object] = field(default_factory=dict)
    """What the peer has announced: prefix to the attributes that it came with."""

    def states(self) -> list[State]:
        return [told.state for told in self.told if isinstance(told, StateChanged)]

    def ended(self) -> list[Ended]:
        return [told for told in self.told if isinstance(told, Ended)]

    def updates(self) -> list[UpdateReceived]:
        return [told for told in self.told if isinstance(told, UpdateReceived)]

    def established(self) -> list[Established]:
        return [told for told in self.told if isinstance(told, Established)]

    def learn(self, told: Output) -> None:
        self.told.append(told)
        if isinstance(told, UpdateReceived):
            unreach, reach = told.update.attributes.mp_unreach, told.update.attributes.mp_reach
            for prefix in told.update.withdrawn + (unreach.prefixes if unreach else ()):
                self.rib.pop(prefix, None)
            for prefix in told.update.announced + (reach.prefixes if reach else ()):
                self.rib[prefix] = told.update.attributes


class Link:
    """A cable with an end in each session. Bytes arrive at once; `cut` makes them vanish."""

    def __init__(self, left: SessionConfig, right: SessionConfig, *, latency: float = 0.0) -> None:
        self.now = 1000.0
        self.is_cut = False
        self.refuses = False
        self.latency = latency
        self.sent: list[tuple[End, bytes]] = []
        self.left, self.right = (
            End(Session(wishes, jitter=lambda: 1.0), IPv4Address(f"10.0.0.{number}"))
            for number, wishes in ((1, left), (2, right))
        )
        self._pending: list[tuple[float, Callable[[], None]]] = []
        self._open: set[tuple[int, Direction]] = set()

    @property
    def ends(self) -> tuple[End, End]:
        return self.left, self.right

    def start(self) -> None:
        for end in self.ends:
            end.session.start(self.now)
        self.settle()

    def other(self, end: End) -> End:
        return self.right if end is self.left else self.left

    def settle(self) -> None:
        """Carry out what the sessions want until nothing more happens at this moment."""
        while outputs := list(self._wanted()):
            for end, output in outputs:
                self._carry_out(end, output)
            self._deliver()

    def run(self, seconds: float) -> None:
        """Let time pass, stopping at every deadline."""
        until = self.now + seconds
        self.settle()
        while (moment := min([*self._deadlines(), until])) < until:
            self._at(moment)
        self._at(until)

    def _at(self, moment: float) -> None:
        self.now = max(self.now, moment)
        self._deliver()
        for end in self.ends:
            end.session.tick(self.now)
        self.settle()

    def _deadlines(self) -> Iterator[float]:
        yield from (moment for moment, _ in self._pending)
        yield from (e.session.next_deadline for e in self.ends if e.session.next_deadline is not None)

    def _wanted(self) -> Iterator[tuple[End, Output]]:
        for end in self.ends:
            for output in end.session.outputs():
                yield end, output

    def _deliver(self) -> None:
        due = [do for moment, do in self._pending if moment <= self.now]
        self._pending = [(moment, do) for moment, do in self._pending if moment > self.now]
        for do in due:
            do()

    def _later(self, do: Callable[[], None]) -> None:
        self._pending.append((self.now + self.latency, do))

    def _carry_out(self, end: End, output: Output) -> None:
        match output:
            case Connect():
                self._later(lambda: self._connect(end))
            case Send(direction, data):
                self.sent.append((end, data))
                self._later(lambda: self._arrive(end, direction, data))
            case Close(direction):
                self._close(end, direction)
            case _:
                end.learn(output)

    def _connect(self, end: End) -> None:
        peer = self.other(end)
        if self.is_cut:
            return
        if self.refuses or not peer.session.accept(self.now):
            end.session.disconnected(Direction.OUTGOING, self.now, detail="refused")
            return
        self._open |= {(id(end), Direction.OUTGOING), (id(peer), Direction.INCOMING)}
        end.session.connected(Direction.OUTGOING, end.address, self.now)
        peer.session.connected(Direction.INCOMING, peer.address, self.now)

    def _arrive(self, end: End, direction: Direction, data: bytes) -> None:
        there = (id(self.other(end)), OTHER_END[direction])
        if not self.is_cut and there in self._open:
            self.other(end).session.receive(OTHER_END[direction], data, self.now)

    def _close(self, end: End, direction: Direction) -> None:
        here, there = (id(end), direction), (id(self.other(end)), OTHER_END[direction])
        if here not in self._open:
            return
        self._open.discard(here)
        if self.is_cut:
            return

        def hang_up() -> None:
            if there in self._open:
                self._open.discard(there)
                self.other(end).session.disconnected(OTHER_END[direction], self.now)

        self._later(hang_up)


def announced(link: Link, end: End) -> list[Prefix]:
    """Every prefix that `end` has put on the wire, in order."""
    return [p for told in end.told if isinstance(told, RoutesSent) for p in told.announced]
