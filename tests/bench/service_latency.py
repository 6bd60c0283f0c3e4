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

from tests.bench.inside import enter, kubectl
from tests.bench.report import Figure, publish
from tests.lifecycle.conftest import Lab, write_lab

ONE_BY_ONE = 50
AT_ONCE = {1000: 3.0, 10000: 30.0}
"""How many Services are created at once, and how many seconds all their routes may take."""
POOL = "198.18.0.0/17"
"""Enough addresses, of those that RFC 2544 keeps for benchmarks."""
PATIENCE = 120.0
CREATE = Path(__file__).with_name("inside") / "create_services.py"

STAMP = re.compile(r"\[(\S+)\] (Deleted )?(198\.18\.\S+)")


def create(lab: Lab, prefix: str, count: int, *, gap: float) -> tuple[dict[str, float], float]:
    """Create Services; returns the seconds until each one's route was in the router's kernel, and until all were."""
    with tempfile.NamedTemporaryFile("w") as written, Path(written.name).open() as seen:
        monitor = subprocess.Popen(
            enter(lab, "router", "ip", "-timestamp", "-tshort", "monitor", "route"), stdout=written
        )
        try:
            time.sleep(1)
            argv = enter(lab, "k8s-master", "python3", "-", prefix, str(count), str(gap))
            done = subprocess.run(
                argv, input=CREATE.read_text(), capture_output=True, text=True, check=False, timeout=300
            )
            if done.returncode != 0:
                sys.exit(done.stderr)
            told = json.loads(done.stdout)
            arrived = wait_for_routes(seen, count)
        finally:
            monitor.terminate()
            monitor.wait(timeout=10)
    given = addresses(lab)
    routed = {name: arrived[given[name]] for name in told["created"] if given.get(name) in arrived}
    if len(routed) < count:
        sys.exit(f"{prefix}: only {len(routed)} of {count} routes were seen")
    delays = {name: at - told["created"][name] for name, at in routed.items()}
    return delays, max(routed.values()) - told["begun"]


def wait_for_routes(seen: IO[str], count: int) -> dict[str, float]:
    """Return when each route was first seen; not before so many were, or two minutes are over."""
    deadline = time.monotonic() + PATIENCE
    arrived: dict[str, float] = {}
    begun = ""
    while len(arrived) < count and time.monotonic() < deadline:
        time.sleep(0.5)
        *lines, begun = f"{begun}{seen.read()}".split("\n")
        for line in lines:
            take(line, arrived)
    return arrived


def addresses(lab: Lab) -> dict[str, str]:
    """Return the address of each Service. Asked once, afterwards: to list thousands keeps the server from its work."""
    form = "{range .items[*]}{.metadata.name} {.status.loadBalancer.ingress[0].ip}{'\\n'}{end}"
    lines = kubectl(lab, "get", "services", f"--output=jsonpath={form}").splitlines()
    return dict(line.split() for line in lines if len(line.split()) == 2)


def take(line: str, arrived: dict[str, float]) -> None:
    """Note the moment of a line that tells of a route, if it is the first of its address."""
    if (told := STAMP.search(line)) and not told[2]:
        moment = time.strptime(told[1][:19], "%Y-%m-%dT%H:%M:%S")
        arrived.setdefault(told[3], time.mktime(moment) + float(f"0{told[1][19:]}"))


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        lab = write_lab(Path(scratch), name="latency", pool=POOL)
        try:
            lab("up")
            kubectl(lab, "create", "deployment", "nginx", "--image=nginx", "--replicas=3")
            kubectl(lab, "wait", "--for=condition=Available", "deployment/nginx", "--timeout=60s")
            one_by_one, _ = create(lab, "one", ONE_BY_ONE, gap=0.2)
            all_of_them = {}
            for count in AT_ONCE:
                kubectl(lab, "delete", "services", "--selector=!component")
                time.sleep(10)
                _, all_of_them[count] = create(lab, f"of-{count}-", count, gap=0)
                print(f"{count} Services: {all_of_them[count]:.2f} s", file=sys.stderr)
        finally:
            lab("down")
    milliseconds = sorted(round(delay * 1000, 1) for delay in one_by_one.values())
    p99 = milliseconds[int(len(milliseconds) * 0.99)]
    way = "Service created → route in the router's kernel"
    publish(
        "Service to route",
        [
            Figure(name=f"{way}, p50", unit="ms", target=50, runs=tuple(milliseconds)),
            Figure(name=f"{way}, p99", unit="ms", target=200, runs=(p99,)),
            *(
                Figure(
                    name=f"{count:,} Services at once → all routes",
                    unit="s",
                    target=AT_ONCE[count],
                    runs=(round(seconds, 2),),
                )
                for count, seconds in all_of_them.items()
            ),
        ],
    )


if __name__ == "__main__":
    main()
