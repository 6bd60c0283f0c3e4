"""What the API server asks of a node: HTTP and WebSocket over a real socket, processes of this machine as containers."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from lab.errors import ProtocolError
from lab.pocket.agent.execution import attach, execute
from lab.pocket.agent.forwarding import SPDY, forward
from lab.pocket.agent.http import Exchange, Refused, Request
from lab.pocket.agent.logs import LineWriter, Selection
from lab.pocket.agent.output import Output
from lab.pocket.agent.server import is_trusted, selection, send_log
from lab.wire import spdy
from tests.unit.wire.test_spdy import Peer
from tests.unit.wire.test_websocket import masked

CHANNELS = "v5.channel.k8s.io"


class Shell:
    """A runtime whose containers are this machine."""

    def exec_command(self, container: str, command: list[str], *, tty: bool = False) -> list[str]:
        return command


class Client:
    """The API server's end of a WebSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(masked(2, data))
        await self._writer.drain()

    async def receive(self) -> bytes | None:
        """Return a message's payload; None at the end."""
        try:
            first, length = await self._reader.readexactly(2)
            if length >= 126:
                size = 2 if length == 126 else 8
                length = int.from_bytes(await self._reader.readexactly(size))
            data = await self._reader.readexactly(length)
        except asyncio.IncompleteReadError:
            return None
        return None if first & 0x0F == 8 else data

    async def all(self) -> dict[int, bytes]:
        """Return everything said until the end, by channel."""
        found: dict[int, bytes] = {}
        while (message := await self.receive()) is not None:
            found[message[0]] = found.get(message[0], b"") + message[1:]
        return found


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


Serve = Callable[[Exchange], Awaitable[None]]


def talk(
    serve: Serve, scenario: Callable[[Client], Awaitable[Any]], *, path: str = "/", protocol: str = CHANNELS
) -> Any:
    """Run a scenario against a server that upgrades its one connection."""

    finished = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange(Request.parse(await reader.readuntil(b"\r\n\r\n")), reader, writer)
        with contextlib.suppress(OSError, ProtocolError):
            await serve(exchange)
        await closed(writer)
        finished.set()

    async def run() -> Any:
        async with asyncio.timeout(10), await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            head = f"GET {path} HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
            writer.write(head.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            assert b" 101 " in answer
            try:
                return await scenario(Client(reader, writer))
            finally:
                await closed(writer)
                await finished.wait()

    return asyncio.run(run())


async def run_shell(exchange: Exchange) -> None:
    await execute(exchange, Shell(), "c")  # type: ignore[arg-type]  # a stand-in for crun


def command(*words: str, **streams: int) -> str:
    return "/exec?" + "&".join(
        [*(f"command={word}" for word in words), *(f"{k}={v}" for k, v in streams.items())]
    )


def test_streams_and_exit_code():
    async def scenario(client: Client) -> dict[int, bytes]:
        return await client.all()

    said = talk(
        run_shell, scenario, path=command("sh", "-c", "echo%20out;echo%20err%20>%262;exit%203", output=1)
    )
    assert (said[1], said[2]) == (b"out\n", b"err\n")
    status = orjson.loads(said[3])
    assert (status["reason"], status["details"]["causes"]) == (
        "NonZeroExitCode",
        [{"reason": "ExitCode", "message": "3"}],
    )


def test_input_until_it_is_closed():
    async def scenario(client: Client) -> dict[int, bytes]:
        await client.send(b"\0hello ")
        await client.send(b"\0world")
        await client.send(b"\xff\0")
        return await client.all()

    said = talk(run_shell, scenario, path=command("cat", input=1, output=1))
    assert said == {1: b"hello world", 3: b'{"metadata":{},"status":"Success"}'}


def test_a_terminal_has_the_size_that_the_client_shows():
    async def scenario(client: Client) -> dict[int, bytes]:
        await client.send(b'\4{"Width":132,"Height":43}')
        await client.send(b"\0\n")
        return await client.all()

    said = talk(run_shell, scenario, path=command("sh", "-c", "read%20x;stty%20size", tty=1, input=1))
    assert b"43 132\r\n" in said[1]


def test_a_client_that_leaves_ends_its_process():
    async def scenario(client: Client) -> None:
        assert await client.receive() == b"\1ready\n"

    talk(run_shell, scenario, path=command("sh", "-c", "echo%20ready;exec%20sleep%2060", output=1))


def test_attach_shows_what_is_said_from_now_on(tmp_path):
    output = Output(tmp_path / "0.log")
    output._take("stdout", b"before", b"")

    async def scenario(client: Client) -> dict[int, bytes]:
        asyncio.get_running_loop().call_later(0.02, output._take, "stderr", b"after", b"")
        ending = asyncio.create_task(end_later())
        said = await client.all()
        await ending
        return said

    async def end_later() -> None:
        await asyncio.sleep(0.05)
        await output.end()

    said = talk(lambda exchange: attach(exchange, output, lambda: 0), scenario)
    assert said[2] == b"after"
    assert 1 not in said


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(100))
    await closed(writer)


def test_a_connection_through_spdy():
    async def scenario(client: Client) -> bytes:
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            port = str(server.sockets[0].getsockname()[1])
            peer = Peer()
            await client.send(peer.open(1, streamtype="error", port=port, requestid="0"))
            await client.send(
                peer.open(3, streamtype="data", port=port, requestid="0") + spdy.Session.data(3, b"ping")
            )
            got = b""
            while b"ping" not in got:
                got += await client.receive() or b""
            return got

    said = talk(lambda exchange: forward(exchange, None), scenario, protocol=SPDY)
    assert said.endswith(spdy.Session.data(3, b"ping"))


def test_a_port_where_nobody_listens_is_reported_on_the_error_stream():
    async def scenario(client: Client) -> bytes:
        peer = Peer()
        await client.send(peer.open(1, streamtype="error", port="1", requestid="0"))
        await client.send(peer.open(3, streamtype="data", port="1", requestid="0"))
        got = b""
        while b"error forwarding port 1" not in got:
            got += await client.receive() or b""
        return got

    talk(lambda exchange: forward(exchange, None), scenario, protocol=SPDY)


def test_a_connection_through_numbered_channels():
    async def run() -> tuple[asyncio.Server, int]:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        return server, server.sockets[0].getsockname()[1]

    port_holder: list[int] = []

    async def serve(exchange: Exchange) -> None:
        server, port = await run()
        port_holder.append(port)
        exchange.request.query["ports"][0] = str(port)  # known only now
        async with server:
            await forward(exchange, None)

    async def scenario(client: Client) -> list[bytes | None]:
        await client.send(b"\0ping")
        return [await client.receive() for _ in range(3)]

    said = talk(serve, scenario, path="/x?ports=1", protocol="v4.channel.k8s.io")
    number = struct.pack("<H", port_holder[0])
    assert said == [b"\0" + number, b"\1" + number, b"\0ping"]


@pytest.mark.parametrize(
    ("certificate", "trusted"),
    [
        ({"subject": ((("organizationName", "system:masters"),), (("commonName", "x"),))}, True),
        ({"subject": ((("organizationName", "kubeadm:cluster-admins"),),)}, True),
        ({"subject": ((("commonName", "kube-apiserver-kubelet-client"),),)}, True),
        ({"subject": ((("organizationName", "system:nodes"),), (("commonName", "system:node:w2"),))}, False),
        ({}, False),
    ],
)
def test_only_the_api_server_is_trusted(certificate, trusted):
    assert is_trusted(certificate) is trusted


def request(query: str) -> Request:
    return Request.parse(f"GET /containerLogs/d/p/c?{query} HTTP/1.1\r\n\r\n".encode())


def test_selections_of_a_log():
    found = selection(request("tailLines=5&timestamps=true&limitBytes=9&sinceTime=2026-11-20T12:00:00Z"))
    assert found == Selection(tail=5, timestamps=True, limit=9, since=datetime(2026, 11, 20, 12, tzinfo=UTC))
    assert selection(request("tailLines=-1")).tail is None
    since = selection(request("sinceSeconds=60")).since
    assert since
    assert timedelta(seconds=59) < datetime.now(UTC) - since < timedelta(seconds=62)


@pytest.mark.parametrize("query", ["tailLines=x", "sinceTime=yesterday"])
def test_selections_that_are_none(query):
    with pytest.raises(Refused):
        selection(request(query))


@pytest.mark.parametrize("head", [b"", b"nonsense\r\n\r\n", b"GET / SPDY/3\r\n\r\n"])
def test_what_is_no_request(head):
    with pytest.raises(ProtocolError):
        Request.parse(head)


class Sink:
    """Takes an answer's chunks."""

    def __init__(self) -> None:
        self.data = b""
        self.got = asyncio.Event()

    async def chunk(self, data: bytes) -> None:
        self.data += data
        self.got.set()


def test_a_log_is_followed_until_its_container_ends(tmp_path):
    output = Output(tmp_path / "0.log")
    writer, now = LineWriter("stdout"), datetime.now(UTC)

    async def scenario() -> bytes:
        sink = Sink()
        output._take("stdout", b"", writer.feed(b"one\n", now))
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(send_log(sink, output.path, Selection(), output))  # type: ignore[arg-type]  # a stand-in
            await sink.got.wait()
            output._take("stdout", b"", writer.feed(b"two\n", now))
            await output.end()
        return sink.data

    assert asyncio.run(scenario()) == b"one\ntwo\n"


def test_a_log_that_is_rotated_is_followed_into_its_next_file(tmp_path, monkeypatch):
    monkeypatch.setattr("lab.pocket.agent.output.LOG_LIMIT", 100)
    output = Output(tmp_path / "0.log")
    writer, now = LineWriter("stdout"), datetime.now(UTC)
    lines = [f"line {n}\n".encode() for n in range(20)]

    async def scenario() -> bytes:
        sink = Sink()
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(send_log(sink, output.path, Selection(), output))  # type: ignore[arg-type]  # a stand-in
            for line in lines:
                sink.got.clear()
                output._take("stdout", b"", writer.feed(line, now))
                await sink.got.wait()
            await output.end()
        return sink.data

    assert asyncio.run(scenario()) == b"".join(lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.log", "0.log.1"]
    assert all(path.stat().st_size < 200 for path in tmp_path.iterdir())
