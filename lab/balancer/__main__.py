"""`python -m lab.balancer COMMAND`: each command is a program of its own and imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Final

from lab.errors import LabError

COMMANDS: Final = {
    "controller": "lab.balancer.controller.main",
    "explain": "lab.balancer.explain",
    "speaker": "lab.balancer.speaker.main",
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m lab.balancer {{{','.join(COMMANDS)}}} …\n")
        return 2
    try:
        code: int = importlib.import_module(COMMANDS[arguments[0]]).main(arguments[1:])
    except LabError as error:
        sys.stderr.write(f"{error.message}\n" + (f"  {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
