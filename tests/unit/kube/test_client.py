from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lab.errors import ApiError
from lab.kube.client import Client, PatchType
from lab.kube.config import ClusterConfig
from lab.kube.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    StatusError,
    Unauthorized,
    Unavailable,
)
from lab.kube.resources import ENDPOINT_SLICES, NODES, SERVICES, Resource
from tests.unit.kube.fake_api import FakeApi

CHUNKS = b'4;x=y\r\n{"a"\r\n3\r\n:1}\r\n0\r\nT: x\r\n\r\n'
WEB = "/api/v1/namespaces/default/services/web"


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def with_api(test: Callable[[FakeApi, Client], Awaitable[None]]) -> None:
    async def main() -> None:
        async with FakeApi().serving() as api, Client(api.config(), timeout=2) as client:
            await test(api, client)

    asyncio.run(asyncio.wait_for(main(), 10))


@pytest.mark.parametrize(
    ("resource", "where", "path"),
    [
        (SERVICES, {}, "/api/v1/services"),
        (SERVICES, {"namespace": "a"}, "/api/v1/namespaces/a/services"),
        (
            SERVICES,
            {"namespace": "a", "name": "b", "subresource": "status"},
            "/api/v1/namespaces/a/services/b/status",
        ),
        (NODES, {"namespace": "ignored", "name": "n"}, "/api/v1/nodes/n"),
        (ENDPOINT_SLICES, {"name": "x/y"}, "/apis/discovery.k8s.io/v1/endpointslices/x%2Fy"),
    ],
)
def test_paths(resource: Resource, where: dict[str, str], path: str) -> None:
    assert resource.path(**where) == path


def test_objects_live_through_every_verb() -> None:
    async def test(api: FakeApi, client: Client) -> None:
        created = await client.create(SERVICES, service("web", type="LoadBalancer"))
        assert (await client.get(SERVICES, "web", namespace="default"))["spec"] == {"type": "LoadBalancer"}
        created["spec"]["type"] = "ClusterIP"
        replaced = await client.replace(SERVICES, created)
        with pytest.raises(Conflict):
            await client.replace(SERVICES, created)
        with pytest.raises(AlreadyExists):
            await client.create(SERVICES, service("web"))
        patch: dict[str, Any] = {"status": {"loadBalancer": {}}}
        patched = await client.patch(SERVICES, "web", patch, namespace="default", subresource="status")
        assert patched["spec"] == replaced["spec"]
        await client.delete(
            SERVICES, "web", namespace="default", uid="u", grace_period=0, propagation="Background"
        )
        with pytest.raises(NotFound, match="GET /api/v1/namespaces/default/services/web: notfound"):
            await client.get(SERVICES, "web", namespace="default")
        assert api.requests[-2].body == {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": "u"},
            "gracePeriodSeconds": 0,
            "propagationPolicy": "Background",
        }
        assert api.connections == 1

    with_api(test)


@pytest.mark.parametrize("kind", list(PatchType))
def test_a_patch_names_its_type(kind: PatchType) -> None:
    async def test(api: FakeApi, client: Client) -> None:
        await api.put(WEB, service("web"))
        await client.patch(SERVICES, "web", {}, namespace="default", kind=kind)
        assert api.requests[-1].headers["content-type"] == kind

    with_api(test)


def test_server_side_apply_names_its_manager_and_type() -> None:
    async def test(api: FakeApi, client: Client) -> None:
        body = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"type": "LoadBalancer"}}
        applied = await client.apply(SERVICES, body, field_manager="me", force=True)
        assert applied["kind"] == "Service"
        assert applied["apiVersion"] == "v1"
        assert api.requests[-1].query == {"fieldManager": "me", "force": "true"}

    with_api(test)


def test_a_list_is_read_page_by_page() -> None:
    async def test(api: FakeApi, client: Client) -> None:
        for number in range(7):
            await api.put(f"/api/v1/namespaces/default/services/s{number}", service(f"s{number}"))
        paged = Client(client.config, page=3)
        listing = await paged.list(SERVICES, labels="app=web")
        assert [item["metadata"]["name"] for item in listing.items] == [f"s{n}" for n in range(7)]
        assert listing.resource_version == str(api.version)
        assert [r.query.get("continue") for r in api.requests] == [None, "3", "6"]
        assert {r.query["labelSelector"] for r in api.requests} == {"app=web"}
        paged.close()

    with_api(test)


def test_an_expired_page_makes_the_list_begin_anew_in_one_piece() -> None:
    async def test(api: FakeApi, client: Client) -> None:
        await api.put(WEB, service("web"))
        api.faults.append((410, {"reason": "Expired"}))
        assert len((await client.list(SERVICES)).items) == 1
        assert "limit" not in api.requests[-1].query

    with_api(test)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, Invalid),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (418, StatusError),
        (422, Invalid),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_each_refusal_has_its_error(code: int, error: type[ApiError]) -> None:
    async def test(api: FakeApi, client: Client) -> None:
        api.faults.append((code, {"kind": "Status", "message": "no luck"}))
        with pytest.raises(error, match=r"no luck \(") as caught:
            await client.get(NODES, "n")
        assert type(caught.value) is error

    with_api(test)


@pytest.mark.parametrize(
    "answer",
    [
        b"220 smtp.example.com ESMTP\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
        b"",
    ],
)
def test_a_server_that_talks_nonsense_is_unavailable(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, Client(ClusterConfig(host="127.0.0.1", port=port), timeout=2) as client:
            with pytest.raises(Unavailable):
                await client.get(NODES, "n")

    asyncio.run(asyncio.wait_for(main(), 10))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + b'{"a":1}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        b"HTTP/1.0 200 OK\r\n\r\n" + b'{"a":1}',
    ],
    ids=["after an interim answer", "in chunks with extension and trailer", "until the end"],
)
def test_bodies_come_in_every_framing(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, Client(ClusterConfig(host="127.0.0.1", port=port), timeout=2) as client:
            assert await client.get(NODES, "n") == {"a": 1}

    asyncio.run(asyncio.wait_for(main(), 10))


def test_nobody_listening_and_silence_are_unavailable() -> None:
    async def test(api: FakeApi, client: Client) -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        quick = Client(ClusterConfig(host="127.0.0.1", port=port), timeout=0.05)
        with pytest.raises(Unavailable, match="TimeoutError"):
            await quick.get(NODES, "n")
        server.close()
        await server.wait_closed()
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port}"):
            await quick.get(NODES, "n")

    with_api(test)


def test_a_connection_closed_while_idle_is_replaced_for_what_may_be_repeated() -> None:
    async def test(api: FakeApi, client: Client) -> None:
        api.drop_idle = True
        await api.put(WEB, service("web"))
        for _ in range(3):
            await client.get(SERVICES, "web", namespace="default")
        assert api.connections >= 3

    with_api(test)


def test_many_requests_share_few_connections() -> None:
    async def test(api: FakeApi, client: Client) -> None:
        await api.put(WEB, service("web"))
        for _ in range(3):
            await asyncio.gather(*(client.get(SERVICES, "web", namespace="default") for _ in range(5)))
        assert api.connections == 5

    with_api(test)


def test_connections_that_nobody_needs_any_more_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.kube.connection.IDLE_LIMIT", 0.0)

    async def test(api: FakeApi, client: Client) -> None:
        await api.put(WEB, service("web"))
        await asyncio.gather(*(client.get(SERVICES, "web", namespace="default") for _ in range(5)))
        await client.get(SERVICES, "web", namespace="default")
        assert len(client._pool._idle) == 1

    with_api(test)
