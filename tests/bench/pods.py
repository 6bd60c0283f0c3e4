"""How long a pod takes from its creation to Ready, and a Deployment of three to be available; prints JSON.

python -m tests.bench.pods --kubeconfig FILE        (any cluster with an image nginx)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable

from lab.kube.client import Client
from lab.kube.config import load_config
from lab.kube.resources import DEPLOYMENTS, PODS, Json, Resource

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
    deployment = await until(client, DEPLOYMENTS, body, is_available)
    return {
        "pod_ready_ms": {"median": round(statistics.median(pods)), "max": round(max(pods))},
        "deployment_of_3_available_ms": round(deployment),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", default="")
    async with Client(load_config(parser.parse_args().kubeconfig)) as client:
        json.dump({"bench": "pods", **await measure(client)}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    asyncio.run(main())
