"""`python -m lab.pocket server`: run the embedded Kubernetes API server until a signal ends it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import signal
from collections.abc import Sequence
from pathlib import Path

from lab.kits import unattended
from lab.pocket.apiserver.process import SERVICE_NETWORK, running

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> None:
    """Serve as the arguments say."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s %(message)s")
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # its errors are what clients sent
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a watch is a file descriptor
    unattended.run(_serve(**vars(options)))


async def _serve(
    *, data: Path, listen: str, advertise: list[str], service_network: list[str], manifests: Path | None
) -> None:
    host, port = listen.rpartition(":")[0].strip("[]"), int(listen.rpartition(":")[2])
    networks, stop = service_network or [SERVICE_NETWORK], asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = running(data, host, port, advertise=advertise or [host], networks=networks, manifests=manifests)
    async with serving as server:
        log.info("ready: %s, kubeconfig %s", server.url, server.kubeconfig)
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.pocket server", description="Run the API server.")
    add = parser.add_argument
    add("--data", type=Path, required=True, help="directory of the store, the keys and the kubeconfig")
    add("--listen", default="127.0.0.1:6443", metavar="IP:PORT")
    add("--advertise", action="append", default=[], metavar="IP", help="where clients reach the server")
    add("--service-network", action="append", default=[], metavar="CIDR", help="two for dual stack")
    add("--manifests", type=Path, metavar="DIR", help="objects to apply at start: *.yaml, *.json")
    return parser
