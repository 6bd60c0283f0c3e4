"""Create Services and tell when; runs on the control plane, with the library that its programs have.

usage: create_services.py PREFIX COUNT GAP PATIENCE: COUNT Services PREFIX0.., one every GAP seconds or, if that is 0, all
at once. Prints when it began, when each was created and which address each has got within PATIENCE seconds.
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


async def addresses(client: Client, names: set[str], patience: float) -> dict[str, str]:
    """Return the address of each, once all have one or time is up."""
    found: dict[str, str] = {}
    deadline = time.monotonic() + patience
    while len(found) < len(names) and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        for item in (await client.list(SERVICES, namespace="default")).items:
            given = item.get("status", {}).get("loadBalancer", {}).get("ingress")
            if given and item["metadata"]["name"] in names:
                found[item["metadata"]["name"]] = given[0]["ip"]
    return found


async def main(prefix: str, count: int, gap: float, patience: float) -> None:
    names = [f"{prefix}{number}" for number in range(count)]
    async with Client(load_config(ADMIN_CONFIG)) as client:
        begun = time.time()
        created = await create(client, names, gap)
        given = await addresses(client, set(names), patience)
    print(json.dumps({"begun": begun, "created": created, "addresses": given}))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
