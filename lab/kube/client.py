"""Requests to a Kubernetes API: get, list, create, replace, patch, apply, delete and watch.

Objects are plain dictionaries; what the API refuses becomes an error of `lab.kube.errors`. Source for verbs, query
parameters and content types: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

import orjson

from lab.kube.config import ClusterConfig
from lab.kube.connection import Head, Pool
from lab.kube.errors import Gone, Unavailable, error_of_status
from lab.kube.resources import Json, Resource

PAGE: Final = 500
IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})


class PatchType(StrEnum):
    """How a patch is written: its media type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects of a list at one resourceVersion."""

    items: Sequence[Json]
    resource_version: str


class Client:
    """A client of one API server. Safe for use by many tasks at once; close it, or use it as a context manager."""

    def __init__(
        self, config: ClusterConfig, *, user_agent: str = "lab", timeout: float = 30.0, page: int = PAGE
    ) -> None:
        """Limit every request to `timeout` seconds, and every page of a list to `page` objects."""
        self.config = config
        self._pool = Pool(config)
        self._user_agent = user_agent
        self._timeout = timeout
        self._page = page

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._pool.close()

    async def get(self, resource: Resource, name: str, *, namespace: str = "", subresource: str = "") -> Json:
        """Return one object; raises NotFound."""
        return await self.request(
            "GET", resource.path(namespace=namespace, name=name, subresource=subresource)
        )

    async def list(
        self, resource: Resource, *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Listing:
        """Return all objects that match, page by page; begins anew without pages when the list grew too old."""
        matching = partial(self.pages, resource, namespace=namespace, labels=labels, fields=fields)
        try:
            pages = [page async for page in matching(limit=self._page)]
        except Gone:
            pages = [page async for page in matching()]
        return Listing([item for page in pages for item in page.items], pages[-1].resource_version)

    async def pages(
        self, resource: Resource, *, limit: int = 0, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncGenerator[Listing, None]:
        """Yield all objects that match, up to `limit` at a time; without one, all in one page.

        The last page's resourceVersion is that of the list. Raises Gone when the list grew too old to go on with.
        """
        path, token = resource.path(namespace=namespace), ""
        query = {"labelSelector": labels, "fieldSelector": fields, "limit": str(limit or "")}
        while True:
            page = await self.request("GET", path, query={**query, "continue": token})
            yield Listing(page.get("items") or (), page["metadata"].get("resourceVersion", ""))
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def create(
        self, resource: Resource, body: Mapping[str, Any], *, name: str = "", subresource: str = ""
    ) -> Json:
        """Create an object in the namespace that its metadata names; raises AlreadyExists.

        With `name` and `subresource`, post to that object's subresource (a binding, an eviction, a token).
        """
        path = resource.path(namespace=_namespace(body), name=name, subresource=subresource)
        return await self.request("POST", path, body=body)

    async def replace(self, resource: Resource, body: Mapping[str, Any], *, subresource: str = "") -> Json:
        """Replace an object; raises Conflict when its resourceVersion is not the latest."""
        return await self.request("PUT", _path_of(resource, body, subresource), body=body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        namespace: str = "",
        subresource: str = "",
        kind: PatchType = PatchType.MERGE,
    ) -> Json:
        """Change an object as `patch` says; raises NotFound, Invalid, Conflict."""
        path = resource.path(namespace=namespace, name=name, subresource=subresource)
        return await self.request("PATCH", path, body=patch, content_type=kind)

    async def apply(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        *,
        field_manager: str,
        force: bool = False,
        subresource: str = "",
    ) -> Json:
        """Server-side apply: create or change; raises Conflict when another manager owns a field and not `force`."""
        return await self.request(
            "PATCH",
            _path_of(resource, body, subresource),
            query={"fieldManager": field_manager, "force": "true" if force else "false"},
            body={"apiVersion": resource.api_version, "kind": resource.kind, **body},
            content_type=PatchType.APPLY,
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str = "",
        uid: str = "",
        grace_period: int | None = None,
        propagation: str = "",
    ) -> Json:
        """Delete an object; raises NotFound, and Conflict when `uid` is given and is not the object's.

        `grace_period` is in seconds; `propagation` is Background, Foreground or Orphan.
        """
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_period is not None:
            options["gracePeriodSeconds"] = grace_period
        if propagation:
            options["propagationPolicy"] = propagation
        return await self.request("DELETE", resource.path(namespace=namespace, name=name), body=options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """Send one request and return the decoded answer.

        A connection that the server closed while it was idle is replaced once, if that cannot do a thing twice.
        Raises StatusError for what the API refuses and Unavailable for everything else.
        """
        payload = b"" if body is None else orjson.dumps(body)
        head = self._head(method, path, query or {}, payload, content_type)
        asked = f"{method} {path}"
        with self._translating(asked):
            async with asyncio.timeout(self._timeout):
                answer, content = await self._exchange(head, payload, again=method in IDEMPOTENT)
        return _decode(answer, content, asked=asked)

    async def _exchange(self, head: bytes, payload: bytes, *, again: bool) -> tuple[Head, bytes]:
        async with self._pool.connection() as connection:
            try:
                await connection.send(head, payload)
                answer = await connection.head()
            except (ConnectionError, EOFError, ssl.SSLError):
                if not (connection.used and again):
                    raise
            else:
                content = await connection.body(answer)
                if answer.keeps_alive:
                    self._pool.keep(connection)
                return answer, content
        async with self._pool.connection(fresh=True) as connection:
            await connection.send(head, payload)
            answer = await connection.head()
            return answer, await connection.body(answer)

    @asynccontextmanager
    async def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        seconds: int = 300,
    ) -> AsyncIterator[AsyncIterator[Json]]:
        """Open a watch, then iterate over its events ({"type": …, "object": …}, bookmarks included) until it ends.

        Asks the server for `seconds` and gives up a little later. An event of type ERROR is raised as what it
        means, so Gone comes from the response and from the stream alike.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
            "labelSelector": labels,
            "fieldSelector": fields,
        }
        path = resource.path(namespace=namespace)
        asked = f"WATCH {path}"
        head = self._head("GET", path, query, b"", "application/json")
        async with AsyncExitStack() as stack:
            with self._translating(asked):
                async with asyncio.timeout(self._timeout):
                    connection = await stack.enter_async_context(self._pool.connection(fresh=True))
                    await connection.send(head, b"")
                    answer = await connection.head()
                    if answer.status != 200:
                        _decode(answer, await connection.body(answer), asked=asked)
            deadline = asyncio.get_running_loop().time() + seconds + self._timeout
            flocks = await stack.enter_async_context(aclosing(connection.lines(answer)))
            yield await stack.enter_async_context(aclosing(self._events(flocks, deadline, asked)))

    async def _events(
        self, flocks: AsyncIterator[Sequence[bytes]], deadline: float, asked: str
    ) -> AsyncGenerator[Json, None]:
        while True:
            with self._translating(asked):
                async with asyncio.timeout_at(deadline):
                    lines = await anext(flocks, None)
            if lines is None:
                return
            for line in filter(None, lines):
                event = _loads(line, asked=asked)
                if event.get("type") == "ERROR":
                    status = event.get("object") or {}
                    raise error_of_status(int(status.get("code", 500)), status, asked=asked)
                yield event

    @contextmanager
    def _translating(self, asked: str) -> Iterator[None]:
        """Turn what goes wrong below HTTP into Unavailable. A TimeoutError is an OSError too."""
        try:
            yield
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            cause = str(error) or type(error).__name__
            raise Unavailable(f"{asked} at {self.config.host}:{self.config.port}: {cause}") from error

    def _head(
        self, method: str, path: str, query: Mapping[str, str], payload: bytes, content_type: str
    ) -> bytes:
        config = self.config
        target = config.path + path
        if given := urlencode({key: value for key, value in query.items() if value}):
            target += "?" + given
        host = f"[{config.host}]" if ":" in config.host else config.host
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {host}:{config.port}",
            f"User-Agent: {self._user_agent}",
            "Accept: application/json",
        ]
        if token := config.token():
            lines.append(f"Authorization: Bearer {token}")
        if payload:
            lines += [f"Content-Type: {content_type}", f"Content-Length: {len(payload)}"]
        return "\r\n".join((*lines, "", "")).encode("latin-1")


def _path_of(resource: Resource, body: Mapping[str, Any], subresource: str) -> str:
    return resource.path(namespace=_namespace(body), name=body["metadata"]["name"], subresource=subresource)


def _namespace(body: Mapping[str, Any]) -> str:
    namespace: str = body["metadata"].get("namespace", "")
    return namespace


def _decode(head: Head, content: bytes, *, asked: str) -> Json:
    if head.status < 300:
        return _loads(content, asked=asked)
    try:
        status = orjson.loads(content)
    except orjson.JSONDecodeError:
        status = {"message": content[:200].decode(errors="replace").strip()}
    if not isinstance(status, dict):
        status = {}
    raise error_of_status(head.status, status, asked=asked, retry_after=head.retry_after)


def _loads(content: bytes, *, asked: str) -> Json:
    try:
        value = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError as error:
        raise Unavailable(f"{asked}: the answer is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Unavailable(f"{asked}: the answer is not an object")
    return value
