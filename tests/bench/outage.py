"""How long the client is without answers when a worker dies and says nothing, with the BGP hold time at its minimum.

A probe on the client asks every 50 ms, each time by a new connection. The Service's traffic policy is Local: what is
measured is how fast the route through the dead worker goes away.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from tests.bench.inside import enter, kubectl, on
from tests.bench.report import Figure, publish
from tests.e2e.outage import watched
from tests.lifecycle.conftest import Lab, write_lab

FAULTS = {"freeze": "frozen", "link-down": "unplugged", "kill": "without power"}
RUNS = 3
VICTIM = "k8s-worker3"
HOLD_TIME = 3.0
PATIENCE = 60.0
LOCAL = '--overrides={"spec": {"externalTrafficPolicy": "Local"}}'


def until(claim: Callable[[], bool]) -> None:
    """Wait until `claim` holds. Raises TimeoutError after a minute."""
    deadline = time.monotonic() + PATIENCE
    while not claim():
        if time.monotonic() > deadline:
            raise TimeoutError(claim)
        time.sleep(0.2)


def outage(lab: Lab, fault: str, address: str) -> float:
    """Break the worker and mend it; returns the longest time without answers, in seconds, after it broke."""

    def next_hops(number: int) -> Callable[[], bool]:
        return lambda: on(lab, "router", "ip", "route", "show", address).count("via") == number

    until(next_hops(3))
    with watched(lambda argv: enter(lab, "client", *argv), ip_address(address)) as seen:
        lab("fault", fault, VICTIM)
        until(next_hops(2))
        time.sleep(1)
    lab("fault", "undo", VICTIM)
    until(next_hops(3))
    return round(seen.longest, 2)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        lab = write_lab(Path(scratch), name="outage")
        try:
            lab("up")
            address = serve(lab)
            longest = {fault: [outage(lab, fault, address) for _ in range(RUNS)] for fault in FAULTS}
        finally:
            lab("down")
    publish(
        "outage at the client, BGP hold time 3 s, no BFD",
        [
            Figure(name=f"a worker of three {FAULTS[fault]}", unit="s", target=HOLD_TIME, runs=tuple(runs))
            for fault, runs in longest.items()
        ],
    )


def serve(lab: Lab) -> str:
    """Deploy a pod on each worker behind an external address; returns the address once it answers."""
    kubectl(lab, "create", "deployment", "web", "--image=nginx", "--replicas=3")
    kubectl(lab, "wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
    kubectl(lab, "expose", "deployment", "web", "--type=LoadBalancer", "--port=80", LOCAL)
    path = "--output=jsonpath={.status.loadBalancer.ingress[0].ip}"
    until(lambda: bool(kubectl(lab, "get", "service", "web", path)))
    address = kubectl(lab, "get", "service", "web", path)
    curl = enter(lab, "client", "curl", "--silent", "--fail", "--max-time", "1", f"http://{address}/")
    until(lambda: subprocess.run(curl, capture_output=True, timeout=30, check=False).returncode == 0)
    return address


if __name__ == "__main__":
    main()
