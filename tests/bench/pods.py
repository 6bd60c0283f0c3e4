"""How long a pod takes from its creation to Ready, and a Deployment of three to be available, on the default lab."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from tests.bench.inside import TIMEOUT, enter
from tests.bench.report import Figure, publish
from tests.lifecycle.conftest import write_lab

START = Path(__file__).with_name("inside") / "start_pods.py"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        lab = write_lab(Path(scratch), name="pods")
        try:
            lab("up")
            argv = enter(lab, "k8s-master", "python3", "-")
            done = subprocess.run(
                argv, input=START.read_text(), capture_output=True, text=True, check=True, timeout=TIMEOUT
            )
        finally:
            lab("down")
    told = {
        name: tuple(round(run / 1e3, 3) for run in runs) for name, runs in json.loads(done.stdout).items()
    }
    publish(
        "pods",
        [
            Figure(name="a pod created → ready", unit="s", target=0.5, runs=told["pod"]),
            Figure(name="a Deployment of 3 nginx → available", unit="s", target=2, runs=told["deployment"]),
        ],
    )


if __name__ == "__main__":
    main()
