"""The way to a pod on its node: logs, exec, attach and port-forward are the node agent's to answer.

An agent connects to the server and registers a `Tunnel` for its node; until it does, requests for its pods are refused
as a kube-apiserver refuses them when the kubelet cannot be reached.
"""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from lab.pocket.apiserver.errors import bad_request, unavailable
from lab.pocket.store import Object


class Tunnel(Protocol):
    """Passes a client's request for one pod to the agent of a node and the answer back."""

    async def forward(self, request: web.BaseRequest, pod: Object, subresource: str) -> web.StreamResponse:
        """Serve `log`, `exec`, `attach` or `portforward` of a pod."""


class Agents:
    """The tunnels that are open now, by node name."""

    def __init__(self) -> None:
        self._tunnels: dict[str, Tunnel] = {}

    def connect(self, node: str, tunnel: Tunnel) -> None:
        self._tunnels[node] = tunnel

    def disconnect(self, node: str, tunnel: Tunnel) -> None:
        """Forget a tunnel, unless a newer one took its place."""
        if self._tunnels.get(node) is tunnel:
            del self._tunnels[node]

    async def forward(self, request: web.BaseRequest, pod: Object, subresource: str) -> web.StreamResponse:
        """Serve a pod's subresource through its node.

        Raises:
            StatusError: 400 for a pod without a node, 503 while the node's agent is away.

        """
        name, node = pod["metadata"]["name"], (pod.get("spec") or {}).get("nodeName")
        if not node:
            raise bad_request(f"pod {name} does not have a host assigned")
        if node not in self._tunnels:
            raise unavailable(f'the agent of node "{node}" is not connected')
        return await self._tunnels[node].forward(request, pod, subresource)
