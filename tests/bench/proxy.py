"""How long the proxy takes to plan and to load a change, in a network namespace of its own.

Needs root and iptables.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time

from lab.kube.resources import Json, ObjectKey
from lab.pocket.proxy.chains import Node
from lab.pocket.proxy.iptables import Iptables
from lab.pocket.proxy.model import Family
from lab.pocket.proxy.plan import Plan
from tests.bench.report import Figure, publish

SIZES = {100: 50.0, 1000: None, 5000: 500.0}
"""How many Services there are, and how many milliseconds a change may take."""
REPEATS = 5
INSIDE = "in-a-namespace-of-its-own"


def service(index: int) -> Json:
    high, low = divmod(index, 250)
    return {
        "metadata": {"namespace": "default", "name": f"web{index}"},
        "spec": {
            "type": "LoadBalancer",
            "clusterIPs": [f"10.96.{high}.{low + 1}"],
            "ports": [{"name": "http", "port": 80, "nodePort": 30000 + index % 2700}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": f"172.16.{high}.{low + 1}"}]}},
    }


def endpoint_slice(index: int, endpoints: int) -> Json:
    addresses = [f"10.244.{index // 60}.{index % 60 * 4 + each + 1}" for each in range(endpoints)]
    return {
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in addresses],
    }


async def measure(size: int) -> list[Figure]:
    plan, tables = Plan(Family.IPV4, "worker1"), Iptables(Family.IPV4)
    plan.set_node(Node("10.0.0.51", "10.244.0.0/16"))

    async def apply(index: int, endpoints: int) -> float:
        began = time.perf_counter()
        new = service(index) if endpoints else None
        plan.update(ObjectKey("default", f"web{index}"), new, [endpoint_slice(index, endpoints)])
        await tables.apply(plan.rule_set())
        return milliseconds(began)

    began = time.perf_counter()
    for index in range(size):
        plan.update(ObjectKey("default", f"web{index}"), service(index), [endpoint_slice(index, 3)])
    await tables.apply(plan.rule_set())
    full = milliseconds(began)
    changes = {
        "an endpoint less": [await apply(7, 2 + each % 2) for each in range(REPEATS)],
        "a Service more": [await apply(size + each, 3) for each in range(REPEATS)],
        "a Service less": [await apply(size + each, 0) for each in range(REPEATS)],
    }
    await tables.remove()
    return [
        Figure(name=f"{size:,} Services, first time", unit="ms", runs=(full,)),
        *(
            Figure(name=f"{size:,} Services, {name}", unit="ms", target=SIZES[size], runs=tuple(runs))
            for name, runs in changes.items()
        ),
    ]


def milliseconds(began: float) -> float:
    return round((time.perf_counter() - began) * 1e3, 1)


async def main() -> None:
    figures = [figure for size in SIZES for figure in await measure(size)]
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    publish("service proxy", [*figures, Figure(name="resident at most", unit="MiB", runs=(resident,))])


if __name__ == "__main__":
    if INSIDE in sys.argv:
        asyncio.run(main())
    else:  # never the host's own rules
        argv = ["unshare", "--net", sys.executable, "-m", "tests.bench.proxy", INSIDE]
        sys.exit(subprocess.run(argv, check=False).returncode)
