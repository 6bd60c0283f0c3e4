"""The finite state machine of BGP (RFC 4271, section 8) as one table.

Two rules. Everything that decides a state is in this file; nothing in this file knows bytes, sockets or clocks.
`Fsm.step` looks an event up and says which actions follow; a row that is not in the table does not exist, and what a
state does with every other event is its `OTHERWISE` entry.

Where the table leaves the text of RFC 4271:

- A connection that could not be opened leads from Connect to Active, as in RFC 1771 and in every daemon of the field,
  so that the peer's own attempt is still welcome while ours waits; section 8.2.2 wants Idle unless DelayOpen runs.
- A peer that closes the connection in OpenSent is damped like any other failure instead of being met in Active.
- A NOTIFICATION is never answered with a NOTIFICATION (section 6.4), also not in OpenSent.
- A bad message in Established is answered with its own error instead of "finite state machine error" (section 6.1).
- The optional DelayOpen and the events of unconfigured TCP peers (12, 14, 15, 20) are not supported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, auto


class State(IntEnum):
    """RFC 4271, section 8.2.2; the numbers are those of the BGP MIB (RFC 4273)."""

    IDLE = 1
    CONNECT = 2
    ACTIVE = 3
    OPEN_SENT = 4
    OPEN_CONFIRM = 5
    ESTABLISHED = 6


class Event(IntEnum):
    """RFC 4271, section 8.1, with its numbers; 29 is from RFC 9687."""

    MANUAL_START = 1
    MANUAL_STOP = 2
    MANUAL_START_PASSIVE = 4
    AUTOMATIC_START_DAMPED = 6
    AUTOMATIC_START_DAMPED_PASSIVE = 7
    AUTOMATIC_STOP = 8
    CONNECT_RETRY_TIMER_EXPIRES = 9
    HOLD_TIMER_EXPIRES = 10
    KEEPALIVE_TIMER_EXPIRES = 11
    TCP_CONNECTION_ACKNOWLEDGED = 16
    TCP_CONNECTION_CONFIRMED = 17
    TCP_CONNECTION_FAILS = 18
    BGP_OPEN = 19
    BGP_HEADER_ERROR = 21
    BGP_OPEN_MESSAGE_ERROR = 22
    OPEN_COLLISION_DUMP = 23
    NOTIFICATION_VERSION_ERROR = 24
    NOTIFICATION_MESSAGE = 25
    KEEPALIVE_MESSAGE = 26
    UPDATE_MESSAGE = 27
    UPDATE_MESSAGE_ERROR = 28
    SEND_HOLD_TIMER_EXPIRES = 29
    ROUTE_REFRESH_MESSAGE = 30
    """No document numbers it (RFC 2918 came before the events did)."""


class Action(Enum):
    """What a transition asks of the connection, in the order in which it stands in the table."""

    RESET_RETRIES = auto()
    COUNT_RETRY = auto()
    START_CONNECT_RETRY_TIMER = auto()
    STOP_CONNECT_RETRY_TIMER = auto()
    CONNECT = auto()
    DROP_CONNECTION = auto()
    SEND_OPEN = auto()
    SEND_KEEPALIVE = auto()
    SEND_NOTIFICATION = auto()
    START_LARGE_HOLD_TIMER = auto()
    START_NEGOTIATED_TIMERS = auto()
    RESTART_HOLD_TIMER = auto()
    RESTART_KEEPALIVE_TIMER = auto()
    ESTABLISH = auto()
    PROCESS_UPDATE = auto()
    RESEND_ROUTES = auto()
    DAMP = auto()
    """Stay away from the peer for the idle hold time (section 8.1.1, DampPeerOscillations)."""


@dataclass(frozen=True, slots=True)
class Transition:
    state: State
    actions: tuple[Action, ...] = ()


def _to(state: State, *actions: Action) -> Transition:
    return Transition(state, actions)


_START = _to(State.CONNECT, Action.START_CONNECT_RETRY_TIMER, Action.CONNECT)
_OPEN = _to(State.OPEN_SENT, Action.STOP_CONNECT_RETRY_TIMER, Action.SEND_OPEN, Action.START_LARGE_HOLD_TIMER)
_STOP_QUIETLY = _to(State.IDLE, Action.STOP_CONNECT_RETRY_TIMER, Action.DROP_CONNECTION, Action.RESET_RETRIES)
_STOP = _to(State.IDLE, Action.SEND_NOTIFICATION, Action.DROP_CONNECTION, Action.RESET_RETRIES)
_FAIL = _to(State.IDLE, Action.SEND_NOTIFICATION, Action.DROP_CONNECTION, Action.COUNT_RETRY, Action.DAMP)
_LOSE = _to(State.IDLE, Action.DROP_CONNECTION, Action.COUNT_RETRY, Action.DAMP)
_GIVE_UP = _to(
    State.IDLE,
    Action.STOP_CONNECT_RETRY_TIMER,
    Action.DROP_CONNECTION,
    Action.COUNT_RETRY,
    Action.DAMP,
)
_STAND_DOWN = _to(State.IDLE, Action.STOP_CONNECT_RETRY_TIMER, Action.DROP_CONNECTION)
_YIELD = _to(State.IDLE, Action.SEND_NOTIFICATION, Action.DROP_CONNECTION)
_KEEPALIVE = (Action.SEND_KEEPALIVE, Action.RESTART_KEEPALIVE_TIMER)

TABLE: Mapping[State, Mapping[Event, Transition]] = {
    State.IDLE: {
        Event.MANUAL_START: _to(
            State.CONNECT, Action.RESET_RETRIES, Action.START_CONNECT_RETRY_TIMER, Action.CONNECT
        ),
        Event.MANUAL_START_PASSIVE: _to(State.ACTIVE, Action.RESET_RETRIES),
        Event.AUTOMATIC_START_DAMPED: _START,
        Event.AUTOMATIC_START_DAMPED_PASSIVE: _to(State.ACTIVE),
    },
    State.CONNECT: {
        Event.MANUAL_STOP: _STOP_QUIETLY,
        Event.CONNECT_RETRY_TIMER_EXPIRES: _to(
            State.CONNECT, Action.DROP_CONNECTION, Action.START_CONNECT_RETRY_TIMER, Action.CONNECT
        ),
        Event.TCP_CONNECTION_ACKNOWLEDGED: _OPEN,
        Event.OPEN_COLLISION_DUMP: _STAND_DOWN,
        Event.TCP_CONNECTION_FAILS: _to(
            State.ACTIVE, Action.DROP_CONNECTION, Action.COUNT_RETRY, Action.START_CONNECT_RETRY_TIMER
        ),
    },
    State.ACTIVE: {
        Event.MANUAL_STOP: _STOP_QUIETLY,
        Event.CONNECT_RETRY_TIMER_EXPIRES: _START,
        Event.TCP_CONNECTION_ACKNOWLEDGED: _OPEN,
        Event.OPEN_COLLISION_DUMP: _STAND_DOWN,
        Event.TCP_CONNECTION_CONFIRMED: _OPEN,
    },
    State.OPEN_SENT: {
        Event.MANUAL_STOP: _STOP,
        Event.TCP_CONNECTION_FAILS: _LOSE,
        Event.BGP_OPEN: _to(State.OPEN_CONFIRM, Action.SEND_KEEPALIVE, Action.START_NEGOTIATED_TIMERS),
        Event.OPEN_COLLISION_DUMP: _YIELD,
        Event.NOTIFICATION_VERSION_ERROR: _LOSE,
        Event.NOTIFICATION_MESSAGE: _LOSE,
    },
    State.OPEN_CONFIRM: {
        Event.MANUAL_STOP: _STOP,
        Event.KEEPALIVE_TIMER_EXPIRES: _to(State.OPEN_CONFIRM, *_KEEPALIVE),
        Event.TCP_CONNECTION_FAILS: _LOSE,
        Event.OPEN_COLLISION_DUMP: _YIELD,
        Event.NOTIFICATION_VERSION_ERROR: _LOSE,
        Event.NOTIFICATION_MESSAGE: _LOSE,
        Event.KEEPALIVE_MESSAGE: _to(State.ESTABLISHED, Action.RESTART_HOLD_TIMER, Action.ESTABLISH),
    },
    State.ESTABLISHED: {
        Event.MANUAL_STOP: _STOP,
        Event.KEEPALIVE_TIMER_EXPIRES: _to(State.ESTABLISHED, *_KEEPALIVE),
        Event.TCP_CONNECTION_FAILS: _LOSE,
        Event.OPEN_COLLISION_DUMP: _YIELD,
        Event.NOTIFICATION_VERSION_ERROR: _LOSE,
        Event.NOTIFICATION_MESSAGE: _LOSE,
        Event.KEEPALIVE_MESSAGE: _to(State.ESTABLISHED, Action.RESTART_HOLD_TIMER),
        Event.UPDATE_MESSAGE: _to(State.ESTABLISHED, Action.RESTART_HOLD_TIMER, Action.PROCESS_UPDATE),
        Event.ROUTE_REFRESH_MESSAGE: _to(State.ESTABLISHED, Action.RESTART_HOLD_TIMER, Action.RESEND_ROUTES),
    },
}

OTHERWISE: Mapping[State, Transition] = {
    State.IDLE: _to(State.IDLE),
    State.CONNECT: _GIVE_UP,
    State.ACTIVE: _GIVE_UP,
    State.OPEN_SENT: _FAIL,
    State.OPEN_CONFIRM: _FAIL,
    State.ESTABLISHED: _FAIL,
}


class Fsm:
    """One state, moved only by `step`."""

    def __init__(self) -> None:
        self._state = State.IDLE

    @property
    def state(self) -> State:
        return self._state

    def step(self, event: Event) -> tuple[Action, ...]:
        """Move to the next state and return the actions that go with the transition."""
        transition = TABLE[self._state].get(event, OTHERWISE[self._state])
        self._state = transition.state
        return transition.actions
