"""Listening: TLS, and bounds on how long a client may take before it has said anything."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from lab.errors import HostError
from lab.pocket.apiserver.server import Server

FIRST_REQUEST_SECONDS = 15  # to send the first request's headers: a client that trickles them is let go
IDLE_SECONDS = 90  # between requests
SHUTDOWN_SECONDS = 1
LINE_BYTES = 64 << 10  # of a request line or a header: selectors and tokens are long


Certificate = Mapping[str, Any] | None


class _Connection(RequestHandler):
    """aiohttp bounds the time between two requests, not the time to the first one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._certificate: Certificate = None
        self._deadline = asyncio.get_running_loop().call_later(FIRST_REQUEST_SECONDS, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)

    def certificate(self) -> Certificate:
        """Return the client's verified certificate, decoded; asked for once the first request is there."""
        if not self._deadline.cancelled():
            self._deadline.cancel()
            tls = self.transport.get_extra_info("ssl_object") if self.transport else None
            self._certificate = tls.getpeercert() if tls else None
        return self._certificate


class _Connections(web.Server):
    """Makes a `_Connection` for each client."""

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=asyncio.get_running_loop(), **self._kwargs)


def tls_context(certificate: Path, key: Path, client_authority: Path) -> ssl.SSLContext:
    """Return the server side of TLS: clients may show a certificate of the cluster's authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(client_authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def kubelet_tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the client side of TLS towards nodes.

    Like a kube-apiserver without `--kubelet-certificate-authority`, the server shows who it is and takes the node's
    serving certificate as it comes: kubelets sign their own.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificate, key)
    return context


def listener(host: str, port: int) -> socket.socket:
    """Bind a listening socket; port 0 takes a free one.

    Raises:
        HostError: the address is taken, or not this host's.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise HostError(f"cannot listen on {host}:{port}: {error.strerror}") from error


@asynccontextmanager
async def serving(
    server: Server, listening: socket.socket, tls: ssl.SSLContext | None
) -> AsyncIterator[None]:
    """Serve on a socket until the block ends."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        certificate = connection.certificate() if isinstance(connection, _Connection) else None
        return await server.handle(request, certificate)

    options: dict[str, Any] = {
        "handler_cancellation": True,  # without it the handler of a dead watch lives on
        "keepalive_timeout": IDLE_SECONDS,
        "access_log": None,
        "max_line_size": LINE_BYTES,
        "max_field_size": LINE_BYTES,
    }
    runner = web.ServerRunner(_Connections(handle, **options), shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    await web.SockSite(runner, listening, ssl_context=tls, backlog=1024).start()
    try:
        yield
    finally:
        await runner.cleanup()
