"""The steps that make a cluster of the configured machines: control plane, then nodes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from lab.actions import credentials
from lab.actions.steps import Context
from lab.errors import CheckError, MachineError
from lab.kits.shell import CommandError, run
from lab.topology.model import Machine

ADMIN_CONFIG = "/etc/kubernetes/admin.conf"
CONTROL_PLANE_UNITS = ("pocket-server.service", "pocket-controllers.service", "pocket-dns.service")
NODE_UNITS = ("pocket-agent.service", "pocket-proxy.service")
PATIENCE = 180.0
POLL = 0.1


class StartControlPlane:
    """Give the machines their keys and start the API server."""

    title = "control plane"

    def plan(self, context: Context) -> Sequence[str]:
        return [] if _serves(context) else ["deliver keys, start the API server"]

    def run(self, context: Context) -> None:
        if _serves(context):
            return
        master = context.topology.control_plane
        credentials.deliver(context, master, credentials.for_machine(context, master))
        start(context, master, CONTROL_PLANE_UNITS)
        wait(lambda: _serves(context), f"{master.name}: the API server does not answer", master)


class JoinNodes:
    """Give every node its identity and wait until the cluster calls all of them ready."""

    title = "join nodes"

    def plan(self, context: Context) -> Sequence[str]:
        ready = ready_nodes(context)
        return [f"join {node.name}" for node in nodes(context) if node.name not in ready]

    def run(self, context: Context) -> None:
        ready = ready_nodes(context)
        missing = [node for node in nodes(context) if node.name not in ready]
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(lambda node: _join(context, node), missing))
        client = context.topology.client
        credentials.deliver(context, client, credentials.for_machine(context, client))
        for node in missing:
            wait(partial(_is_joined, context, node), f"{node.name} does not become ready", node)


def nodes(context: Context) -> tuple[Machine, ...]:
    return (context.topology.control_plane, *context.topology.workers)


def ready_nodes(context: Context) -> set[str]:
    """Return the names of the nodes that the cluster calls ready."""
    found = read(context, "nodes", "--output=json")
    return {item["metadata"]["name"] for item in found.get("items", []) if _is_ready(item)}


def read(context: Context, *argv: str) -> dict[str, Any]:
    """Return the JSON that `kubectl get ARGV` answers; {} when the API does not, or refuses."""
    try:
        answer: dict[str, Any] = json.loads(kubectl(context, "get", *argv))
    except (CommandError, MachineError):
        return {}
    return answer


def kubectl(context: Context, *argv: str, stdin: str = "") -> str:
    """Run kubectl on the control plane as its administrator; returns what it prints.

    Raises CommandError when it fails, MachineError when the machine does not run.
    """
    command = ["kubectl", f"--kubeconfig={ADMIN_CONFIG}", "--request-timeout=5s", *argv]
    master = context.topology.control_plane.name
    return run(context.provider.enter(master, command, user="root", terminal=False), stdin=stdin)


def start(context: Context, machine: Machine, units: Sequence[str]) -> None:
    argv = ["systemctl", "restart", *units]
    enter = context.provider.enter(machine.name, argv, user="root", terminal=False)
    subprocess.run(enter, capture_output=True, timeout=PATIENCE, check=True)


def wait(claim: Callable[[], bool], otherwise: str, machine: Machine) -> None:
    """Wait until `claim` holds. Raises CheckError with `otherwise` after three minutes."""
    deadline = time.monotonic() + PATIENCE
    while not claim():
        if time.monotonic() > deadline:
            raise CheckError(otherwise, hint=f"lab logs {machine.name}")
        time.sleep(POLL)


def _join(context: Context, node: Machine) -> None:
    if node != context.topology.control_plane:
        credentials.deliver(context, node, credentials.for_machine(context, node))
    start(context, node, NODE_UNITS)


def _is_joined(context: Context, node: Machine) -> bool:
    return node.name in ready_nodes(context)


def _serves(context: Context) -> bool:
    return bool(read(context, "--raw=/version"))


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
