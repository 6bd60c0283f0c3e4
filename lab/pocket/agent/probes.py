"""Asking a container how it is: HTTP, TCP, a command. What the answer means is decided in `probing`."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

from lab.kube.resources import Json
from lab.pocket.agent.errors import ConfigError
from lab.pocket.agent.runtime import Runtime

HEAD_LIMIT: Final = 1 << 16
EXCERPT: Final = 200


class ProbeFailed(Exception):  # noqa: N818 -- not an error of ours: an answer
    """The container did not answer as it should; the message says how."""


def check_supported(container: Json) -> None:
    """Raise ConfigError for a probe that this agent cannot carry out."""
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container.get(kind)
        if probe and not probe.keys() & {"httpGet", "tcpSocket", "exec"}:
            raise ConfigError(f"{kind}: only httpGet, tcpSocket and exec are supported by this node agent")


async def ask(
    probe: Json, container: Json, *, ip: str, runtime: Runtime, container_id: str, seconds: float
) -> None:
    """Ask once; raises ProbeFailed when the answer is no, or does not come within so many `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            if "httpGet" in probe:
                await _http(probe["httpGet"], container, ip)
            elif "tcpSocket" in probe:
                socket = probe["tcpSocket"]
                await _connect(socket.get("host") or ip, _port(socket["port"], container))
            else:
                await _exec(runtime.exec_command(container_id, probe["exec"]["command"]))
    except TimeoutError as error:
        raise ProbeFailed(f"no answer within {seconds:g} s") from error
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        raise ProbeFailed(str(error) or type(error).__name__) from error


async def _connect(host: str, port: int) -> None:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()


async def _exec(argv: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise ProbeFailed(
            said[:EXCERPT].decode(errors="replace").strip() or f"exit code {process.returncode}"
        )


async def _http(get: Json, container: Json, ip: str) -> None:
    host, port = get.get("host") or ip, _port(get["port"], container)
    tls = _no_verification() if get.get("scheme") == "HTTPS" else None
    reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=HEAD_LIMIT)
    try:
        writer.write(_request(get, host, port))
        await writer.drain()
        line = (await reader.readline()).decode("latin-1")
    finally:
        writer.close()
    words = line.split()
    if len(words) < 2 or not words[1].isdecimal():
        raise ProbeFailed(f"not HTTP: {line[:EXCERPT]!r}")
    if not 200 <= int(words[1]) < 400:
        raise ProbeFailed(f"HTTP probe failed with statuscode: {words[1]}")


def _request(get: Json, host: str, port: int) -> bytes:
    given: dict[str, Any] = {each["name"]: each["value"] for each in get.get("httpHeaders") or ()}
    shown = f"[{host}]" if ":" in host else host
    headers = {
        "Host": f"{shown}:{port}",
        "User-Agent": "kube-probe/1.36",
        "Accept": "*/*",
        **given,
        "Connection": "close",
    }
    lines = [
        f"GET {get.get('path') or '/'} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1", errors="replace")


def _no_verification() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _port(port: int | str, container: Json) -> int:
    if isinstance(port, int) or port.isdecimal():
        return int(port)
    for each in container.get("ports") or ():
        if each.get("name") == port:
            return int(each["containerPort"])
    raise ProbeFailed(f"the container has no port named {port}")
