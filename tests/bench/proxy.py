"""How long the proxy takes to plan and to load a change, in a network namespace of its own; prints JSON.

unshare --net python -m tests.bench.proxy        (root; iptables)
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import sys
import time
from typing import Any

from lab.kube.resources import Json, ObjectKey
from lab.pocket.proxy.chains import Node
from lab.pocket.proxy.iptables import Iptables
from lab.pocket.proxy.model import Family
from lab.pocket.proxy.plan import Plan

SIZES = (100, 1000, 5000)
REPEATS = 5


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


async def measure(size: int) -> dict[str, Any]:
    plan, tables = Plan(Family.IPV4, "worker1"), Iptables(Family.IPV4)
    plan.set_node(Node("10.0.0.51", "10.244.0.0/16"))

    async def apply(index: int, endpoints: int) -> float:
        began = time.perf_counter()
        new = service(index) if endpoints else None
        plan.update(ObjectKey("default", f"web{index}"), new, [endpoint_slice(index, endpoints)])
        await tables.apply(plan.rule_set())
        return time.perf_counter() - began

    began = time.perf_counter()
    for index in range(size):
        plan.update(ObjectKey("default", f"web{index}"), service(index), [endpoint_slice(index, 3)])
    await tables.apply(plan.rule_set())
    full = time.perf_counter() - began
    changes = {
        "endpoint_removed": [await apply(7, 2 + each % 2) for each in range(REPEATS)],
        "service_added": [await apply(size + each, 3) for each in range(REPEATS)],
        "service_removed": [await apply(size + each, 0) for each in range(REPEATS)],
    }
    await tables.remove()
    medians = {f"{name}_ms": round(statistics.median(times) * 1e3, 1) for name, times in changes.items()}
    return {"services": size, "first_load_ms": round(full * 1e3, 1), **medians}


async def main() -> None:
    rows = [await measure(size) for size in SIZES]
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    json.dump({"bench": "proxy", "rows": rows, "peak_resident_mib": resident}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    asyncio.run(main())
