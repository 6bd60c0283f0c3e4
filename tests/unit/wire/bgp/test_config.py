from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from lab.wire.bgp import Asn, Restart, SessionConfig
from lab.wire.bgp.timers import Timer, Timers, backoff

GOOD: dict[str, Any] = {"local_asn": Asn(1), "peer_asn": Asn(2), "router_id": IPv4Address("10.0.0.1")}
BAD: list[dict[str, Any]] = [
    {"hold_time": 1},
    {"hold_time": 65536},
    {"hold_time": 9, "keepalive_time": 10},
    {"graceful_restart": Restart(time=4096)},
    {"families": frozenset()},
    {"router_id": IPv4Address(0)},
]


@pytest.mark.parametrize("change", BAD, ids=str)
def test_values_outside_their_bounds_are_refused(change) -> None:
    SessionConfig(**GOOD)
    with pytest.raises(ValueError):
        SessionConfig(**(GOOD | change))


@pytest.mark.parametrize(
    ("retries", "expected"), [(0, 1.0), (1, 1.0), (2, 2.0), (4, 8.0), (5, 10.0), (10**9, 10.0)]
)
def test_backoff_doubles_up_to_a_limit(retries, expected) -> None:
    assert backoff(retries, longest=10.0, jitter=1.0) == expected


def test_timers_expire_in_order_and_once() -> None:
    timers = Timers()
    timers.start(Timer.HOLD, 9.0)
    timers.start(Timer.KEEPALIVE, 3.0)
    timers.start(Timer.CONNECT_RETRY, 20.0)
    assert timers.next_deadline == 3.0
    assert timers.expired(10.0) == [Timer.KEEPALIVE, Timer.HOLD]
    assert timers.expired(10.0) == []
    assert timers.is_running(Timer.CONNECT_RETRY)
