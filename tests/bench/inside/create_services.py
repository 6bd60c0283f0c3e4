"""Create Services and tell when; runs on the control plane, with the library that its programs have.

usage: create_services.py PREFIX COUNT GAP: COUNT Services PREFIX0.., one every GAP seconds or, if that is 0, all at once.
Prints when it began, and when each was asked for.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

sys.path.insert(0, "/usr/lib/lab")

from lab.kube.client import Client
from lab.kube.config import load_config
from lab.kube.resources import SERVICES

ADMIN_CONFIG = "/etc/kubernetes/admin.conf"
CONNECTIONS = 32


def service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "nginx"},
            "ports": [{"port": 80}],
            "allocateLoadBalancerNodePorts": False,  # there are but 2,768
        },
    }


async def create(client: Client, names: list[str], gap: float) -> dict[str, float]:
    """Return when each was asked for."""
    created: dict[str, float] = {}
    gate = asyncio.Semaphore(CONNECTIONS)

    async def one(name: str) -> None:
        async with gate:
            created[name] = time.time()
            await client.create(SERVICES, service(name))

    if gap:
        for name in names:
            await one(name)
            await asyncio.sleep(gap)
    else:
        await asyncio.gather(*map(one, names))
    return created


async def main(prefix: str, count: int, gap: float) -> None:
    names = [f"{prefix}{number}" for number in range(count)]
    async with Client(load_config(ADMIN_CONFIG)) as client:
        begun = time.time()
        created = await create(client, names, gap)
    print(json.dumps({"begun": begun, "created": created}))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
