from __future__ import annotations

import asyncio
import socket

import orjson
import pytest

from lab.kube.resources import ObjectKey
from lab.pocket.proxy.health import Health, HealthServers
from lab.pocket.proxy.model import Family
from lab.pocket.proxy.plan import Plan
from tests.unit.pocket.proxy.objects import endpoint, endpoint_slice, service


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def ask(port: int) -> tuple[int, object]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), orjson.loads(body)


@pytest.mark.parametrize(("local", "status"), [(2, 200), (0, 503)])
def test_the_answer_counts_local_endpoints(local, status):
    async def scenario() -> tuple[int, object]:
        servers, port = HealthServers(), free_port()
        await servers.serve({port: Health("default", "nginx", local)})
        try:
            return await ask(port)
        finally:
            servers.close()

    assert asyncio.run(scenario()) == (
        status,
        {
            "service": {"namespace": "default", "name": "nginx"},
            "localEndpoints": local,
            "serviceProxyHealthy": True,
        },
    )


def test_a_port_closes_with_its_service():
    async def scenario() -> None:
        servers, port = HealthServers(), free_port()
        await servers.serve({port: Health("default", "nginx", 1)})
        await servers.serve({})
        with pytest.raises(OSError):
            await ask(port)

    asyncio.run(scenario())


def test_only_ready_endpoints_of_this_node_count():
    plan = Plan(Family.IPV4, "worker1")
    pods = [endpoint("10.244.1.2"), endpoint("10.244.1.3", ready=False), endpoint("10.244.2.2", "worker2")]
    item = service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=32000)
    plan.update(ObjectKey("default", "nginx"), item, [endpoint_slice(*pods)])
    assert plan.health() == {32000: Health("default", "nginx", 1)}
