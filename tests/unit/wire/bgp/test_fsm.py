"""Every state meets every event."""

from __future__ import annotations

import pytest

from lab.wire.bgp.fsm import OTHERWISE, TABLE, Action, Event, Fsm, State

LETTERS = {
    "I": State.IDLE,
    "C": State.CONNECT,
    "A": State.ACTIVE,
    "S": State.OPEN_SENT,
    "O": State.OPEN_CONFIRM,
    "E": State.ESTABLISHED,
}
# The state after each event, for the states in the order I C A S O E (RFC 4271, section 8.2.2).
AFTER = {
    Event.MANUAL_START: "C I I I I I",
    Event.MANUAL_STOP: "I I I I I I",
    Event.MANUAL_START_PASSIVE: "A I I I I I",
    Event.AUTOMATIC_START_DAMPED: "C I I I I I",
    Event.AUTOMATIC_START_DAMPED_PASSIVE: "A I I I I I",
    Event.AUTOMATIC_STOP: "I I I I I I",
    Event.CONNECT_RETRY_TIMER_EXPIRES: "I C C I I I",
    Event.HOLD_TIMER_EXPIRES: "I I I I I I",
    Event.KEEPALIVE_TIMER_EXPIRES: "I I I I O E",
    Event.TCP_CONNECTION_ACKNOWLEDGED: "I S S I I I",
    Event.TCP_CONNECTION_CONFIRMED: "I I S I I I",
    Event.TCP_CONNECTION_FAILS: "I A I I I I",
    Event.BGP_OPEN: "I I I O I I",
    Event.BGP_HEADER_ERROR: "I I I I I I",
    Event.BGP_OPEN_MESSAGE_ERROR: "I I I I I I",
    Event.OPEN_COLLISION_DUMP: "I I I I I I",
    Event.NOTIFICATION_VERSION_ERROR: "I I I I I I",
    Event.NOTIFICATION_MESSAGE: "I I I I I I",
    Event.KEEPALIVE_MESSAGE: "I I I I E E",
    Event.UPDATE_MESSAGE: "I I I I I E",
    Event.UPDATE_MESSAGE_ERROR: "I I I I I I",
    Event.SEND_HOLD_TIMER_EXPIRES: "I I I I I I",
    Event.ROUTE_REFRESH_MESSAGE: "I I I I I E",
}
CASES = [
    (state, event, LETTERS[letter])
    for event, row in AFTER.items()
    for state, letter in zip(State, row.split(), strict=True)
]


def fsm_in(state: State) -> Fsm:
    fsm = Fsm()
    fsm._state = state
    return fsm


def test_the_grid_is_complete() -> None:
    assert set(AFTER) == set(Event)
    assert set(TABLE) == set(OTHERWISE) == set(State)


@pytest.mark.parametrize(("state", "event", "after"), CASES)
def test_next_state(state: State, event: Event, after: State) -> None:
    fsm = fsm_in(state)
    fsm.step(event)
    assert fsm.state is after


@pytest.mark.parametrize(("state", "event", "after"), CASES)
def test_falling_to_idle_drops_the_connection(state: State, event: Event, after: State) -> None:
    actions = fsm_in(state).step(event)
    assert (Action.DROP_CONNECTION in actions) >= (after is State.IDLE and state is not State.IDLE)


@pytest.mark.parametrize("event", [Event.NOTIFICATION_MESSAGE, Event.NOTIFICATION_VERSION_ERROR])
@pytest.mark.parametrize("state", State)
def test_a_notification_is_never_answered(state: State, event: Event) -> None:
    assert Action.SEND_NOTIFICATION not in fsm_in(state).step(event)


@pytest.mark.parametrize("state", [State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED])
def test_the_unexpected_is_answered_and_damped(state: State) -> None:
    expected = {Action.SEND_NOTIFICATION, Action.DROP_CONNECTION, Action.COUNT_RETRY, Action.DAMP}
    assert expected == set(fsm_in(state).step(Event.MANUAL_START))
