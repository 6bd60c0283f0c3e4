"""From a clone to the client's answer: `make lab-up` as somebody types it who has never had a lab.

An empty home, so no cache, and an environment of PATH and HOME alone. What is installed in the system stays installed: the
packages that `make setup` would fetch count only on a machine that lacks them. Python's packages and Debian's come from
whatever mirrors the machine uses.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.report import Figure, publish
from tests.lifecycle.conftest import ROOT, write_lab

TIMEOUT = 1200.0


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        clone, home = Path(scratch, "lab"), Path(scratch, "home")
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=TIMEOUT)
        file = write_lab(Path(scratch, "topology"), name="fresh").file
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

        def make(target: str) -> None:
            argv = ["make", target, f"FILE={file}"]
            subprocess.run(
                argv, cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=TIMEOUT
            )

        begun = time.monotonic()
        try:
            make("lab-up")
            seconds = round(time.monotonic() - begun, 1)
        finally:
            make("lab-down")
    publish("fresh clone", [Figure(name="first make lab-up", unit="s", target=240, runs=(seconds,))])


if __name__ == "__main__":
    main()
