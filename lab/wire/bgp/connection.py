"""One connection to a peer: carries out the actions of the state machine's table.

Decisions that concern both connections of a session (collision, damping, routes) are left to its owner, the session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from lab.wire.bgp.config import Negotiated, SessionConfig, negotiate, open_message
from lab.wire.bgp.constants import Address, Cease, ErrorCode, MessageType, StateMachineError
from lab.wire.bgp.events import Cause, Close, Connect, Direction, Ended, Output, Send
from lab.wire.bgp.fsm import Action, Event, Fsm, State
from lab.wire.bgp.messages import Dialect, Keepalive, Message, Reader, RouteRefresh, decode_message
from lab.wire.bgp.notification import (
    MessageError,
    MessageHeaderError,
    Notification,
    OpenMessageError,
)
from lab.wire.bgp.open import Open
from lab.wire.bgp.timers import Timer, Timers
from lab.wire.bgp.update import Update

LARGE_HOLD_TIME = 240.0
"""Seconds to wait for an OPEN (RFC 4271, section 8.2.2, OpenSent)."""
SEND_HOLD_TIME = 480.0
"""Seconds without the peer reading, or twice the hold time if that is longer (RFC 9687, section 3.1)."""

_UNEXPECTED = {
    State.OPEN_SENT: StateMachineError.UNEXPECTED_IN_OPEN_SENT,
    State.OPEN_CONFIRM: StateMachineError.UNEXPECTED_IN_OPEN_CONFIRM,
    State.ESTABLISHED: StateMachineError.UNEXPECTED_IN_ESTABLISHED,
}
_TIMER_EVENTS = {
    Timer.CONNECT_RETRY: Event.CONNECT_RETRY_TIMER_EXPIRES,
    Timer.HOLD: Event.HOLD_TIMER_EXPIRES,
    Timer.KEEPALIVE: Event.KEEPALIVE_TIMER_EXPIRES,
    Timer.SEND_HOLD: Event.SEND_HOLD_TIMER_EXPIRES,
}
_ANSWERS = {
    Event.HOLD_TIMER_EXPIRES: Notification(ErrorCode.HOLD_TIMER_EXPIRED),
    Event.SEND_HOLD_TIMER_EXPIRES: Notification(ErrorCode.SEND_HOLD_TIMER_EXPIRED),
    Event.OPEN_COLLISION_DUMP: Notification.cease(Cease.CONNECTION_COLLISION_RESOLUTION),
}
_CAUSES = {
    Event.MANUAL_STOP: Cause.STOPPED,
    Event.AUTOMATIC_STOP: Cause.STOPPED,
    Event.TCP_CONNECTION_FAILS: Cause.CONNECTION_FAILED,
    Event.CONNECT_RETRY_TIMER_EXPIRES: Cause.CONNECTION_FAILED,
    Event.NOTIFICATION_MESSAGE: Cause.NOTIFICATION_RECEIVED,
    Event.NOTIFICATION_VERSION_ERROR: Cause.NOTIFICATION_RECEIVED,
    Event.OPEN_COLLISION_DUMP: Cause.COLLISION,
}
_MESSAGE_EVENTS: dict[type[Message], Event] = {
    Keepalive: Event.KEEPALIVE_MESSAGE,
    Update: Event.UPDATE_MESSAGE,
    RouteRefresh: Event.ROUTE_REFRESH_MESSAGE,
}


class Owner(Protocol):
    """What a connection needs of its session."""

    config: SessionConfig
    sent: Counter[MessageType]
    received: Counter[MessageType]

    def emit(self, output: Output) -> None: ...

    def jitter(self) -> float: ...

    def retry_delay(self) -> float: ...

    def collides(self, connection: Connection, peer: Open, now: float) -> bool:
        """Resolve a collision; True when `connection` is the one to go."""
        ...

    def perform(self, action: Action, connection: Connection, now: float) -> None:
        """Carry out an action that concerns the whole session."""
        ...

    is_first: bool
    """No session has been established yet."""


class Connection:
    def __init__(self, owner: Owner, direction: Direction) -> None:
        self.direction = direction
        self.local_address: Address | None = None
        self.negotiated: Negotiated | None = None
        self.established_at = 0.0
        self.message: Message | None = None
        """The message that is being handled."""
        self.timers = Timers()
        self._owner = owner
        self._fsm = Fsm()
        self._reader = Reader()
        self._answer: Notification | None = None
        self._keepalive = Keepalive().encode()
        self._perform: dict[Action, Callable[[float], None]] = {
            Action.START_CONNECT_RETRY_TIMER: self._start_connect_retry_timer,
            Action.STOP_CONNECT_RETRY_TIMER: self._stop_connect_retry_timer,
            Action.CONNECT: self._connect,
            Action.DROP_CONNECTION: self._drop_connection,
            Action.SEND_OPEN: self._send_open,
            Action.SEND_KEEPALIVE: self._send_keepalive,
            Action.SEND_NOTIFICATION: self._send_notification,
            Action.START_LARGE_HOLD_TIMER: self._start_large_hold_timer,
            Action.START_NEGOTIATED_TIMERS: self._start_negotiated_timers,
            Action.RESTART_HOLD_TIMER: self._restart_hold_timer,
            Action.RESTART_KEEPALIVE_TIMER: self._restart_keepalive_timer,
        }
        """The other actions concern the whole session and go to its owner."""

    @property
    def state(self) -> State:
        return self._fsm.state

    @property
    def peer_keeps_routes(self) -> bool:
        """Whether the peer would keep our routes while we restart (RFC 4724)."""
        return self.negotiated is not None and self.negotiated.end_of_rib

    def fire(
        self, event: Event, now: float, *, notification: Notification | None = None, detail: str = ""
    ) -> None:
        """Let an event happen. `notification` is the one to send, or the one received."""
        before = self.state
        self._answer = notification or _ANSWERS.get(event)
        actions = self._fsm.step(event)
        if self._answer is None and Action.SEND_NOTIFICATION in actions:
            self._answer = Notification(ErrorCode.FINITE_STATE_MACHINE, _UNEXPECTED[before])
            detail = f"{event.name} in {before.name}"
        for action in actions:
            perform = self._perform.get(action)
            if perform is None:
                self._owner.perform(action, self, now)
            else:
                perform(now)
        if Action.DROP_CONNECTION in actions and before is not State.ACTIVE:
            cause = _CAUSES.get(event, Cause.NOTIFICATION_SENT)
            told = self._answer if before >= State.OPEN_SENT else None
            self._owner.emit(Ended(self.direction, before, cause, told, detail))

    def opened(self, event: Event, local_address: Address, now: float) -> None:
        """Start talking over a connection that has just been made."""
        self.local_address = local_address
        self._reader = Reader()
        self.fire(event, now)

    def receive(self, data: bytes, now: float) -> None:
        """Handle bytes from the peer; whatever follows an error is not looked at."""
        try:
            for message in self._messages(data):
                self._handle(message, now)
                if self.state <= State.ACTIVE:
                    return
        except MessageError as error:
            self.fire(_error_event(error), now, notification=error.notification, detail=error.message)

    def expire(self, now: float) -> None:
        """Let the timers that are due fire."""
        for timer in self.timers.expired(now):
            self.fire(_TIMER_EVENTS[timer], now)

    def send(self, kind: MessageType, *messages: bytes, now: float) -> None:
        """Hand out messages of one kind; any serves as a keepalive (RFC 4271, section 4.4)."""
        self._owner.sent[kind] += len(messages)
        self._owner.emit(Send(self.direction, b"".join(messages)))
        if self.timers.is_running(Timer.KEEPALIVE):
            self._restart_keepalive_timer(now)

    def stall(self, now: float) -> None:
        """Note that the peer has stopped reading."""
        hold_time = self.negotiated.hold_time if self.negotiated else 0
        if not self.timers.is_running(Timer.SEND_HOLD):
            self.timers.start(Timer.SEND_HOLD, now + max(SEND_HOLD_TIME, 2.0 * hold_time))

    def _messages(self, data: bytes) -> Iterator[Message]:
        external = self._owner.config.external
        for kind, body in self._reader.bodies(data):
            self._owner.received[kind] += 1
            dialect = self.negotiated.dialect if self.negotiated else Dialect(external=external)
            yield decode_message(kind, body, dialect)

    def _handle(self, message: Message, now: float) -> None:
        self.message = message
        match message:
            case Open():
                self._handle_open(message, now)
            case Notification():
                self.fire(Event.NOTIFICATION_MESSAGE, now, notification=message)
            case _:
                self.fire(_MESSAGE_EVENTS[type(message)], now)

    def _handle_open(self, message: Open, now: float) -> None:
        if self.state is State.OPEN_SENT:
            self.negotiated = negotiate(self._owner.config, message)
            if self._owner.collides(self, message, now):
                self.fire(Event.OPEN_COLLISION_DUMP, now)
                return
        self.fire(Event.BGP_OPEN, now)

    def _start_connect_retry_timer(self, now: float) -> None:
        waits = self.state is State.ACTIVE
        limit = self._owner.retry_delay() if waits else self._owner.config.connect_retry_time
        self.timers.start(Timer.CONNECT_RETRY, now + limit)

    def _stop_connect_retry_timer(self, _now: float) -> None:
        self.timers.stop(Timer.CONNECT_RETRY)

    def _connect(self, _now: float) -> None:
        self._owner.emit(Connect())

    def _drop_connection(self, _now: float) -> None:
        self.timers.clear()
        self._owner.emit(Close(self.direction))

    def _send_open(self, now: float) -> None:
        message = open_message(self._owner.config, first=self._owner.is_first)
        self.send(MessageType.OPEN, message.encode(), now=now)

    def _send_keepalive(self, now: float) -> None:
        self.send(MessageType.KEEPALIVE, self._keepalive, now=now)

    def _send_notification(self, now: float) -> None:
        if self._answer is not None:
            self.send(MessageType.NOTIFICATION, self._answer.encode(), now=now)

    def _start_large_hold_timer(self, now: float) -> None:
        self.timers.start(Timer.HOLD, now + LARGE_HOLD_TIME)

    def _start_negotiated_timers(self, now: float) -> None:
        self._restart_hold_timer(now)
        self._restart_keepalive_timer(now)

    def _restart_hold_timer(self, now: float) -> None:
        if self.negotiated and self.negotiated.hold_time:
            self.timers.start(Timer.HOLD, now + self.negotiated.hold_time)
        else:
            self.timers.stop(Timer.HOLD)

    def _restart_keepalive_timer(self, now: float) -> None:
        if self.negotiated and self.negotiated.hold_time:
            interval = self.negotiated.keepalive_time * self._owner.jitter()
            self.timers.start(Timer.KEEPALIVE, now + interval)


def _error_event(error: MessageError) -> Event:
    match error:
        case MessageHeaderError():
            return Event.BGP_HEADER_ERROR
        case OpenMessageError():
            return Event.BGP_OPEN_MESSAGE_ERROR
        case _:
            return Event.UPDATE_MESSAGE_ERROR
