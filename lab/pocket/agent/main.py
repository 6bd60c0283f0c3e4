"""The agent's command line: `python -m lab.pocket agent --kubeconfig FILE --node-name NAME`."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import orjson

from lab.errors import UsageError
from lab.kits.log import LEVELS, start_logging
from lab.kits.shell import run as run_program
from lab.kube.client import Client
from lab.kube.config import load_config
from lab.pocket.agent.agent import Agent
from lab.pocket.agent.image_main import STORE
from lab.pocket.agent.node import Identity

KUBELET_PORT = 10250


def main(argv: Sequence[str]) -> None:
    """Run the agent until a signal ends it; raises UsageError for what cannot work."""
    options = _parser().parse_args(argv)
    start_logging(options.log_level)
    identity = Identity(
        name=options.node_name,
        addresses=node_addresses(options.node_ip, _words(options.cluster_cidr)),
        port=options.port,
        labels=dict(each.partition("=")[::2] for each in _words(options.node_labels)),
        taints=tuple(map(taint, _words(options.register_with_taints))),
    )
    agent = Agent(
        Client(load_config(options.kubeconfig), user_agent="lab-agent"),
        identity,
        directory=Path(options.run_directory),
        images=Path(options.images),
        cluster_cidrs=_words(options.cluster_cidr),
        cluster_dns=options.cluster_dns,
        cluster_domain=options.cluster_domain,
    )
    asyncio.run(_until_signal(agent))


async def _until_signal(agent: Agent) -> None:
    """Run the agent; end it in order on SIGTERM and SIGINT."""
    work = asyncio.create_task(agent.run())
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, work.cancel)
    await asyncio.wait((work,))
    if not work.cancelled():
        work.result()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent", description=__doc__)
    parser.add_argument("--kubeconfig", default="", help="how to reach the API; default: as kubectl finds it")
    parser.add_argument("--node-name", required=True)
    parser.add_argument(
        "--node-ip", default="", help="addresses, separated by a comma; default: that of the default route"
    )
    parser.add_argument("--node-labels", default="", metavar="KEY=VALUE,…")
    parser.add_argument("--register-with-taints", default="", metavar="KEY=VALUE:EFFECT,…")
    parser.add_argument("--cluster-cidr", default="", help="pod ranges of the cluster, separated by commas")
    parser.add_argument(
        "--cluster-dns",
        default="",
        help="address of the cluster's DNS; default: that of the Service kube-dns",
    )
    parser.add_argument("--cluster-domain", default="cluster.local")
    parser.add_argument("--images", default=STORE, help="the store that `lab image load` fills")
    parser.add_argument(
        "--run-directory", default="/run/lab-agent", help="on a tmpfs, so that it is empty after a boot"
    )
    parser.add_argument("--port", type=int, default=KUBELET_PORT, help="for logs, exec, port-forward")
    parser.add_argument("--log-level", default="info", choices=LEVELS)
    return parser


def _words(text: str) -> list[str]:
    return [each for each in text.split(",") if each]


def taint(text: str) -> dict[str, Any]:
    """Return the taint that `key=value:Effect` or `key:Effect` names; raises UsageError."""
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    if not key or effect not in {"NoSchedule", "PreferNoSchedule", "NoExecute"}:
        raise UsageError(f"{text!r} is not a taint like key=value:NoSchedule")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})


def node_addresses(told: str, cluster_cidrs: Sequence[str]) -> tuple[str, ...]:
    """Return the node's addresses: what we were told, else that of the default route, and one of each further family.

    In a cluster of two families every node needs an address of both, or nobody can route to its pods.
    Raises UsageError when there is none.
    """
    shown = orjson.loads(run_program(["ip", "-j", "addr", "show", "scope", "global"]))
    first = tuple(_words(told)) or default_addresses()
    families = {ip_network(each).version for each in cluster_cidrs} - {
        ip_address(each).version for each in first
    }
    by_family = {ip_address(each).version: each for each in reversed(companions(first, shown))}
    return (*first, *(by_family[family] for family in sorted(families) if family in by_family))


def companions(addresses: Sequence[str], shown: Sequence[dict[str, Any]]) -> list[str]:
    """Return the other addresses of the interface that has the first of `addresses`, from what `ip -j addr` shows."""
    for interface in shown:
        found = [each["local"] for each in interface.get("addr_info") or () if "local" in each]
        if addresses[0] in found:
            return [each for each in found if each not in addresses]
    return []


def default_addresses() -> tuple[str, ...]:
    """Return the address from which this machine reaches the world; raises UsageError when there is none."""
    routes = orjson.loads(run_program(["ip", "-4", "-j", "route", "get", "192.0.2.1"]) or "[]")
    found = tuple(each["prefsrc"] for each in routes if "prefsrc" in each)
    if not found:
        raise UsageError("this machine has no default route: say --node-ip")
    return found
