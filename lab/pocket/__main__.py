"""One door to the programs of the embedded Kubernetes: `python -m lab.pocket PROGRAM …`, each its own process."""

from __future__ import annotations

import importlib
import sys
from typing import Final

from lab.errors import LabError

PROGRAMS: Final = {
    "dns": "lab.pocket.dns.main",
    "agent": "lab.pocket.agent.main",
    "controllers": "lab.pocket.controllers.main",
    "image": "lab.pocket.agent.image_main",
    "kubeconfig": "lab.pocket.kubeconfig",
    "proxy": "lab.pocket.proxy.main",
    "server": "lab.pocket.apiserver.main",
}


def main() -> None:
    """Run the program that the first argument names."""
    name, *rest = sys.argv[1:] or [""]
    if name not in PROGRAMS:
        sys.exit(f"usage: python -m lab.pocket {{{','.join(PROGRAMS)}}} …")
    try:
        importlib.import_module(PROGRAMS[name]).main(rest)
    except LabError as error:
        sys.exit(f"{name}: {error.message}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
