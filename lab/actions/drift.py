"""What was changed by hand: every file that the roles wrote, and every kernel setting in them, compared with a record.

The record lies on the machine that it is about, so it goes where the machine's configuration goes: into kept layers,
onto the disks of virtual machines. It has the format of sha256sum(1).
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from lab.actions.steps import Context
from lab.errors import LabError
from lab.kits.shell import run
from lab.topology.model import MachineName

RECORD: Final = "/var/lib/lab/configured.sha256"
TIMEOUT: Final = 120.0
"""Seconds: under emulation it takes some to read three hundred files."""
WRITE: Final = 'mkdir -p "$(dirname "$0")" && xargs -d "\\n" sha256sum -- > "$0"'
COMPARE: Final = """
[ -s "$0" ] || { echo "$0: gone"; exit; }
sha256sum --check --quiet "$0" 2>/dev/null
cut -c 67- "$0" | grep '^/etc/sysctl.d/' | xargs -r grep -hs '^[a-z]' | while read -r key _ value; do
    [ "$(sysctl -n "$key")" = "$value" ] || echo "$key: is not $value"
done
"""


def record(context: Context, machine: MachineName, files: Collection[str]) -> None:
    """Note on the machine what the files have in them now."""
    if not files:
        return
    enter = context.enter(machine, "sh", "-c", WRITE, RECORD)
    run(enter, stdin="".join(f"{path}\n" for path in sorted(files)), timeout=TIMEOUT)


def changed_by_hand(context: Context, machines: Iterable[MachineName]) -> Mapping[MachineName, Sequence[str]]:
    """Return, for each machine that is not as it was configured, the files and kernel settings that differ."""
    names = list(machines)
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = pool.map(lambda name: _differences(context, name), names)
        return {name: lines for name, lines in zip(names, found, strict=True) if lines}


def _differences(context: Context, machine: MachineName) -> list[str]:
    """A machine that cannot be asked is not this question's business."""
    try:
        enter = context.enter(machine, "sh", "-c", COMPARE, RECORD)
        done = subprocess.run(enter, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (LabError, subprocess.TimeoutExpired):
        return []
    return [line.partition(": ")[0] for line in done.stdout.splitlines()]
