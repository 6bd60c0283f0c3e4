"""From a Service's creation to its route in the router's kernel, on the default lab, as the router's kernel tells it.

The machines share this host's clock, so times read on different machines can be compared.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from tests.bench.report import Figure, publish
from tests.lifecycle.conftest import Lab, write_lab

ONE_BY_ONE = 50
AT_ONCE = 250
"""The default pool has 254 addresses."""
SETTLE = 60.0

CREATE = r"""
import asyncio, json, sys, time
sys.path.insert(0, "/usr/lib/lab")
from lab.kube.client import Client
from lab.kube.config import load_config
from lab.kube.resources import SERVICES

prefix, count, gap = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

def service(number):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"{prefix}{number}", "namespace": "default"},
            "spec": {"type": "LoadBalancer", "selector": {"app": "nginx"}, "ports": [{"port": 80}]}}

async def main():
    created, begun = {}, time.time()
    async with Client(load_config("/etc/kubernetes/admin.conf")) as client:
        async def one(number):
            created[f"{prefix}{number}"] = time.time()
            await client.create(SERVICES, service(number))
        if gap:
            for number in range(count):
                await one(number)
                await asyncio.sleep(gap)
        else:
            gate = asyncio.Semaphore(32)
            async def gated(number):
                async with gate:
                    await one(number)
            await asyncio.gather(*map(gated, range(count)))
        deadline, addresses = time.time() + 60, {}
        while len(addresses) < count and time.time() < deadline:
            await asyncio.sleep(0.2)
            for item in (await client.list(SERVICES, namespace="default")).items:
                ingress = item.get("status", {}).get("loadBalancer", {}).get("ingress")
                if ingress and item["metadata"]["name"].startswith(prefix):
                    addresses[item["metadata"]["name"]] = ingress[0]["ip"]
        print(json.dumps({"begun": begun, "created": created, "addresses": addresses}))

asyncio.run(main())
"""
STAMP = re.compile(r"\[(\S+)\] (Deleted )?(172\.16\.\S+)")


def enter(lab: Lab, machine: str, *argv: str) -> list[str]:
    return [sys.executable, "-m", "lab.cli", "exec", "--file", str(lab.file), machine, "--", *argv]


def create(lab: Lab, prefix: str, count: int, *, gap: float) -> tuple[dict[str, float], float]:
    """Create Services; returns the seconds until each one's route was in the router's kernel, and until all were."""
    with tempfile.TemporaryFile("w+") as seen:
        monitor = subprocess.Popen(
            enter(lab, "router", "ip", "-timestamp", "-tshort", "monitor", "route"), stdout=seen
        )
        try:
            time.sleep(1)
            argv = enter(lab, "k8s-master", "python3", "-", prefix, str(count), str(gap))
            done = subprocess.run(argv, input=CREATE, capture_output=True, text=True, check=True, timeout=300)
            told = json.loads(done.stdout)
            arrived = wait_for_routes(seen, set(told["addresses"].values()))
        finally:
            monitor.terminate()
            monitor.wait(timeout=10)
    delays = {
        name: arrived[address] - told["created"][name]
        for name, address in told["addresses"].items()
        if address in arrived
    }
    if len(delays) < count:
        print(f"{prefix}: only {len(delays)} of {count} routes were seen", file=sys.stderr)
    last = max(arrived[address] for address in told["addresses"].values() if address in arrived)
    return delays, last - told["begun"]


def wait_for_routes(seen: IO[str], addresses: set[str]) -> dict[str, float]:
    """Return when each route was first seen; not before all were, or a minute is over."""
    deadline = time.monotonic() + SETTLE
    while True:
        seen.seek(0)
        arrived = first_seen(seen.read())
        if addresses <= set(arrived) or time.monotonic() > deadline:
            return arrived
        time.sleep(0.2)


def first_seen(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for stamp, deleted, address in STAMP.findall(text):
        if not deleted:
            moment = time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")
            found.setdefault(address, time.mktime(moment) + float(f"0{stamp[19:]}"))
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        lab = write_lab(Path(scratch), name="latency")
        try:
            lab("up")
            lab.run(
                [
                    "ssh",
                    "--file",
                    str(lab.file),
                    "client",
                    "-c",
                    "kubectl create deploy nginx --image=nginx --replicas=3 && kubectl wait --for=condition=Available deploy/nginx --timeout=60s",
                ]
            )
            one_by_one, _ = create(lab, "one", ONE_BY_ONE, gap=0.2)
            lab.run(
                ["ssh", "--file", str(lab.file), "client", "-c", "kubectl delete service -l '!component'"]
            )
            time.sleep(5)
            _, all_of_them = create(lab, "all", AT_ONCE, gap=0)
        finally:
            lab("down")
    milliseconds = sorted(round(delay * 1000, 1) for delay in one_by_one.values())
    p99 = milliseconds[int(len(milliseconds) * 0.99)]
    publish(
        "Service to route",
        [
            Figure(
                name="Service created → route in the router's kernel, p50",
                unit="ms",
                target=50,
                runs=tuple(milliseconds),
            ),
            Figure(
                name="Service created → route in the router's kernel, p99", unit="ms", target=200, runs=(p99,)
            ),
            Figure(
                name=f"{AT_ONCE} Services at once → all routes",
                unit="s",
                target=3,
                runs=(round(all_of_them, 2),),
            ),
        ],
    )


if __name__ == "__main__":
    main()
