from __future__ import annotations

from ipaddress import ip_network

import pytest

from lab.balancer.model import PeerName
from lab.balancer.reasons import NotAnnounced
from lab.balancer.speaker.advertisements import Announcement
from lab.balancer.speaker.reach import Reach, reach
from lab.wire.bgp import Family, Path

ONE, TWO = PeerName("one"), PeerName("two")
V4, V6, DUAL = frozenset({Family.IPV4}), frozenset({Family.IPV6}), frozenset(Family)


def wish(prefix: str, *peers: PeerName) -> Announcement:
    return Announcement(ip_network(prefix), Path(), frozenset(peers))


WISH4, WISH6 = wish("198.51.100.1/32"), wish("2001:db8::1/128")
ROWS = {
    "all of it": ([WISH4, WISH6], {ONE: DUAL}, Reach((ONE,))),
    "no peers": ([WISH4], {}, Reach()),
    "a peer that is not named": (
        [wish("198.51.100.1/32", TWO)],
        {ONE: V4, TWO: V4},
        Reach((TWO,), ((ONE, NotAnnounced.PEER_NOT_SELECTED),)),
    ),
    "a peer that cannot be had": ([WISH4], {ONE: None}, Reach((), ((ONE, NotAnnounced.PEER_NOT_SUPPORTED),))),
    "another family": ([WISH6], {ONE: V4}, Reach((), ((ONE, NotAnnounced.FAMILY_NOT_CARRIED),))),
    "one family of two": (
        [WISH4, WISH6],
        {ONE: V4, TWO: V6},
        Reach((ONE, TWO), ((ONE, NotAnnounced.FAMILY_NOT_CARRIED), (TWO, NotAnnounced.FAMILY_NOT_CARRIED))),
    ),
}


@pytest.mark.parametrize(("wanted", "peers", "expected"), ROWS.values(), ids=ROWS)
def test_who_gets_routes(
    wanted: list[Announcement], peers: dict[PeerName, frozenset[Family] | None], expected: Reach
) -> None:
    assert reach(wanted, peers) == expected
