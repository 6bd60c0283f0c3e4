"""How long the Debian base takes to build, into a cache of its own."""

from __future__ import annotations

import os
import tempfile
import time

from lab.machines.containers import base
from tests.bench.report import Figure, publish


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["LAB_CACHE_DIR"] = scratch
        begun = time.monotonic()
        base.build(lambda line: None)
        seconds = round(time.monotonic() - begun, 1)
    publish("base", [Figure(name="base build, packages from a mirror", unit="s", target=60, runs=(seconds,))])


if __name__ == "__main__":
    main()
