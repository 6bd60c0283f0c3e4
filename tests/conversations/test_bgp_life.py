"""The life of a session: how it comes up, stays up and ends."""

from __future__ import annotations

from typing import Any

import pytest

from lab.wire.bgp import Asn, Cause, Direction, DynamicAsn, Ended, Family, State
from lab.wire.bgp.constants import ErrorCode
from tests.conversations.bgp_link import Link, config, routes

S = State


def test_one_side_calls_and_the_states_follow_the_book() -> None:
    link = Link(config(1), config(2, passive=True))
    link.start()
    assert link.left.session.state is link.right.session.state is S.ESTABLISHED
    link.run(30)
    assert (link.left.ended(), link.right.session.state) == ([], S.ESTABLISHED)


@pytest.mark.parametrize("latency", [0.0, 0.05, 1.0])
def test_when_both_call_one_connection_remains(latency: float) -> None:
    link = Link(config(1), config(2), latency=latency)
    link.start()
    link.run(20)
    assert link.left.session.state is link.right.session.state is S.ESTABLISHED
    assert [len(end.established()) for end in link.ends] == [1, 1]
    ended = link.left.ended() + link.right.ended()
    assert all(end.state is not S.ESTABLISHED for end in ended)


def test_the_connection_of_the_higher_identifier_wins() -> None:
    """RFC 4271, section 6.8: 192.0.2.2 keeps the one that it opened."""
    link = Link(config(1), config(2), latency=0.05)
    link.start()
    link.run(1)
    lost = {(e.direction, e.cause) for e in link.left.ended()}
    assert (Direction.OUTGOING, Cause.COLLISION) in lost | {
        (Direction.OUTGOING, e.cause)
        for e in link.right.ended()
        if e.direction is Direction.INCOMING and e.cause is Cause.COLLISION
    }
    assert Direction.INCOMING in link.left.session._connections


def test_equal_identifiers_are_told_apart_by_asn() -> None:
    """RFC 6286, section 2.3."""
    same = config(1).router_id
    link = Link(config(1), config(2, router_id=same), latency=0.05)
    link.start()
    link.run(1)
    assert link.left.session.state is S.ESTABLISHED
    assert Direction.INCOMING in link.left.session._connections


def test_silence_ends_the_session_after_the_hold_time() -> None:
    link = Link(config(1), config(2, passive=True, hold_time=6))
    link.start()
    link.is_cut = True
    link.run(5.9)
    assert link.left.session.state is S.ESTABLISHED
    link.run(0.2)
    (end,) = link.left.ended()
    assert (end.state, end.cause) == (S.ESTABLISHED, Cause.NOTIFICATION_SENT)
    assert end.notification is not None
    assert end.notification.code == ErrorCode.HOLD_TIMER_EXPIRED


def test_hold_time_zero_needs_no_keepalives() -> None:
    link = Link(config(1, hold_time=0), config(2, passive=True))
    link.start()
    before = len(link.sent)
    link.run(10_000)
    assert (link.left.session.state, len(link.sent)) == (S.ESTABLISHED, before)


@pytest.mark.parametrize(
    ("ours", "theirs", "keepalive", "interval"),
    [(9, 90, None, 3.0), (90, 9, None, 3.0), (90, 90, 10, 10.0), (90, 9, 10, 3.0)],
)
def test_the_lower_hold_time_counts(ours, theirs, keepalive, interval) -> None:
    link = Link(
        config(1, hold_time=ours, keepalive_time=keepalive), config(2, passive=True, hold_time=theirs)
    )
    link.start()
    (up,) = link.left.established()
    assert (up.negotiated.hold_time, up.negotiated.keepalive_time) == (min(ours, theirs), interval)


def test_an_open_that_never_comes_ends_the_connection() -> None:
    """RFC 4271, section 8.2.2: a large hold timer guards OpenSent."""
    link = Link(config(1), config(2, passive=True))
    link.left.session.start(link.now)
    link.left.session.connected(Direction.OUTGOING, link.left.address, link.now)
    link.left.session.outputs()
    assert link.left.session.state is S.OPEN_SENT
    link.left.session.tick(link.now + 239)
    assert link.left.session.state is S.OPEN_SENT
    link.left.session.tick(link.now + 240)
    assert [end.state for end in link.left.session.outputs() if isinstance(end, Ended)] == [S.OPEN_SENT]


def test_refused_connections_are_tried_again_at_growing_intervals() -> None:
    link = Link(config(1), config(2, passive=True))
    link.refuses = True
    link.start()
    moments = []
    for _ in range(600):
        before = len(link.left.ended())
        link.run(0.1)
        moments += [round(link.now - 1000)] * (len(link.left.ended()) - before)
    assert moments[:6] == [1, 3, 7, 15, 25, 35]
    link.refuses = False
    link.run(10)
    assert link.left.session.state is S.ESTABLISHED


def test_a_peer_that_does_not_answer_is_called_again() -> None:
    link = Link(config(1), config(2, passive=True))
    link.is_cut = True
    link.start()
    link.run(15)
    assert [end.cause for end in link.left.ended()] == [Cause.CONNECTION_FAILED]
    link.is_cut = False
    link.run(10)
    assert link.left.session.state is S.ESTABLISHED


def test_a_peer_that_fails_again_and_again_is_left_alone_longer() -> None:
    """The row of failures is not forgotten at the OPEN, only when a session has lasted."""
    link = Link(config(1, peer_asn=Asn(65000), idle_hold_time=60), config(2, passive=True))
    link.start()
    link.run(600)
    assert 8 <= len(link.left.ended()) <= 16


def test_damping_also_keeps_the_peer_out() -> None:
    link = Link(config(1, peer_asn=Asn(65000), passive=True), config(2))
    link.start()
    assert not link.left.session.accept(link.now)
    link.run(600)
    assert len([e for e in link.left.ended() if e.cause is Cause.NOTIFICATION_SENT]) <= 16


REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, int]]] = {
    "bad peer AS": ({"peer_asn": Asn(65000)}, {}, (2, 2)),
    "same AS where another is wanted": ({"peer_asn": DynamicAsn.INTERNAL}, {}, (2, 2)),
    "other AS where the same is wanted": (
        {"peer_asn": DynamicAsn.EXTERNAL},
        {"local_asn": Asn(64501), "peer_asn": Asn(64501)},
        (2, 2),
    ),
    "no family in common": ({"families": frozenset({Family.IPV6})}, {}, (2, 7)),
    "same identifier inside an AS": (
        {"peer_asn": Asn(64501)},
        {"local_asn": Asn(64501), "peer_asn": Asn(64501), "router_id": config(1).router_id},
        (2, 3),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_carry_the_reason(name: str) -> None:
    ours, theirs, expected = REFUSALS[name]
    link = Link(config(1, **ours), config(2, passive=True, **theirs))
    link.start()
    told = link.left.ended()[0].notification
    assert told is not None
    assert (told.code, told.subcode) == expected
    heard = link.right.ended()[0]
    assert {link.left.ended()[0].cause, heard.cause} >= {Cause.NOTIFICATION_SENT}


@pytest.mark.parametrize("peer", [DynamicAsn.EXTERNAL, Asn(64502)])
def test_a_dynamic_asn_takes_any_other(peer) -> None:
    link = Link(config(1, peer_asn=peer), config(2, passive=True))
    link.start()
    assert link.left.session.state is S.ESTABLISHED


def test_stopping_says_why() -> None:
    link = Link(config(1), config(2, passive=True))
    link.start()
    link.left.session.stop(link.now, text="node is drained")
    link.settle()
    (heard,) = link.right.ended()
    assert (heard.cause, heard.state) == (Cause.NOTIFICATION_RECEIVED, S.ESTABLISHED)
    assert str(heard.notification) == "cease: administrative shutdown: node is drained"
    link.run(100)
    assert (link.left.session.state, link.left.session.next_deadline) == (S.IDLE, None)


def test_a_stopped_session_can_start_again() -> None:
    link = Link(config(1), config(2, passive=True))
    link.left.session.announce(routes("198.51.100.1/32"), link.now)
    link.start()
    link.left.session.stop(link.now)
    link.settle()
    link.run(5)
    link.left.session.start(link.now)
    link.run(5)
    assert link.left.session.state is S.ESTABLISHED
    assert link.left.session.announced == 1


def test_a_lost_connection_is_made_again() -> None:
    link = Link(config(1), config(2, passive=True))
    link.left.session.announce(routes("198.51.100.1/32"), link.now)
    link.start()
    link.left.session.disconnected(Direction.OUTGOING, link.now)
    link.right.session.disconnected(Direction.INCOMING, link.now)
    link.settle()
    assert link.left.states()[-1] is S.IDLE
    link.run(5)
    assert link.left.session.state is S.ESTABLISHED
    assert len(link.left.established()) == 2


def test_a_second_caller_is_turned_away_while_a_session_stands() -> None:
    link = Link(config(1), config(2, passive=True))
    link.start()
    assert not link.right.session.accept(link.now)
    assert link.right.session.state is S.ESTABLISHED
