"""What two sessions say about routes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

import pytest

from lab.wire.bgp import (
    GRACEFUL_SHUTDOWN,
    Asn,
    Cause,
    Community,
    Direction,
    Family,
    LargeCommunity,
    Path,
    Restart,
    State,
)
from lab.wire.bgp.attribute_list import PathAttributes
from lab.wire.bgp.constants import MAX_MESSAGE_LENGTH, MessageType
from lab.wire.bgp.messages import RouteRefresh
from tests.conversations.bgp_link import Link, announced, config, routes

BOTH = frozenset(Family)
V6 = IPv6Address("2001:db8::51")


def dual(number: int, **changes):
    return config(number, families=BOTH, next_hops={Family.IPV6: V6}, **changes)


def established(left=None, right=None) -> Link:
    link = Link(left or config(1), right or config(2, passive=True))
    link.left.session.announce({}, link.now)
    link.start()
    assert link.left.session.state is State.ESTABLISHED
    return link


def say(link: Link, wanted) -> None:
    link.left.session.announce(wanted, link.now)
    link.settle()


def test_only_the_difference_is_said() -> None:
    link = established()
    say(link, routes("198.51.100.1/32", "198.51.100.2/32"))
    say(link, routes("198.51.100.2/32", "198.51.100.3/32"))
    assert set(link.right.rib) == {ip_network("198.51.100.2/32"), ip_network("198.51.100.3/32")}
    assert [str(p) for p in announced(link, link.left)] == [f"198.51.100.{n}/32" for n in (1, 2, 3)]
    before = link.left.session.sent[MessageType.UPDATE]
    say(link, routes("198.51.100.2/32", "198.51.100.3/32"))
    assert link.left.session.sent[MessageType.UPDATE] == before


def test_external_peers_see_our_asn_and_no_preference() -> None:
    link = established()
    path = {"local_pref": 300, "communities": frozenset({Community(1111, 2222)}), "med": 5}
    say(link, routes("198.51.100.1/32", large_communities=frozenset({LargeCommunity(1, 2, 3)}), **path))
    (seen,) = link.right.rib.values()
    assert isinstance(seen, PathAttributes)
    assert seen.as_path is not None
    assert [list(s.asns) for s in seen.as_path] == [[64501]]
    assert (seen.local_pref, seen.med) == (None, 5)
    assert (seen.communities, seen.large_communities) == (
        frozenset({Community(1111, 2222)}),
        frozenset({LargeCommunity(1, 2, 3)}),
    )
    assert seen.next_hop == IPv4Address("10.0.0.1")


@pytest.mark.parametrize(("wanted", "seen"), [(None, 100), (0, 0), (300, 300)])
def test_internal_peers_see_the_preference(wanted, seen) -> None:
    link = established(
        config(1, peer_asn=Asn(64501)), config(2, local_asn=Asn(64501), peer_asn=Asn(64501), passive=True)
    )
    say(link, routes("198.51.100.1/32", local_pref=wanted))
    (attributes,) = link.right.rib.values()
    assert isinstance(attributes, PathAttributes)
    assert (attributes.local_pref, attributes.as_path) == (seen, ())


def test_both_families_over_one_connection() -> None:
    link = established(dual(1), dual(2, passive=True))
    say(link, routes("198.51.100.1/32", "2001:db8:1::1/128"))
    seen = {str(prefix): attributes for prefix, attributes in link.right.rib.items()}
    assert set(seen) == {"198.51.100.1/32", "2001:db8:1::1/128"}
    reach = seen["2001:db8:1::1/128"].mp_reach  # type: ignore[attr-defined]
    assert reach.next_hop == V6


def test_a_family_without_a_next_hop_stays_silent() -> None:
    link = established(config(1, families=BOTH), dual(2, passive=True))
    say(link, routes("198.51.100.1/32", "2001:db8:1::1/128"))
    assert [str(prefix) for prefix in link.right.rib] == ["198.51.100.1/32"]
    assert link.left.established()[0].families == {Family.IPV4}


def test_many_prefixes_share_messages_of_at_most_4096_octets() -> None:
    link = established(dual(1), dual(2, passive=True))
    wanted = {ip_network((0x0A000000 + n, 32)): Path() for n in range(10_000)}
    wanted |= {IPv6Network(((0x20010DB8 << 96) + n, 128)): Path() for n in range(2_000)}
    before = link.left.session.sent[MessageType.UPDATE]
    link.left.session.announce(wanted, link.now)
    link.run(0.1)
    assert len(link.right.rib) == len(wanted)
    assert link.left.session.sent[MessageType.UPDATE] - before < 30
    say(link, {})
    link.run(0.1)
    assert link.right.rib == {}
    assert all(b"\xff" * 16 in data for _, data in link.sent)


def test_no_message_is_longer_than_allowed() -> None:
    link = established()
    communities = frozenset(Community(1, n) for n in range(768))
    wanted = {ip_network((0x0A000000 + n, 32)): Path(communities=communities) for n in range(1_000)}
    say(link, wanted)
    assert len(link.right.rib) == 1_000
    assert link.left.session.sent[MessageType.UPDATE] > 2
    with pytest.raises(ValueError, match="more communities"):
        Path(communities=frozenset(Community(1, n) for n in range(769)))
    assert MAX_MESSAGE_LENGTH == 4096


def test_draining_marks_every_route_before_it_goes() -> None:
    link = established()
    say(link, routes("198.51.100.1/32", communities=frozenset({Community(1, 2)})))
    link.left.session.drain(link.now)
    link.settle()
    (seen,) = link.right.rib.values()
    assert isinstance(seen, PathAttributes)
    assert seen.communities == {Community(1, 2), GRACEFUL_SHUTDOWN}


def test_route_refresh_sends_everything_again() -> None:
    link = established(dual(1), dual(2, passive=True))
    say(link, routes("198.51.100.1/32", "2001:db8:1::1/128"))
    link.right.rib.clear()
    link.left.session.receive(Direction.OUTGOING, RouteRefresh(2, 1).encode(), link.now)
    link.run(0)
    assert [str(prefix) for prefix in link.right.rib] == ["2001:db8:1::1/128"]
    for ignored in (RouteRefresh(1, 128), RouteRefresh(1, 1, 1), RouteRefresh(77, 1)):
        link.left.session.receive(Direction.OUTGOING, ignored.encode(), link.now)
        link.run(2)
    assert len(link.right.rib) == 1
    assert link.left.session.state is State.ESTABLISHED


def test_many_route_refreshes_get_one_answer_a_second() -> None:
    link = established()
    say(link, routes(*(f"198.51.100.{n}/32" for n in range(100))))
    before = len(link.sent)
    for _ in range(3):
        link.left.session.receive(Direction.OUTGOING, RouteRefresh(1, 1).encode() * 700, link.now)
        link.run(0)
    assert len(link.sent) == before + 1
    link.run(1)
    assert (
        len([data for end, data in link.sent[before:] if end is link.left and data[18] == MessageType.UPDATE])
        == 2
    )


RESTART = {"graceful_restart": Restart(time=60)}


def ends_of_rib(link: Link) -> list[Family | None]:
    return [told.update.end_of_rib for told in link.right.updates() if told.update.end_of_rib]


def test_the_end_of_the_initial_routes_is_marked_once_they_are_known() -> None:
    link = Link(dual(1, **RESTART), dual(2, passive=True, **RESTART))
    link.start()
    assert ends_of_rib(link) == []
    say(link, routes("198.51.100.1/32"))
    assert ends_of_rib(link) == [Family.IPV4, Family.IPV6]
    assert link.right.updates()[0].update.announced
    say(link, routes("198.51.100.2/32"))
    assert len(ends_of_rib(link)) == 2


def test_no_end_of_rib_to_a_peer_that_does_not_wait_for_it() -> None:
    link = established(dual(1, **RESTART), dual(2, passive=True))
    assert ends_of_rib(link) == []


@pytest.mark.parametrize(
    ("restart", "flags"),
    [
        (Restart(restarted=True), [(True, True), (False, True)]),
        (Restart(restarted=True, forwarding_preserved=False), [(True, False), (False, True)]),
        (Restart(restarted=False), [(False, True), (False, True)]),
    ],
)
def test_restart_flags_speak_of_the_process_and_of_the_data_plane(restart, flags) -> None:
    """R only in the first OPEN of a process; F is false only when the node had stopped forwarding."""
    link = established(config(1, graceful_restart=restart), config(2, passive=True, **RESTART))
    link.left.session.disconnected(Direction.OUTGOING, link.now)
    link.right.session.disconnected(Direction.INCOMING, link.now)
    link.run(5)
    seen = [up.negotiated.peer.graceful_restart for up in link.right.established()]
    assert [(g.restarted, g.families[0].forwarding_preserved) for g in seen if g] == flags


def test_a_restarting_speaker_goes_without_a_word() -> None:
    link = established(config(1, **RESTART), config(2, passive=True, **RESTART))
    link.left.session.stop_for_restart(link.now)
    link.settle()
    (end,) = link.right.ended()
    assert (end.cause, end.notification) == (Cause.CONNECTION_FAILED, None)
    assert link.left.session.next_deadline is None


def test_a_peer_without_graceful_restart_is_told() -> None:
    link = established(config(1, **RESTART), config(2, passive=True))
    link.left.session.stop_for_restart(link.now)
    link.settle()
    assert link.right.ended()[0].cause is Cause.NOTIFICATION_RECEIVED


def test_a_restarted_peer_replaces_its_old_connection() -> None:
    """RFC 4724, section 4.2: a new connection from a peer that restarts gracefully means that the old one is dead."""
    link = established(config(1, **RESTART), config(2, passive=True, **RESTART))
    assert link.right.session.accept(link.now)
    link.right.session.connected(Direction.INCOMING, link.right.address, link.now)
    assert link.right.session.state is State.OPEN_SENT


def test_a_peer_that_does_not_read_costs_no_memory_and_not_for_ever() -> None:
    link = established()
    link.left.session.congested(Direction.OUTGOING, link.now)
    before = len(link.sent)
    for n in range(100):
        say(link, routes(f"198.51.100.{n}/32"))
    assert len(link.sent) == before
    link.left.session.relieved(Direction.OUTGOING, link.now)
    link.settle()
    assert [str(prefix) for prefix in link.right.rib] == ["198.51.100.99/32"]
    link.left.session.congested(Direction.OUTGOING, link.now)
    link.run(479)
    assert link.left.session.state is State.ESTABLISHED
    link.run(2)
    told = link.left.ended()[0].notification
    assert told is not None
    assert told.code == 8


def test_malformed_routes_cost_routes_and_not_the_session() -> None:
    """RFC 7606: an UPDATE with an undefined ORIGIN withdraws its prefixes."""
    link = established()
    say(link, routes("198.51.100.1/32"))
    update = next(data for end, data in link.sent if end is link.left and b"\x40\x01\x01\x00" in data)
    link.right.session.receive(
        Direction.INCOMING, update.replace(b"\x40\x01\x01\x00", b"\x40\x01\x01\x09"), link.now
    )
    link.settle()
    assert link.right.rib == {}
    assert link.right.session.state is State.ESTABLISHED


def test_garbage_costs_one_session_and_is_answered() -> None:
    link = established()
    link.right.session.receive(Direction.INCOMING, b"GET / HTTP/1.1\r\n\r\n\r\n", link.now)
    link.settle()
    heard = link.left.ended()[0]
    assert (heard.cause, str(heard.notification)) == (
        Cause.NOTIFICATION_RECEIVED,
        "message header: connection not synchronized",
    )
    link.run(10)
    assert link.left.session.state is State.ESTABLISHED
