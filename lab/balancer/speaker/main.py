"""Starts a speaker: `python -m lab.balancer speaker`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from lab.balancer.speaker.options import Options, read_options
from lab.balancer.speaker.speaker import Speaker
from lab.kits import unattended
from lab.kits.http_server import serving
from lab.kits.log import Log, start_logging
from lab.kube.client import Client
from lab.kube.config import load_config
from lab.links.bgp_tcp import Listener

log = Log(__name__)
UPTIME: Final = Path("/proc/uptime")


async def serve(options: Options) -> None:
    """Run a speaker until SIGTERM or SIGINT, or until cancelled."""
    loop = asyncio.get_running_loop()
    addresses = ("0.0.0.0", "::") if options.listen_port else ()  # noqa: S104  # peers call from anywhere
    listeners = [Listener(ip_address(address), options.listen_port) for address in addresses]
    for listener in listeners:
        await listener.start()
    async with Client(load_config(options.kubeconfig), user_agent="lab-balancer-speaker") as client:
        speaker = Speaker(client, options, listeners=listeners)
        running = asyncio.create_task(speaker.run())
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, running.cancel)
        async with serving(speaker.routes, host=options.host, port=options.port) as port:
            log.info("speaker started", event="startup", node=options.node_name, port=port)
            try:
                await running
            except asyncio.CancelledError:
                log.info("speaker stopped", event="shutdown", node=options.node_name)


def main(arguments: Sequence[str]) -> int:
    """Run until told to stop; returns the exit code."""
    options = read_options(arguments)
    start_logging(options.log_level)
    options = replace(options, uptime=float(UPTIME.read_text().split()[0]))
    unattended.run(serve(options), uvloop=False)  # it does not take the sockets of BGP as they are
    return 0
