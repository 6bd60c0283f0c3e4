"""How long it takes to give addresses to 10,000 Services, and what changes cost then.

Figures are seconds of CPU time of this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_network

from lab.balancer.allocator import Allocator
from lab.balancer.model import Family, Pool, PoolName
from lab.balancer.service import Port, Service
from lab.kube.resources import ObjectKey
from tests.bench.report import Figure, publish

NUMBER = 10_000
ROUNDS = 3
POOLS = [
    Pool(name=PoolName("big"), prefixes=(ip_network("10.0.0.0/8"), ip_network("fd00::/64"))),
    Pool(name=PoolName("small"), prefixes=(ip_network("192.168.0.0/24"),), auto_assign=False),
]
CHOICES = [(Family.IPV4,)]


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return round(time.process_time() - start, 4)


def services(*, sharing: bool) -> list[Service]:
    annotations = {"metallb.io/allow-shared-ip": "one"} if sharing else {}
    return [
        Service(
            key=ObjectKey("default", f"s{number}"),
            ports=frozenset({Port("TCP", number + 1)}),
            annotations=annotations,
        )
        for number in range(NUMBER)
    ]


def measure() -> dict[str, float]:
    allocator = Allocator()
    allocator.set_pools(POOLS)
    wanting = services(sharing=False)
    shared = Allocator()
    shared.set_pools(POOLS)
    sharers = services(sharing=True)[:1000]
    return {
        "give 10,000 addresses": seconds(lambda: [allocator.allocate(s, CHOICES) for s in wanting]),
        "give them again": seconds(lambda: [allocator.allocate(s, CHOICES) for s in wanting]),
        "free and give 5,000": seconds(
            lambda: [(allocator.release(s.key), allocator.allocate(s, CHOICES)) for s in wanting[::2]]
        ),
        "take over changed pools": seconds(lambda: allocator.set_pools(POOLS[:1])),
        "free 10,000": seconds(lambda: [allocator.release(s.key) for s in wanting]),
        "give 10,000 pairs": seconds(lambda: [allocator.allocate(s, [tuple(Family)]) for s in wanting]),
        "share one address among 1,000": seconds(lambda: [shared.allocate(s, CHOICES) for s in sharers]),
    }


def main() -> None:
    rounds = [measure() for _ in range(ROUNDS)]
    publish(
        "allocator",
        [
            Figure(name=name, unit="s", target=1.0, runs=tuple(figures[name] for figures in rounds))
            for name in rounds[0]
        ],
    )


if __name__ == "__main__":
    main()
