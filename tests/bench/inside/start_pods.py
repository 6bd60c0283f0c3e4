"""Tell how long pods take to be ready; runs on the control plane, with the library that its programs have.

Prints the milliseconds from creation to Ready of one pod after another, and to available of a Deployment of three.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable

sys.path.insert(0, "/usr/lib/lab")

from lab.kube.client import Client
from lab.kube.config import load_config
from lab.kube.resources import DEPLOYMENTS, PODS, Json, Resource

ADMIN_CONFIG = "/etc/kubernetes/admin.conf"
REPEATS = 10
PATIENCE = 60
NAMESPACE = "default"
SPEC: Json = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": "nginx"}]}


def is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def is_available(deployment: Json) -> bool:
    return bool(
        (deployment.get("status") or {}).get("availableReplicas", 0) == deployment["spec"]["replicas"]
    )


async def until(client: Client, resource: Resource, body: Json, done: Callable[[Json], bool]) -> float:
    """Create an object, wait until it is `done`, delete it; return the milliseconds in between."""
    began = time.perf_counter()
    made = await client.create(resource, body)
    name, version = made["metadata"]["name"], made["metadata"]["resourceVersion"]
    watching = client.watch(
        resource, resource_version=version, namespace=NAMESPACE, fields=f"metadata.name={name}"
    )
    try:
        async with asyncio.timeout(PATIENCE), watching as events:
            async for event in events:
                if done(event["object"]):
                    break
        return (time.perf_counter() - began) * 1e3
    finally:
        await client.delete(resource, name, namespace=NAMESPACE, propagation="Background")


async def measure(client: Client) -> Json:
    stamp = int(time.time())
    pods = [
        await until(
            client,
            PODS,
            {"metadata": {"name": f"bench-{stamp}-{n}", "namespace": NAMESPACE}, "spec": SPEC},
            is_ready,
        )
        for n in range(REPEATS)
    ]
    labels = {"app": f"bench-{stamp}"}
    spec = {
        "replicas": 3,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": SPEC},
    }
    body = {"metadata": {"name": f"bench-{stamp}", "namespace": NAMESPACE}, "spec": spec}
    deployments = [await until(client, DEPLOYMENTS, body, is_available)]
    return {"pod": pods, "deployment": deployments}


async def main() -> None:
    async with Client(load_config(ADMIN_CONFIG)) as client:
        print(json.dumps(await measure(client)))


asyncio.run(main())
