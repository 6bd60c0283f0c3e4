"""The controllers' command line: `python -m lab.pocket controllers --kubeconfig FILE`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Never

from lab.errors import UsageError
from lab.kits.log import LEVELS, start_logging
from lab.kube.client import Client
from lab.kube.config import load_config
from lab.pocket.controllers.clusterroles import AggregatedRoles
from lab.pocket.controllers.collector import Collector
from lab.pocket.controllers.daemonsets import DaemonSets
from lab.pocket.controllers.deployments import Deployments
from lab.pocket.controllers.endpoints import Endpoints
from lab.pocket.controllers.housekeeping import PodCollector, ServiceAccounts
from lab.pocket.controllers.loop import Controller, Loop
from lab.pocket.controllers.mirroring import Mirroring
from lab.pocket.controllers.namespaces import Namespaces
from lab.pocket.controllers.nodes import NodeLifecycle, PodRanges
from lab.pocket.controllers.replicasets import ReplicaSets
from lab.pocket.controllers.scheduler import Scheduler


def main(argv: Sequence[str]) -> None:
    """Run all controllers until a signal ends them; raises UsageError for an unusable kubeconfig or certificate."""
    options = _parser().parse_args(argv)
    start_logging(options.log_level)
    controllers: list[Controller] = [
        Scheduler(),
        ReplicaSets(),
        Deployments(),
        DaemonSets(),
        AggregatedRoles(),
        Endpoints(),
        Mirroring(),
        NodeLifecycle(grace=options.node_monitor_grace_period),
        PodRanges([each for each in options.cluster_cidr.split(",") if each]),
        PodCollector(quarantine=options.node_monitor_grace_period),
        ServiceAccounts(_read(options.root_ca_file) if options.root_ca_file else ""),
    ]
    asyncio.run(run(Client(load_config(options.kubeconfig), user_agent="lab-controllers"), controllers))


async def run(client: Client, controllers: Sequence[Controller]) -> Never:
    """Run the given controllers, the garbage collector and the deletion of namespaces until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(Loop(client, controllers).run())
        group.create_task(Collector(client).run())
        group.create_task(Namespaces(client).run())
    raise AssertionError("controllers run until cancelled")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="controllers", description=__doc__)
    parser.add_argument("--kubeconfig", default="", help="how to reach the API; default: as kubectl finds it")
    parser.add_argument("--cluster-cidr", default="", help="pod ranges to give to nodes, separated by commas")
    parser.add_argument("--root-ca-file", default="", help="CA certificate to publish as kube-root-ca.crt")
    parser.add_argument("--node-monitor-grace-period", type=float, default=40.0, help="seconds; default 40")
    parser.add_argument("--log-level", default="info", choices=LEVELS)
    return parser


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
