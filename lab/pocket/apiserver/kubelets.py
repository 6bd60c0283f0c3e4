"""The way to a pod on its node: logs, exec, attach and port-forward are the node agent's to answer.

The server asks the agent at the node's internal address and its kubelet port, with a client certificate of its own, on
the paths of kubelet's API; so it works with any kubelet that speaks WebSocket. Bytes pass through, nothing is read.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import MultiDict

from lab.pocket.apiserver.errors import About, bad_request, not_found, unavailable
from lab.pocket.store import Key, Object, Store

CONNECT_SECONDS = 5
BLOCK = 64 << 10
KUBELET_PORT = 10250
PATHS = {"log": "containerLogs", "exec": "exec", "attach": "attach", "portforward": "portForward"}
STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}  # as kubelet calls them
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


class Kubelets:
    """Passes requests for pods on to their nodes."""

    def __init__(self, store: Store, tls: ssl.SSLContext) -> None:
        self._store = store
        self._tls = tls

    async def forward(self, request: web.BaseRequest, pod: Object, subresource: str) -> web.StreamResponse:
        """Serve a pod's subresource through its node.

        Raises:
            StatusError: 400 for a pod without a node or a container it does not have, 404 for a node that is gone, 503
                when its agent cannot be reached.

        """
        if subresource == "log" and not (pod.get("spec") or {}).get("nodeName"):
            return web.Response(content_type="text/plain")  # nothing was said yet
        url = f"https://{self._address(pod)}/{_path(request, pod, subresource)}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            try:
                if subresource == "log":
                    return await self._copy(session, request, url)
                return await self._converse(session, request, url)
            except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as error:
                node = pod["spec"]["nodeName"]
                raise unavailable(f'the agent of node "{node}" cannot be reached: {error}') from error
            except aiohttp.WSServerHandshakeError as error:
                raise unavailable(f"the node's agent refused: {error.status} {error.message}") from error

    def _address(self, pod: Object) -> str:
        node = (pod.get("spec") or {}).get("nodeName")
        if not node:
            raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        row = self._store.get(Key("nodes", "", node))
        if row is None:
            raise not_found(About("nodes", node))
        status = row.decoded().get("status") or {}
        # Of several addresses of a type the first one counts.
        found = {
            entry.get("type"): entry.get("address", "") for entry in reversed(status.get("addresses") or ())
        }
        host = found.get("InternalIP") or found.get("Hostname")
        if not host:
            raise unavailable(f'node "{node}" has no address yet')
        port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get(
            "Port"
        ) or KUBELET_PORT
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def _copy(
        self, session: aiohttp.ClientSession, request: web.BaseRequest, url: str
    ) -> web.StreamResponse:
        async with session.get(url, params=request.query, ssl=self._tls) as upstream:
            if upstream.status >= 400:  # the agent says why in plain words; clients want a Status
                raise (bad_request if upstream.status < 500 else unavailable)(await upstream.text())
            response = web.StreamResponse(status=upstream.status)
            response.content_type = upstream.content_type
            await response.prepare(request)
            async for block in upstream.content.iter_chunked(BLOCK):
                await response.write(block)
            await response.write_eof()
            return response

    async def _converse(
        self, session: aiohttp.ClientSession, request: web.BaseRequest, url: str
    ) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise bad_request("unable to upgrade: only WebSocket is served")
        asked = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        opening = session.ws_connect(
            url, params=_stream_query(request), ssl=self._tls, protocols=asked, max_msg_size=0
        )
        async with opening as upstream:
            client = web.WebSocketResponse(
                protocols=[upstream.protocol] if upstream.protocol else (), max_msg_size=0
            )
            await client.prepare(request)
            await _pump_both(client, upstream)
            return client


async def _pump_both(client: web.WebSocketResponse, upstream: aiohttp.ClientWebSocketResponse) -> None:
    """Pass messages both ways until one side ends."""
    pumps = [asyncio.create_task(_pump(client, upstream)), asyncio.create_task(_pump(upstream, client))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.wait(pumps)
        await client.close()


async def _pump(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
) -> None:
    async for message in source:
        if message.type is aiohttp.WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            await target.send_str(message.data)


def _path(request: web.BaseRequest, pod: Object, subresource: str) -> str:
    parts = [PATHS[subresource], pod["metadata"]["namespace"], pod["metadata"]["name"]]
    if subresource != "portforward":
        parts.append(_container(pod, request.query.get("container", "")))
    return "/".join(quote(part, safe="") for part in parts)


def _container(pod: Object, asked: str) -> str:
    name, names = pod["metadata"]["name"], list(_container_names(pod))
    if asked:
        if asked not in names:
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    annotated = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER, "")
    if annotated in names:
        return str(annotated)
    regular = [container["name"] for container in pod["spec"].get("containers") or ()]
    if len(regular) != 1:
        raise bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(regular)}]"
        )
    return str(regular[0])


def _container_names(pod: Object) -> Iterator[str]:
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for container in pod["spec"].get(key) or ():
            yield container["name"]


def _stream_query(request: web.BaseRequest) -> MultiDict[str]:
    """Return a request's parameters as kubelet names them."""
    query: MultiDict[str] = MultiDict()
    for key, value in request.query.items():
        if key in STREAMS:
            if value in {"1", "true"}:
                query.add(STREAMS[key], "1")
        elif key != "container":
            query.add(key, value)
    return query
