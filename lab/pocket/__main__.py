"""`python -m lab.pocket server`: run the embedded Kubernetes API server until a signal ends it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import signal
import sys
from pathlib import Path

from lab.errors import LabError
from lab.pocket.server import running


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s %(message)s")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a watch is a file descriptor
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_serve(options))
        except LabError as error:
            logging.getLogger(__name__).error("%s", error)  # noqa: TRY400  a sentence, not a traceback
            return error.exit_code


async def _serve(options: argparse.Namespace) -> int:
    host, _, port = options.listen.rpartition(":")
    advertise = options.advertise or [host.strip("[]")]
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(options.data, host=host.strip("[]"), port=int(port), advertise=advertise) as server:
        logging.getLogger(__name__).info("ready: %s, kubeconfig %s", server.url, server.kubeconfig)
        await stop.wait()
    return 0


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop if there is one: a TLS watch then costs a fifth of the memory."""
    try:
        import uvloop  # noqa: PLC0415  optional
    except ImportError:
        return None
    return uvloop.Loop


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.pocket", description=__doc__)
    commands = parser.add_subparsers(required=True)
    server = commands.add_parser("server", help="run the API server")
    server.add_argument(
        "--data", type=Path, required=True, help="directory of the store, the keys and the kubeconfig"
    )
    server.add_argument("--listen", default="127.0.0.1:6443", metavar="IP:PORT")
    server.add_argument(
        "--advertise", action="append", default=[], metavar="IP", help="where clients reach the server"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
