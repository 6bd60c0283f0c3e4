"""The steps that make a cluster of the configured machines: control plane, then nodes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from lab.actions import credentials, proved
from lab.actions.steps import Context
from lab.errors import CheckError, MachineError
from lab.kits.shell import CommandError, run
from lab.topology.model import Machine, MachineName

CONTROL_PLANE_ROLE = "node-role.kubernetes.io/control-plane"
ADMIN_CONFIG = "/etc/kubernetes/admin.conf"
CONTROL_PLANE_UNITS = ("pocket-server.service", "pocket-controllers.service", "pocket-dns.service")
NODE_UNITS = ("pocket-agent.service", "pocket-proxy.service")
PATIENCE = 180.0
POLL = 0.1
REQUEST_TIMEOUT = 5.0
CALL_TIMEOUT = 30.0
"""Seconds, all of them on a machine container."""


class StartControlPlane:
    """Give the machines their keys and start the API server and what runs beside it."""

    title = "control plane"

    def plan(self, context: Context) -> Sequence[str]:
        lacks = self._lacking(context)
        return [f"deliver keys, start the API server{_because(', '.join(lacks))}"] if lacks else []

    def run(self, context: Context) -> None:
        if not self._lacking(context):
            return
        proved.doubt(context)
        master = context.topology.control_plane
        credentials.deliver(context, master, credentials.for_machine(context, master))
        start(context, master, CONTROL_PLANE_UNITS)
        wait(context, lambda: serves(context), f"{master.name}: the API server does not answer", master)

    @staticmethod
    def _lacking(context: Context) -> Sequence[str]:
        if not serves(context):
            return ["it does not answer"]
        return lacking(context, context.topology.control_plane, CONTROL_PLANE_UNITS)


class JoinNodes:
    """Give every node its identity and wait until the cluster calls all of them ready."""

    title = "join workers"

    def plan(self, context: Context) -> Sequence[str]:
        lines = [f"join {node}{_because(', '.join(why))}" for node, why in self._missing(context).items()]
        return lines if _is_served(context) else [*lines, "give the client its kubeconfig"]

    def run(self, context: Context) -> None:
        names = self._missing(context)
        missing = [node for node in nodes(context) if node.name in names]
        if missing:
            proved.doubt(context)
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(lambda node: _join(context, node), missing))
        client = context.topology.client
        if not _is_served(context):
            credentials.deliver(context, client, credentials.for_machine(context, client))
        for node in missing:
            wait(context, partial(_is_joined, context, node), f"{node.name} does not become ready", node)
            if node == context.topology.control_plane:  # no node may give itself a role
                kubectl(context, "label", "node", node.name, f"{CONTROL_PLANE_ROLE}=", "--overwrite")

    @staticmethod
    def _missing(context: Context) -> Mapping[MachineName, Sequence[str]]:
        """Return the nodes that have to be joined, now or again, and why."""
        ready = ready_nodes(context)
        found = nodes(context)
        with ThreadPoolExecutor(max_workers=8) as pool:
            lacks = pool.map(lambda node: lacking(context, node, NODE_UNITS), found)
            whys = {node.name: why for node, why in zip(found, lacks, strict=True)}
        return {name: why for name, why in whys.items() if why or name not in ready}


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


def kubectl(context: Context, *argv: str, stdin: str = "", timeout: float = PATIENCE) -> str:
    """Run kubectl on the control plane as its administrator; returns what it prints.

    Raises CommandError when it fails or takes longer than `timeout` seconds (slow machines have longer), MachineError when the machine does not run.
    """
    command = ["kubectl", f"--kubeconfig={ADMIN_CONFIG}", _request_timeout(context), *argv]
    enter = context.enter(context.topology.control_plane.name, *command)
    return run(enter, stdin=stdin, timeout=context.patience(timeout))


def _request_timeout(context: Context) -> str:
    return f"--request-timeout={context.patience(REQUEST_TIMEOUT):g}s"


LACKING: Final = """
units=$1; shift
for path in "$@"; do [ -s "$path" ] || echo "$path is gone"; done
for unit in $units; do [ "$(systemctl is-active "$unit")" = active ] || echo "$unit does not run"; done
"""


def lacking(context: Context, machine: Machine, units: Sequence[str]) -> Sequence[str]:
    """Return what the machine needs and does not have: units that run, keys. Nothing when it cannot be asked."""
    paths = [credential.path for credential in credentials.for_machine(context, machine)]
    try:
        enter = context.enter(machine.name, "sh", "-c", LACKING, "-", " ".join(units), *paths)
        return run(enter, timeout=context.patience(CALL_TIMEOUT)).splitlines()
    except (CommandError, MachineError):
        return []


def start(context: Context, machine: Machine, units: Sequence[str]) -> None:
    run(context.enter(machine.name, "systemctl", "restart", *units), timeout=context.patience(PATIENCE))


def wait(
    context: Context,
    claim: Callable[[], bool],
    otherwise: str,
    machine: Machine,
    *,
    within: float | None = None,
) -> None:
    """Wait until `claim` holds. Raises CheckError with `otherwise` after `within` seconds.

    Without a word of it, three minutes, and what slow machines need.
    """
    deadline = time.monotonic() + (context.patience(PATIENCE) if within is None else within)
    while not claim():
        if time.monotonic() > deadline:
            raise CheckError(otherwise, hint=f"lab logs {machine.name}")
        time.sleep(context.patience(POLL))


def _join(context: Context, node: Machine) -> None:
    if node != context.topology.control_plane:
        credentials.deliver(context, node, credentials.for_machine(context, node))
    start(context, node, NODE_UNITS)


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _is_served(context: Context) -> bool:
    """Whether the client's kubectl is answered."""
    argv = ["kubectl", _request_timeout(context), "get", "--raw=/version"]
    try:
        enter = context.enter(context.topology.client.name, *argv, user=credentials.USER)
        run(enter, timeout=context.patience(CALL_TIMEOUT))
    except (CommandError, MachineError):
        return False
    return True


def _is_joined(context: Context, node: Machine) -> bool:
    return node.name in ready_nodes(context)


def serves(context: Context) -> bool:
    """Whether the API server answers."""
    return bool(read(context, "--raw=/version"))


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
