"""The files that every container of a pod gets in its /etc."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lab.kube.resources import Json
from lab.pocket.agent.environment import hostname


def text_of_file(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def write_etc(directory: Path, pod: Json, ips: Iterable[str], resolver: str) -> None:
    """Write the files that every container of a pod gets in its /etc."""
    name = hostname(pod)
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
    ]
    if pod["spec"].get("hostNetwork"):
        lines = [text_of_file(Path("/etc/hosts")).rstrip("\n")]
        name = text_of_file(Path("/etc/hostname")).strip()
    else:
        lines += [f"{ip}\t{name}" for ip in ips]
    lines += [
        f"{each['ip']}\t{' '.join(each.get('hostnames') or ())}"
        for each in pod["spec"].get("hostAliases") or ()
    ]
    directory.mkdir(parents=True, exist_ok=True)
    for file, text in (
        ("hosts", "\n".join(lines) + "\n"),
        ("hostname", f"{name}\n"),
        ("resolv.conf", resolver),
    ):
        if text_of_file(directory / file) != text:
            (directory / file).write_text(text)
