"""Run every benchmark, one after another: `python -m tests.bench [NAME ...]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NOT_BENCHMARKS = {"__init__", "__main__", "report"}


def main() -> None:
    found = sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - NOT_BENCHMARKS)
    for name in sys.argv[1:] or found:
        done = subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=False)
        if done.returncode != 0:
            print(f"{name}: not measured (exit code {done.returncode})", file=sys.stderr)


main()
