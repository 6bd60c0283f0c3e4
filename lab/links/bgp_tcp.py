"""Moves bytes between BGP sessions and TCP, and wakes them in time. Policy is in `lab.wire.bgp`.

A peer can cost its own session and no more: it gets at most a quarter of the processor (`_REST`), is read in small
pieces, and is no longer written to when it does not read.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from lab.links.bgp_socket import Endpoint, guard, listening, outgoing, sign
from lab.wire.bgp import Address, Cease, Close, Connect, Direction, Output, Path, Prefix, Send, Session

_PIECE = 16 * 1024
"""Octets read at once."""
_WRITE_LIMIT = 256 * 1024
"""Octets waiting to be sent beyond which the peer counts as not reading."""
_REST = 3.0
"""Seconds of rest for each second spent on what a peer sent."""
_WORTH_RESTING = 0.001
_FAREWELL = 1.0
"""Seconds for a peer to take the last words."""


class Pump:
    """One session and its connections; everything runs in the event loop that made it."""

    def __init__(
        self, session: Session, endpoint: Endpoint, *, on_event: Callable[[Output], None] = lambda _: None
    ) -> None:
        self.session = session
        self.endpoint = endpoint
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._wires: dict[Direction, _Wire] = {}
        self._attempt: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_busy = False

    def start(self) -> None:
        """Bring the session up and keep it up until `stop`."""
        self.session.start(self._loop.time())
        self._carry_out()

    def announce(self, routes: Mapping[Prefix, Path]) -> None:
        """Announce exactly `routes` from now on."""
        self.session.announce(routes, self._loop.time())
        self._carry_out()

    def change(self, changes: Mapping[Prefix, Path | None]) -> None:
        """Announce these prefixes with these paths from now on, or no longer (None)."""
        self.session.change(changes, self._loop.time())
        self._carry_out()

    def drain(self) -> None:
        """Tell the peer that all routes are about to go (RFC 8326)."""
        self.session.drain(self._loop.time())
        self._carry_out()

    async def stop(
        self,
        *,
        reason: Cease = Cease.ADMINISTRATIVE_SHUTDOWN,
        text: str = "",
        for_restart: bool = False,
    ) -> None:
        """End the session with a word to the peer, or without one `for_restart`, and wait until it is out."""
        wires = tuple(self._wires.values())
        if for_restart:
            self.session.stop_for_restart(self._loop.time())
        else:
            self.session.stop(self._loop.time(), reason=reason, text=text)
        self._carry_out()
        if self._timer is not None:
            self._timer.cancel()
        try:
            async with asyncio.timeout(_FAREWELL):
                for wire in wires:
                    await wire.closed.wait()
        except TimeoutError:
            for wire in wires:
                wire.abort()

    def accept(self, wire: _Wire) -> bool:
        """Take over a connection that the peer opened, if it is welcome."""
        welcome = self.session.accept(self._loop.time())
        self._carry_out()
        if welcome:
            self.connected(wire)
        return welcome

    def connected(self, wire: _Wire) -> None:
        self._wires[wire.direction] = wire
        self.session.connected(wire.direction, wire.local_address, self._loop.time())
        self._carry_out()

    def received(self, wire: _Wire, data: bytes) -> None:
        started = self._loop.time()
        if self._wires.get(wire.direction) is wire:
            self.session.receive(wire.direction, data, started)
            self._carry_out()
            wire.rest(self._loop.time() - started)

    def lost(self, wire: _Wire, detail: str) -> None:
        if self._wires.get(wire.direction) is wire:
            del self._wires[wire.direction]
            self.session.disconnected(wire.direction, self._loop.time(), detail=detail)
            self._carry_out()

    def congested(self, wire: _Wire) -> None:
        if self._wires.get(wire.direction) is wire:
            self.session.congested(wire.direction, self._loop.time())

    def relieved(self, wire: _Wire) -> None:
        if self._wires.get(wire.direction) is wire:
            self.session.relieved(wire.direction, self._loop.time())
            self._carry_out()

    def _tick(self) -> None:
        self._timer = None
        self.session.tick(self._loop.time())
        self._carry_out()

    def _carry_out(self) -> None:
        """Do what the session wants; an event handler that wants more of the session is served in turn."""
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while outputs := self.session.outputs():
                for output in outputs:
                    self._perform(output)
        finally:
            self._is_busy = False
        self._arm()

    def _perform(self, output: Output) -> None:
        match output:
            case Connect():
                self._attempt = self._loop.create_task(
                    self._connect(), name=f"connect {self.endpoint.address}"
                )
            case Send(direction, data) if direction in self._wires:
                self._wires[direction].write(data)
            case Close(direction):
                self._close(direction)
            case _:
                self._on_event(output)

    def _close(self, direction: Direction) -> None:
        if direction is Direction.OUTGOING and self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None
        wire = self._wires.pop(direction, None)
        if wire is not None:
            wire.close()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.session.next_deadline
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._tick)

    async def _connect(self) -> None:
        """Open a connection; the session's connect timer is its limit."""
        try:
            made = outgoing(self.endpoint)
            try:
                await self._loop.sock_connect(made, self.endpoint.target)
            except BaseException:
                made.close()
                raise
            self._attempt = None
            await self._loop.create_connection(lambda: _Wire(self, Direction.OUTGOING), sock=made)
        except OSError as error:
            self._attempt = None
            detail = os.strerror(error.errno) if error.errno else str(error)
            self.session.disconnected(Direction.OUTGOING, self._loop.time(), detail=detail)
            self._carry_out()


class _Wire(asyncio.BufferedProtocol):
    """One TCP connection."""

    transport: asyncio.Transport

    def __init__(self, pump: Pump | None, direction: Direction) -> None:
        self.direction = direction
        self.closed = asyncio.Event()
        self._pump = pump
        self._buffer = bytearray(_PIECE)
        self._loop = asyncio.get_running_loop()
        self._resting: asyncio.TimerHandle | None = None

    @property
    def local_address(self) -> Address:
        return _address(self.transport.get_extra_info("sockname"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=_WRITE_LIMIT)
        if self._pump is not None:
            self._pump.connected(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._pump is not None:
            self._pump.received(self, bytes(self._buffer[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self.closed.set()
        if self._pump is not None:
            self._pump.lost(self, str(exc) if exc else "the peer closed the connection")

    def pause_writing(self) -> None:
        if self._pump is not None:
            self._pump.congested(self)

    def resume_writing(self) -> None:
        if self._pump is not None:
            self._pump.relieved(self)

    def hand_over(self, pump: Pump) -> None:
        """Give an accepted connection to the pump of its peer, or end it."""
        self._pump = pump
        if not pump.accept(self):
            self._pump = None
            self.abort()

    def rest(self, spent: float) -> None:
        """Leave the processor to others for a while after work that took `spent` seconds."""
        if spent > _WORTH_RESTING and not self.transport.is_closing():
            self.transport.pause_reading()
            self._resting = self._loop.call_later(spent * _REST, self._resume)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def close(self) -> None:
        self.transport.close()
        self._loop.call_later(_FAREWELL, self.abort)

    def abort(self) -> None:
        if not self.closed.is_set():
            self.transport.abort()

    def _resume(self) -> None:
        self._resting = None
        if not self.transport.is_closing():
            self.transport.resume_reading()


class Listener:
    """Waits on one own address for the peers that were added; others are turned away at once."""

    def __init__(self, address: Address, port: int) -> None:
        """Open the socket. Raises OSError."""
        self._socket = listening(address, port)
        self._family = self._socket.family
        self._pumps: dict[Address, Pump] = {}
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def add(self, pump: Pump) -> None:
        """Let the peer of `pump` in. Of several peers with one address the last counts. Raises OSError."""
        if pump.endpoint.family is self._family:
            if pump.endpoint.password:
                sign(self._socket, pump.endpoint.address, pump.endpoint.password)
            self._pumps[pump.endpoint.address] = pump

    def remove(self, pump: Pump) -> None:
        if self._pumps.get(pump.endpoint.address) is pump:
            del self._pumps[pump.endpoint.address]
            if pump.endpoint.password:
                sign(self._socket, pump.endpoint.address, "")

    async def start(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Incoming(self._pumps), sock=self._socket
        )

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._socket.close()


class _Incoming(_Wire):
    """A connection that a peer opened; which one is known only now."""

    def __init__(self, pumps: Mapping[Address, Pump]) -> None:
        super().__init__(None, Direction.INCOMING)
        self._pumps = pumps

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        pump = self._pumps.get(_address(transport.get_extra_info("peername")))
        sock: socket.socket | None = transport.get_extra_info("socket")
        if pump is None or sock is None:
            self.abort()
            return
        guard(sock, pump.endpoint)
        self.hand_over(pump)


def _address(name: tuple[str, ...]) -> Address:
    """Read the address out of a socket's name; the scope of a link-local one is not part of it."""
    return ip_address(name[0].partition("%")[0])
