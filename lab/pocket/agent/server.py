"""What the API server asks a node for, on kubelet's port and paths: logs, exec, attach, port-forward.

TLS with the cluster's CA on both sides: only the API server itself, by its kubelet client certificate, is served.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Final, Protocol

from lab.errors import HostError, ProtocolError
from lab.kits.log import Log
from lab.kits.shell import run as run_program
from lab.kube.resources import ObjectKey
from lab.pocket.agent.container import Container, Run
from lab.pocket.agent.execution import attach, execute
from lab.pocket.agent.forwarding import forward
from lab.pocket.agent.http import Exchange, Refused, Request
from lab.pocket.agent.logs import Reader, Selection, last_lines
from lab.pocket.agent.network import NAMESPACES
from lab.pocket.agent.output import Output
from lab.pocket.agent.pod import Pod
from lab.pocket.agent.runtime import Runtime
from lab.pocket.agent.status import ContainerState

log = Log(__name__)
HEAD_TIMEOUT: Final = 10.0
HEAD_LIMIT: Final = 1 << 16
BATCH: Final = 1 << 16
TRUSTED_GROUPS: Final = frozenset({"system:masters", "kubeadm:cluster-admins"})
TRUSTED_USER: Final = "kube-apiserver-kubelet-client"


class Pods(Protocol):
    """Where the pods are."""

    @property
    def runtime(self) -> Runtime: ...

    def find(self, key: ObjectKey) -> Pod | None: ...


class Server:
    """Answers the API server."""

    def __init__(self, pods: Pods, *, port: int, tls: ssl.SSLContext) -> None:
        self._pods = pods
        self._port = port
        self._tls = tls

    async def run(self) -> None:
        """Serve until cancelled; raises HostError when the port is taken."""
        try:
            server = await asyncio.start_server(
                self._serve, port=self._port, ssl=self._tls, limit=HEAD_LIMIT, reuse_address=True
            )
        except OSError as error:
            raise HostError(f"cannot listen on port {self._port}: {error}") from error
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, asyncio.LimitOverrunError, ProtocolError, TimeoutError):
            async with asyncio.timeout(HEAD_TIMEOUT):
                head = await reader.readuntil(b"\r\n\r\n")
            exchange = Exchange(Request.parse(head), reader, writer)
            try:
                _authorize(writer.get_extra_info("peercert") or {})
                await self._answer(exchange)
            except Refused as refusal:
                await exchange.answer(refusal.status, refusal.message.encode())
        writer.close()

    async def _answer(self, exchange: Exchange) -> None:
        match exchange.request.path:
            case ("healthz",):
                await exchange.answer(HTTPStatus.OK, b"ok")
            case ("containerLogs", namespace, pod, container):
                await self._logs(exchange, self._pod(namespace, pod), container)
            case ("exec", namespace, pod, container):
                _, run = self._running(namespace, pod, container)
                await execute(exchange, self._pods.runtime, run.id)
            case ("attach", namespace, pod, container):
                state, run = self._running(namespace, pod, container)
                await attach(exchange, run.output, lambda: state.ended.code if state.ended else 0)
            case ("portForward", namespace, pod):
                found_pod = self._pod(namespace, pod)
                shared = found_pod.pod["spec"].get("hostNetwork")
                await forward(exchange, None if shared else NAMESPACES / f"pod-{found_pod.uid}")
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "no such path on a node agent")

    def _pod(self, namespace: str, name: str) -> Pod:
        pod = self._pods.find(ObjectKey(namespace, name))
        if pod is None:
            raise Refused(HTTPStatus.NOT_FOUND, f'pod "{namespace}/{name}" does not run on this node')
        return pod

    def _running(self, namespace: str, pod: str, name: str) -> tuple[ContainerState, Run]:
        container = self._container(self._pod(namespace, pod), name)
        if container.run is None:
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, f'container not running ("{name}")')
        return container.state, container.run

    @staticmethod
    def _container(pod: Pod, name: str) -> Container:
        for each in (*pod.init, *pod.containers):
            if each.state.name == name:
                return each
        raise Refused(HTTPStatus.NOT_FOUND, f"container {name} not found in pod {pod.key}")

    async def _logs(self, exchange: Exchange, pod: Pod, name: str) -> None:
        container = self._container(pod, name)
        request = exchange.request
        restarts = container.state.restarts - (1 if request.wants("previous") else 0)
        path = pod.log_directory / name / f"{restarts}.log"
        if not path.is_file() and request.wants("previous"):
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                f'previous terminated container "{name}" in pod "{pod.key.name}" not found',
            )
        if not path.is_file():
            path = pod.log_directory / name / f"{restarts - 1}.log"
        if not path.is_file():
            waiting = container.state.waiting or "ContainerCreating"
            sentence = f'container "{name}" in pod "{pod.key.name}" is waiting to start: {waiting}'
            raise Refused(HTTPStatus.BAD_REQUEST, sentence)
        output = container.last_output if request.wants("follow") else None
        exchange.begin()
        await send_log(exchange, path, selection(request), output if output and output.path == path else None)
        await exchange.end()


def selection(request: Request) -> Selection:
    """Return which part of a log is asked for; raises Refused for numbers that are none."""
    try:
        tail, limit, seconds = (
            int(text) if (text := request.first(name)) else None
            for name in ("tailLines", "limitBytes", "sinceSeconds")
        )
        moment = datetime.fromisoformat(text) if (text := request.first("sinceTime")) else None
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
    if seconds is not None:
        moment = datetime.now(UTC) - timedelta(seconds=seconds)
    if tail is not None and tail < 0:
        tail = None
    return Selection(tail=tail, since=moment, timestamps=request.wants("timestamps"), limit=limit)


async def send_log(exchange: Exchange, path: Path, chosen: Selection, growing: Output | None) -> None:
    """Send a log; with `growing`, also what comes, until its container ends."""
    reader = Reader(chosen)
    offset = 0 if chosen.tail is None else last_lines(path, chosen.tail)
    while True:
        with path.open("rb") as file:
            file.seek(offset)
            if await _send_file(exchange, file, reader, growing):
                return
        offset = 0  # it was rotated: go on with the next file


async def _send_file(exchange: Exchange, file: IO[bytes], reader: Reader, growing: Output | None) -> bool:
    """Send a file from where it stands; return False when its log goes on in another file."""
    rest = b""
    while not reader.full:
        if growing:
            growing.grown.clear()
        ended = growing is None or growing.ended
        rotated = growing is not None and not growing.writes_to(file)
        data = file.read(BATCH)
        *records, rest = (rest + data).split(b"\n")
        await exchange.chunk(b"".join([reader.text(record + b"\n") for record in records]))
        if not data:
            if rotated:
                return False
            if ended or growing is None:
                return True
            await growing.grown.wait()
    return True


def _authorize(certificate: dict[str, Any]) -> None:
    if not is_trusted(certificate):
        raise Refused(HTTPStatus.FORBIDDEN, "only the API server may ask")


def is_trusted(certificate: dict[str, Any]) -> bool:
    """Whether a peer's certificate, which the cluster's CA has signed, is that of an API server or administrator."""
    names = [pair for part in certificate.get("subject", ()) for pair in part]
    groups = {value for key, value in names if key == "organizationName"}
    return bool(groups & TRUSTED_GROUPS) or ("commonName", TRUSTED_USER) in names


def server_tls(
    client: ssl.SSLContext | None, directory: Path, name: str, addresses: tuple[str, ...]
) -> ssl.SSLContext:
    """Return TLS that trusts the CA which the agent trusts, with a certificate made here and now.

    The API server takes it as it is, like a kubelet's. Raises CommandError without openssl.
    """
    key, certificate = directory / "kubelet.key", directory / "kubelet.crt"
    alternatives = ",".join([f"DNS:{name}", *(f"IP:{each}" for each in addresses)])
    run_program(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", str(key), "-out", str(certificate), "-days", "3650", "-subj", f"/O=system:nodes/CN=system:node:{name}",
            "-addext", f"subjectAltName={alternatives}",
        ]
    )  # fmt: skip
    key.chmod(0o600)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    for authority in client.get_ca_certs(binary_form=True) if client else ():
        context.load_verify_locations(cadata=authority)
    return context
