"""The load balancer's image: how long it takes to build of the base, how large it is, and whether each build is the same."""

from __future__ import annotations

import gzip
import hashlib
import sys
import time

from lab.actions import balancer_image
from lab.machines.containers import base
from tests.bench.report import Figure, publish

RUNS = 5


def main() -> None:
    found = base.find()
    if found is None:
        sys.exit("no base of machine containers was built")
    seconds, digests, archive = [], set(), b""
    for _ in range(RUNS):
        begun = time.monotonic()
        archive = balancer_image.build(found.tree)
        seconds.append(round(time.monotonic() - begun, 2))
        digests.add(hashlib.sha256(archive).hexdigest())
    compressed = len(gzip.compress(archive, compresslevel=6))
    publish(
        "image",
        [
            Figure(name="image build, base known", unit="s", target=5, runs=tuple(seconds)),
            Figure(name="image archive", unit="MiB", target=48, runs=(round(len(archive) / 2**20, 1),)),
            Figure(name="image archive, gzip", unit="MiB", target=20, runs=(round(compressed / 2**20, 1),)),
            Figure(name=f"different images of {RUNS} builds", unit="", target=1, runs=(len(digests),)),
        ],
    )


if __name__ == "__main__":
    main()
