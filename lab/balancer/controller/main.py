"""Starts a controller: `python -m lab.balancer controller`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from lab.balancer.controller.controller import Controller
from lab.balancer.controller.options import Options, read_options
from lab.kits import unattended
from lab.kits.http_server import serving
from lab.kits.log import Log, start_logging
from lab.kube.client import Client
from lab.kube.config import load_config

log = Log(__name__)


async def serve(options: Options) -> None:
    """Run a controller until SIGTERM or SIGINT, or until cancelled."""
    loop = asyncio.get_running_loop()
    async with Client(load_config(options.kubeconfig), user_agent="lab-balancer-controller") as client:
        controller = Controller(client, options)
        running = asyncio.create_task(controller.run())
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, running.cancel)
        async with serving(controller.routes, host=options.host, port=options.port) as port:
            log.info("controller started", event="startup", port=port, namespace=options.namespace)
            try:
                await running
            except asyncio.CancelledError:
                log.info("controller stopped", event="shutdown")


def main(arguments: Sequence[str]) -> int:
    """Run until told to stop; returns the exit code."""
    options = read_options(arguments)
    start_logging(options.log_level)
    unattended.run(serve(options))
    return 0
