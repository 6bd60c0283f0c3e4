"""HTTP answers about health: one port for each Service with a healthCheckNodePort, and /healthz of the proxy itself.

External load balancers ask every node and send traffic to those that answer 200: the ones with an endpoint.
https://kubernetes.io/docs/tasks/access-application-cluster/create-external-load-balancer/#preserving-the-client-source-ip
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import orjson

from lab.kits.log import Log

log = Log(__name__)
REQUEST_TIMEOUT = 5.0
REQUEST_LIMIT = 8192

Answer = tuple[HTTPStatus, bytes]


@dataclass(frozen=True, slots=True)
class Health:
    """What to say about one Service: how many of its endpoints are on this node."""

    namespace: str
    service: str
    local_endpoints: int

    def answer(self) -> Answer:
        """Return status and body, which are kube-proxy's."""
        status = HTTPStatus.OK if self.local_endpoints else HTTPStatus.SERVICE_UNAVAILABLE
        body = {
            "service": {"namespace": self.namespace, "name": self.service},
            "localEndpoints": self.local_endpoints,
            "serviceProxyHealthy": True,
        }
        return status, orjson.dumps(body)


class HealthServers:
    """Listens on the health check node ports that are wanted at the moment."""

    def __init__(self) -> None:
        self._wanted: Mapping[int, Health] = {}
        self._servers: dict[int, asyncio.Server] = {}

    async def serve(self, wanted: Mapping[int, Health]) -> None:
        """Open the ports that are new in `wanted`, close those that left it, and answer from it."""
        self._wanted = wanted
        for port in self._servers.keys() - wanted.keys():
            self._servers.pop(port).close()
        for port in wanted.keys() - self._servers.keys():
            try:
                self._servers[port] = await listen(port, partial(self._answer, port))
            except OSError as error:
                log.warning("cannot listen on a health check node port", port=port, error=str(error))

    def _answer(self, port: int) -> Answer:
        return self._wanted[port].answer()

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()


async def listen(port: int, answer: Callable[[], Answer]) -> asyncio.Server:
    """Answer every GET on `port`, on all addresses, with what `answer` returns; raises OSError."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(*answer()))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that goes away or speaks something else
        finally:
            writer.close()

    return await asyncio.start_server(serve, port=port, limit=REQUEST_LIMIT, reuse_address=True)


def _response(status: HTTPStatus, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: application/json\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
