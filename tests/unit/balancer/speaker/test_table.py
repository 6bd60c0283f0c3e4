"""Routes out of the wishes of all Services: after any changes, the same as if they were made anew."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from lab.balancer.model import PeerName, Prefix
from lab.balancer.speaker.advertisements import Announcement, announcements
from lab.balancer.speaker.table import Table
from lab.kube.resources import ObjectKey
from lab.wire.bgp import GRACEFUL_SHUTDOWN, Path
from tests.unit.balancer.speaker.situations import advertisement

PEERS = (PeerName("one"), PeerName("two"))
ADVERTISEMENTS = (
    advertisement("host", communities="1:1"),
    advertisement("net", aggregation_length=30, local_pref=7),
    advertisement("two", communities="2:2", peers="two"),
)
KEYS = st.integers(0, 3).map(lambda number: ObjectKey("default", f"s{number}"))
WISHES = st.builds(
    announcements,
    st.lists(st.sampled_from([ip_address(f"10.20.30.{n}") for n in range(6)]), max_size=2, unique=True),
    st.lists(st.sampled_from(ADVERTISEMENTS), max_size=3, unique=True),
    draining=st.booleans(),
)


@given(st.lists(st.lists(st.tuples(KEYS, WISHES), max_size=4), max_size=6))
def test_changes_add_up_to_the_routes(turns: list[list[tuple[ObjectKey, tuple[Announcement, ...]]]]) -> None:
    table = Table()
    heard: dict[PeerName, dict[Prefix, Path]] = {peer: {} for peer in PEERS}
    final: dict[ObjectKey, tuple[Announcement, ...]] = {}
    for turn in turns:
        for key, wanted in turn:
            table.want(key, wanted)
            final[key] = wanted
        for peer, changes in table.changes(PEERS).items():
            for prefix, path in changes.items():
                if path is None:
                    heard[peer].pop(prefix, None)
                else:
                    heard[peer][prefix] = path
    anew = Table()
    for key, wanted in final.items():
        anew.want(key, wanted)
    assert heard == table.routes(PEERS) == anew.routes(PEERS)


def test_a_change_that_changes_nothing_touches_nothing() -> None:
    table, wanted = Table(), announcements([ip_address("10.20.30.1")], ADVERTISEMENTS[:1])
    table.want(ObjectKey("default", "web"), wanted)
    assert table.changes(PEERS)[PEERS[0]]
    table.want(ObjectKey("default", "web"), wanted)
    assert table.changes(PEERS) == {PEERS[0]: {}, PEERS[1]: {}}


def test_a_route_drains_when_all_who_want_it_do() -> None:
    table, address = Table(), [ip_address("10.20.30.1")]
    table.want(ObjectKey("default", "a"), announcements(address, ADVERTISEMENTS[:1], draining=True))
    table.want(ObjectKey("default", "b"), announcements(address, ADVERTISEMENTS[:1]))
    (path,) = table.routes(PEERS[:1])[PEERS[0]].values()
    assert GRACEFUL_SHUTDOWN not in path.communities
    table.want(ObjectKey("default", "b"), ())
    (changed,) = table.changes(PEERS[:1])[PEERS[0]].values()
    assert changed is not None
    assert GRACEFUL_SHUTDOWN in changed.communities
