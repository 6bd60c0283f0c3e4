"""What a lab could leave behind on this host, counted."""

from __future__ import annotations

import subprocess
from pathlib import Path


def leftovers(lab: str) -> dict[str, list[str]]:
    """Return everything on this host that carries the lab's mark: empty lists when it left nothing."""
    return {
        "processes": _processes(lab),
        "control groups": [str(p) for p in Path("/sys/fs/cgroup").glob(f"**/lab-{lab}")],
        "mounts": [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"/{lab}/" in line],
        "run directories": [str(p) for p in [Path("/run/lab", lab)] if p.exists()],
    }


def host_network() -> tuple[list[str], list[str]]:
    """Return this host's links and network namespaces with names: a lab must change neither."""
    links = _lines(["ip", "-brief", "link"])
    return sorted(line.split()[0] for line in links), sorted(_lines(["ip", "netns", "list"]))


def namespaces() -> set[str]:
    """Return every network, mount and PID namespace that some process is in."""
    found = set()
    for kind in ("net", "mnt", "pid"):
        for link in Path("/proc").glob(f"[0-9]*/ns/{kind}"):
            try:
                found.add(str(link.readlink()))
            except OSError:
                continue  # the process ended meanwhile
    return found


def _processes(lab: str) -> list[str]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            groups = (directory / "cgroup").read_text()
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"/lab-{lab}/" in groups:
            found.append(f"{directory.name} {command}")
    return found


def _lines(argv: list[str]) -> list[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
