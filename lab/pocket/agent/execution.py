"""exec and attach: a process's streams as channels of a WebSocket.

The first byte of a message names the channel: 0 stdin, 1 stdout, 2 stderr, 3 the Status at the end, 4 the terminal's size,
255 (version 5) a channel that the client closes. Source: kubernetes/apimachinery, remotecommand/constants.go.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import orjson

from lab.errors import ProtocolError
from lab.pocket.agent.http import Exchange, Refused, WebSocket
from lab.pocket.agent.output import Output
from lab.pocket.agent.runtime import Runtime

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
BLOCK: Final = 1 << 15


class Channels:
    """The channels of one WebSocket."""

    def __init__(self, connection: WebSocket) -> None:
        self._connection = connection

    async def send(self, channel: int, data: bytes) -> None:
        await self._connection.send(bytes([channel]) + data)

    async def pump(self, stream: asyncio.StreamReader, channel: int) -> None:
        """Send everything that a stream says."""
        with suppress(OSError):  # how a terminal whose processes have ended says so
            while data := await stream.read(BLOCK):
                await self.send(channel, data)

    async def listen(
        self,
        *,
        on_input: Callable[[bytes], Awaitable[None]],
        on_close: Callable[[], None],
        on_resize: Callable[[int, int], None],
    ) -> None:
        """Pass on what the client sends until it goes. `on_resize` gets columns and rows."""
        while (message := await self._connection.receive()) is not None:
            channel, data = (message[0], message[1:]) if message else (CLOSE, b"")
            if channel == STDIN and data:
                await on_input(data)
            elif channel == CLOSE and data[:1] == bytes([STDIN]):
                on_close()
            elif channel == RESIZE:
                size = orjson.loads(data)
                on_resize(int(size["Width"]), int(size["Height"]))

    async def finish(self, code: int, problem: str = "") -> None:
        """Send the Status of a process that has ended, and say goodbye."""
        await self.send(ERROR, orjson.dumps(_status(code, problem)))
        await self._connection.close()


def _status(code: int, problem: str) -> dict[str, object]:
    if problem:
        return {
            "metadata": {},
            "status": "Failure",
            "reason": "InternalError",
            "message": problem,
            "code": 500,
        }
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


async def execute(exchange: Exchange, runtime: Runtime, container: str) -> None:
    """Run a further process in a container and connect its streams; raises Refused."""
    request = exchange.request
    command, tty = request.query.get("command") or [], request.wants("tty")
    if not command:
        raise Refused(HTTPStatus.BAD_REQUEST, "you must specify at least 1 command for the container")
    channels = Channels(await exchange.upgrade(PROTOCOLS))
    argv = runtime.exec_command(container, command, tty=tty)
    run = _with_terminal if tty else _with_pipes
    with suppress(OSError, ProtocolError):  # the client went away
        await run(channels, argv, takes_input=request.wants("input"))


async def _with_pipes(channels: Channels, argv: list[str], *, takes_input: bool) -> None:
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=pipe if takes_input else nowhere, stdout=pipe, stderr=pipe
    )
    if process.stdout is None or process.stderr is None:
        raise AssertionError("asked for pipes")

    async def feed(data: bytes) -> None:
        if process.stdin:
            process.stdin.write(data)
            with suppress(ConnectionError):
                await process.stdin.drain()

    def close() -> None:
        if process.stdin:
            process.stdin.close()

    listening = asyncio.create_task(channels.listen(on_input=feed, on_close=close, on_resize=_ignore_size))
    speaking = asyncio.gather(channels.pump(process.stdout, STDOUT), channels.pump(process.stderr, STDERR))
    await _until_end(process, listening, speaking, channels)


def _ignore_size(columns: int, rows: int) -> None:
    del columns, rows


async def _until_end(
    process: asyncio.subprocess.Process,
    listening: asyncio.Task[None],
    speaking: asyncio.Future[Any],
    channels: Channels,
) -> None:
    """Wait for the process, or for the client to leave, which kills it; then clean up."""
    waiting = asyncio.create_task(process.wait())
    try:
        await asyncio.wait((waiting, listening), return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            await speaking
            await channels.finish(waiting.result())
    finally:
        if process.returncode is None:
            process.kill()
        listening.cancel()
        speaking.cancel()
        await asyncio.gather(listening, speaking, waiting, return_exceptions=True)


async def _with_terminal(channels: Channels, argv: list[str], *, takes_input: bool) -> None:
    del takes_input  # a terminal goes both ways
    master, slave = os.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=environment
        )
    finally:
        os.close(slave)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    file = os.fdopen(master, "r+b", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)

    async def feed(data: bytes) -> None:
        await asyncio.to_thread(os.write, master, data)

    def resize(columns: int, rows: int) -> None:
        set_size(master, columns, rows)
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGWINCH)

    listening = asyncio.create_task(channels.listen(on_input=feed, on_close=lambda: None, on_resize=resize))
    speaking = asyncio.ensure_future(asyncio.gather(channels.pump(reader, STDOUT)))
    try:
        await _until_end(process, listening, speaking, channels)
    finally:
        transport.close()


def set_size(terminal: int, columns: int, rows: int) -> None:
    """Tell a terminal, by its master's descriptor, how large it is shown."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


async def attach(exchange: Exchange, output: Output, ended: Callable[[], int]) -> None:
    """Connect to the streams of a container that runs; `ended` returns its exit code after the end."""
    channels = Channels(await exchange.upgrade(PROTOCOLS))
    listener = output.listen()

    async def feed(data: bytes) -> None:
        await asyncio.to_thread(output.say, data)

    def resize(columns: int, rows: int) -> None:
        if output.stdin is not None:
            with suppress(OSError):
                set_size(output.stdin, columns, rows)

    listening = asyncio.create_task(
        channels.listen(on_input=feed, on_close=output.close_stdin, on_resize=resize)
    )
    speaking = asyncio.create_task(_speak(listener, channels))
    try:
        await asyncio.wait((listening, speaking), return_when=asyncio.FIRST_COMPLETED)
        if speaking.done():
            with suppress(OSError):
                await channels.finish(ended())
    finally:
        output.leave(listener)
        for task in (listening, speaking):
            task.cancel()
        await asyncio.gather(listening, speaking, return_exceptions=True)


async def _speak(listener: asyncio.Queue[tuple[str, bytes] | None], channels: Channels) -> None:
    while (said := await listener.get()) is not None:
        await channels.send(STDOUT if said[0] == "stdout" else STDERR, said[1])
