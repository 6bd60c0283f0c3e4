"""Becoming root, once and with a reason, for the verbs that make machines."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import click

from lab.errors import HostError
from lab.kits.shell import run
from lab.machines.cache import cache_directory

OFFLINE = "LAB_OFFLINE"
"""Set in the environment of a process that left the network."""
KEEP = (
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "LANG",
    "LAB_DEBIAN_MIRROR",
    "LAB_VAGRANT_KEYS",
    "LAB_LOCK",
    "LAB_ARTEFACTS",
    "LAB_LOAD_BALANCER_IMAGE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


def become_root(why: str) -> None:
    """Return as root; as another user, replace this process by itself under sudo. Raises HostError without sudo."""
    if os.geteuid() == 0:
        return
    command = shlex.join(["lab", *sys.argv[1:]])
    if not shutil.which("sudo"):
        raise HostError(
            f"root is needed to {why}, and sudo is not installed", hint=f"as root, run: {command}"
        )
    click.echo(f"lab: root is needed to {why}; asking sudo", err=True)
    environment = [f"{name}={os.environ[name]}" for name in KEEP if name in os.environ]
    cache_directory().mkdir(parents=True, exist_ok=True)  # as its user, before root would
    environment += [f"LAB_CACHE_DIR={cache_directory()}", "PYTHONDONTWRITEBYTECODE=1"]
    become(["sudo", "env", *environment, sys.executable, "-m", "lab.cli", *sys.argv[1:]])


def leave_the_network() -> None:
    """Return where there is no network but an empty loopback; elsewhere, replace this process by itself there."""
    if os.environ.get(OFFLINE):
        return
    os.environ[OFFLINE] = "yes"
    become(["unshare", "--net", "--", sys.executable, "-m", "lab.cli", *sys.argv[1:]])


def ways_out() -> list[str]:
    """Return the default routes of the network that this process is in, as `ip` shows them."""
    shown = (run(["ip", family, "-oneline", "route", "show", "default"]) for family in ("-4", "-6"))
    return [line.strip() for lines in shown for line in lines.splitlines()]


def become(argv: list[str]) -> NoReturn:
    """Replace this process by `argv`: its terminal, signals and exit code are then the command's own."""
    os.execvp(argv[0], argv)  # noqa: S606  # no shell is wanted


def give_back(directory: Path) -> None:
    """Hand `directory` and all below it to the user who called sudo: what lies in a project is its user's."""
    user, group = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if os.geteuid() != 0 or not user or not group or not directory.exists():
        return
    for path in (directory, *directory.rglob("*")):
        os.chown(path, int(user), int(group), follow_symlinks=False)
