"""Fetches what pods refer to: ConfigMaps, Secrets, service account tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from lab.kube.client import Client
from lab.kube.errors import NotFound
from lab.kube.resources import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS, Json, Resource
from lab.pocket.agent.environment import References
from lab.pocket.agent.volumes import Sources, TokenRequest, referenced, token_requests

RENEW_AT: Final = 0.8
"""Share of a token's life after which it is replaced, as kubelet does."""


class Supplier:
    """Gets the sources of pods from the API and keeps their tokens until they grow old."""

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._tokens: dict[tuple[str, TokenRequest], tuple[str, float]] = {}

    async def fetch(self, pod: Json, node: Json) -> Sources:
        """Return everything that the pod refers to and that exists; raises ApiError when the API does not answer."""
        namespace = pod["metadata"]["namespace"]
        config_maps, secrets = referenced(pod)
        maps, hidden, tokens = await asyncio.gather(
            self._all(CONFIG_MAPS, namespace, config_maps),
            self._all(SECRETS, namespace, secrets),
            self._all_tokens(pod),
        )
        return Sources(node, References(maps, hidden), tokens)

    def forget(self, uid: str) -> None:
        """Drop the tokens of a pod that is gone."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]

    async def _all(self, resource: Resource, namespace: str, names: Iterable[str]) -> dict[str, Json]:
        found = {}
        for name in names:
            try:
                item = await self._client.get(resource, name, namespace=namespace)
            except NotFound:
                continue
            found[name] = {"kind": resource.kind} | item
        return found

    async def _all_tokens(self, pod: Json) -> dict[TokenRequest, str]:
        return {request: await self._token(pod, request) for request in token_requests(pod)}

    async def _token(self, pod: Json, request: TokenRequest) -> str:
        metadata = pod["metadata"]
        key = (metadata["uid"], request)
        token, until = self._tokens.get(key, ("", 0.0))
        if token and self._clock() < until:
            return token
        reference = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"namespace": metadata["namespace"]},
            "spec": {
                "audiences": [request.audience] if request.audience else [],
                "expirationSeconds": request.seconds,
                "boundObjectRef": reference,
            },
        }
        account = pod["spec"].get("serviceAccountName") or "default"
        answer = await self._client.create(SERVICE_ACCOUNTS, body, name=account, subresource="token")
        token = str(answer["status"]["token"])
        self._tokens[key] = (token, self._clock() + request.seconds * RENEW_AT)
        return token
