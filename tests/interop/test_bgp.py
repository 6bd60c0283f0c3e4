"""Our BGP against the daemons that people run: each has the last word about what it has learned."""

from __future__ import annotations

import signal
import time

import pytest

from tests.interop.conftest import Bench
from tests.interop.places import NODE, wait_until

pytestmark = pytest.mark.root

V4, V4_OTHER, V6 = "198.51.100.1/32", "198.51.100.2/32", "2001:db8:1::1/128"
MARKED = {"communities": ["1111:2222", "65535:65281"], "large": ["123:456:789"]}


def normal(communities: frozenset[str]) -> set[str]:
    """Some daemons write well-known communities as words."""
    words = {"no-export": "65535:65281", "NO_EXPORT": "65535:65281", "noExport": "65535:65281"}
    return {words.get(community, community) for community in communities}


def wait_routes(bench: Bench, *prefixes: str, seconds: float = 20.0) -> None:
    wait_until(
        lambda: set(bench.routes()) == set(prefixes),
        what=f"{bench.daemon.name} has {prefixes}",
        seconds=seconds,
    )


def test_routes_of_both_families_with_communities(bench: Bench) -> None:
    bench.router()
    node = bench.node()
    node.wait_event("established")
    node.announce({V4: MARKED, V4_OTHER: {}, V6: MARKED})
    wait_routes(bench, V4, V4_OTHER, V6)
    learned = bench.routes()
    assert (learned[V4].next_hop, learned[V6].next_hop) == (NODE["4"], NODE["6"])
    for prefix in (V4, V6):
        assert normal(learned[prefix].communities) == set(MARKED["communities"])
        assert learned[prefix].large == set(MARKED["large"])
    node.announce({V4: {}, V6: MARKED})
    wait_routes(bench, V4, V6)
    wait_until(lambda: bench.routes()[V4].communities == frozenset(), what="communities are taken back")
    node.announce({})
    wait_routes(bench)


def test_internal_peers_see_the_local_preference(bench: Bench) -> None:
    bench.router(router_asn=22000)
    node = bench.node(announce={V4: {"local_pref": 300}, V4_OTHER: {}})
    node.wait_event("established")
    wait_routes(bench, V4, V4_OTHER)
    learned = bench.routes()
    assert (learned[V4].local_pref, learned[V4_OTHER].local_pref) == (300, 100)


def test_ipv4_routes_over_an_ipv6_connection(bench: Bench) -> None:
    bench.router(transport="6")
    node = bench.node(announce={V4: {}, V6: {}})
    node.wait_event("established")
    wait_routes(bench, V4, V6)
    assert bench.routes()[V4].next_hop == NODE["4"]


def test_the_router_may_call_first(bench: Bench) -> None:
    bench.router(passive=False)
    node = bench.node(passive=True, announce={V4: {}})
    node.wait_event("established", seconds=40)
    wait_routes(bench, V4)


def test_equal_passwords_agree(bench: Bench) -> None:
    bench.router(password="s3cret")
    node = bench.node(announce={V4: {}})
    node.wait_event("established")
    wait_routes(bench, V4)


def test_other_passwords_do_not(bench: Bench) -> None:
    bench.router(password="s3cret")
    bench.node(password="s3cret").wait_event("established")
    wrong = bench.node(password="wrong")
    wrong.wait_event("ended", cause="connectionFailed")
    with pytest.raises(AssertionError, match="no established"):
        wrong.wait_event("established", seconds=4)


def test_the_router_reads_why_we_leave(bench: Bench) -> None:
    bench.router()
    node = bench.node(announce={V4: {}})
    node.wait_event("established")
    wait_routes(bench, V4)
    node.stop("node is drained for maintenance")
    wait_routes(bench)
    wait_until(lambda: "node is drained for maintenance" in bench.log(), what="the text is in the log")


def test_draining_marks_the_routes(bench: Bench) -> None:
    bench.router()
    node = bench.node(announce={V4: {}})
    node.wait_event("established")
    wait_routes(bench, V4)
    node.drain()
    words = {"65535:0", "graceful-shutdown", "GRACEFUL_SHUTDOWN", "gracefulShutdown"}
    wait_until(lambda: words & set(bench.routes()[V4].communities), what="65535:0 is on the route")


def test_a_silent_node_is_dropped_after_the_hold_time(bench: Bench) -> None:
    bench.router(hold_time=3)
    node = bench.node(announce={V4: {}})
    node.wait_event("established", hold=3)
    wait_routes(bench, V4)
    node.freeze()
    started = time.monotonic()
    wait_routes(bench)
    assert time.monotonic() - started < 8


def test_a_silent_router_is_dropped_after_the_hold_time(bench: Bench) -> None:
    bench.router(hold_time=3)
    node = bench.node(announce={V4: {}})
    node.wait_event("established", hold=3)
    wait_routes(bench, V4)
    bench.container.signal(signal.SIGSTOP)
    ended = node.wait_event("ended", seconds=8)
    assert ended["notification"] == "hold timer expired"


def test_routes_survive_a_restart_of_the_speaker(bench: Bench) -> None:
    if not bench.daemon.restarts:
        pytest.skip(f"{bench.daemon.name} keeps no routes, so none over a restart")
    bench.router(restart=True)
    restart = {"time": 60, "restarted": False, "forwarding_preserved": True}
    first = bench.node(announce={V4: {}, V4_OTHER: {}, V6: {}}, restart=restart)
    first.wait_event("established")
    wait_routes(bench, V4, V4_OTHER, V6)
    first.kill()
    time.sleep(1.0)
    assert set(bench.routes()) == {V4, V4_OTHER, V6}
    second = bench.node(announce={V4: {}, V6: {}}, restart=restart | {"restarted": True})
    second.wait_event("established")
    wait_routes(bench, V4, V6)


def test_routes_go_when_the_data_plane_was_lost(bench: Bench) -> None:
    if not bench.daemon.restarts:
        pytest.skip(f"{bench.daemon.name} keeps no routes, so none over a restart")
    bench.router(restart=True)
    restart = {"time": 60, "restarted": False, "forwarding_preserved": True}
    first = bench.node(announce={V4: {}, V6: {}}, restart=restart)
    first.wait_event("established")
    wait_routes(bench, V4, V6)
    first.kill()
    lost = {"time": 60, "restarted": True, "forwarding_preserved": False}
    bench.node(announce={}, restart=lost).wait_event("established")
    wait_routes(bench, seconds=10)
