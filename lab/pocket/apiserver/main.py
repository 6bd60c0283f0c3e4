"""`python -m lab.pocket server`: run the embedded Kubernetes API server until a signal ends it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import signal
from collections.abc import Sequence
from pathlib import Path

from lab.pocket.apiserver.process import running

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> None:
    """Serve as the arguments say."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s %(message)s")
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # its errors are what clients sent
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a watch is a file descriptor
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    host, _, port = options.listen.rpartition(":")
    host = host.strip("[]")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    advertise, manifests = options.advertise or [host], options.manifests
    async with running(
        options.data, host=host, port=int(port), advertise=advertise, manifests=manifests
    ) as server:
        log.info("ready: %s, kubeconfig %s", server.url, server.kubeconfig)
        await stop.wait()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop if there is one: a TLS watch then costs a fifth of the memory."""
    try:
        import uvloop  # noqa: PLC0415  optional
    except ImportError:
        return None
    return uvloop.Loop


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab.pocket server", description="Run the Kubernetes API server."
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="directory of the store, the keys and the kubeconfig"
    )
    parser.add_argument("--listen", default="127.0.0.1:6443", metavar="IP:PORT")
    parser.add_argument(
        "--advertise", action="append", default=[], metavar="IP", help="where clients reach the server"
    )
    parser.add_argument(
        "--manifests", type=Path, metavar="DIR", help="objects to apply at start: *.yaml, *.json"
    )
    return parser
