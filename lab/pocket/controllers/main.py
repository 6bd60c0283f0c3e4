"""The controllers' command line: `python -m lab.pocket controllers --kubeconfig FILE`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Never

from lab.errors import UsageError
from lab.kits import unattended
from lab.kits.log import LEVELS, start_logging
from lab.kube.client import Client
from lab.kube.config import load_config
from lab.kube.lease import Elector
from lab.pocket.controllers.clusterroles import AggregatedRoles
from lab.pocket.controllers.collector import Collector
from lab.pocket.controllers.daemonsets import DaemonSets
from lab.pocket.controllers.deployments import Deployments
from lab.pocket.controllers.endpoints import Endpoints, OlderEndpoints
from lab.pocket.controllers.housekeeping import PodCollector, ServiceAccounts
from lab.pocket.controllers.loop import Controller, Loop
from lab.pocket.controllers.mirroring import Mirroring
from lab.pocket.controllers.namespaces import Namespaces
from lab.pocket.controllers.nodes import NodeLifecycle, PodRanges
from lab.pocket.controllers.replicasets import ReplicaSets
from lab.pocket.controllers.scheduler import Scheduler

LEASE_NAMESPACE: Final = "kube-system"
LEASE: Final = "lab-controllers"


def main(argv: Sequence[str]) -> None:
    """Run all controllers until a signal ends them; raises UsageError for an unusable kubeconfig or certificate."""
    options = _parser().parse_args(argv)
    start_logging(options.log_level)
    client = Client(load_config(options.kubeconfig), user_agent="lab-controllers")
    authority = _read(options.root_ca_file) if options.root_ca_file else ""
    unattended.run(_serve(client, partial(controllers, options, authority), options))


async def _serve(
    client: Client, made: Callable[[], Sequence[Controller]], options: argparse.Namespace
) -> None:
    """Run while leading, or at once when nobody is to be elected; give the Lease back on SIGTERM and SIGINT."""
    elector = Elector(client, namespace=LEASE_NAMESPACE, name=LEASE, identity=options.identity)

    def work() -> asyncio.Future[Never]:
        return asyncio.ensure_future(run(client, made()))

    working = asyncio.ensure_future(elector.run(work) if options.leader_elect else work())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    with suppress(asyncio.CancelledError):
        await working


def controllers(options: argparse.Namespace, authority: str) -> Sequence[Controller]:
    """Return all controllers, new: what they remember of a cluster is not true any more when they led it before."""
    return [
        Scheduler(),
        ReplicaSets(),
        Deployments(),
        DaemonSets(),
        AggregatedRoles(),
        Endpoints(),
        OlderEndpoints(),
        Mirroring(),
        NodeLifecycle(grace=options.node_monitor_grace_period),
        PodRanges([each for each in options.cluster_cidr.split(",") if each]),
        PodCollector(quarantine=options.node_monitor_grace_period),
        ServiceAccounts(authority),
    ]


async def run(client: Client, members: Sequence[Controller]) -> Never:
    """Run the given controllers, the garbage collector and the deletion of namespaces until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(Loop(client, members).run())
        group.create_task(Collector(client).run())
        group.create_task(Namespaces(client).run())
    raise AssertionError("controllers run until cancelled")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="controllers", description=__doc__)
    parser.add_argument("--kubeconfig", default="", help="how to reach the API; default: as kubectl finds it")
    parser.add_argument("--cluster-cidr", default="", help="pod ranges to give to nodes, separated by commas")
    parser.add_argument("--root-ca-file", default="", help="CA certificate to publish as kube-root-ca.crt")
    parser.add_argument("--node-monitor-grace-period", type=float, default=40.0, help="seconds; default 40")
    parser.add_argument(
        "--leader-elect",
        action=argparse.BooleanOptionalAction,
        default=True,
        help=f"work only while holding the Lease {LEASE} in {LEASE_NAMESPACE}",
    )
    parser.add_argument(
        "--identity",
        default=f"{socket.gethostname()}_{os.getpid()}",
        help="the holder's name; one that is the same after a restart need not wait for its own Lease to end",
    )
    parser.add_argument("--log-level", default="info", choices=LEVELS)
    return parser


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
