"""Logs, exec and port-forward: what the server asks of a node's agent, and what it says when that is away."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from lab.pocket import pki
from tests.unit.pocket.apiserver.conversation import Client, converse

PODS = "/api/v1/namespaces/default/pods"
V5 = "v5.channel.k8s.io"


class FakeKubelet:
    """Remembers what it was asked; logs are two lines, exec echoes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.peers: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append((request.path, {key: request.query.getall(key) for key in request.query}))
        assert request.transport is not None
        certificate = request.transport.get_extra_info("ssl_object").getpeercert()
        self.peers += [value for part in certificate["subject"] for key, value in part if key == "commonName"]
        if request.path.startswith("/containerLogs"):
            return web.Response(text="one\ntwo\n")
        socket = web.WebSocketResponse(protocols=[V5])
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(b"\x01" + message.data)
            await socket.close()
        return socket


@asynccontextmanager
async def listening(kubelet: FakeKubelet, directory: Path) -> AsyncIterator[int]:
    authority = pki.load_or_create_authority(directory / "pki")
    pair = pki.write_identity(directory / "node", "node", pki.server_certificate(authority, ["127.0.0.1"]))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*pair)
    tls.load_verify_locations(directory / "pki" / "ca.crt")
    tls.verify_mode = ssl.CERT_REQUIRED
    runner = web.ServerRunner(web.Server(kubelet.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def place_pod(client: Client, port: int, *containers: str) -> None:
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await client.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n"}, "status": status})
    spec = {"nodeName": "n", "containers": [{"name": name, "image": "i"} for name in containers]}
    await client.ok("POST", PODS, {"metadata": {"name": "p"}, "spec": spec})


def test_logs_come_from_the_node(tmp_path):
    async def talk(client: Client) -> None:
        kubelet = FakeKubelet()
        async with listening(kubelet, tmp_path) as port:
            await place_pod(client, port, "c")
            answer = await client.send("GET", f"{PODS}/p/log?tailLines=2&follow=true")
        assert (answer.code, answer.body) == (200, "one\ntwo\n")
        assert answer.headers["Content-Type"] == "text/plain"
        assert kubelet.asked == [("/containerLogs/default/p/c", {"tailLines": ["2"], "follow": ["true"]})]
        assert kubelet.peers == ["kube-apiserver-kubelet-client"]

    converse(tmp_path, talk)


def test_exec_passes_messages_both_ways_under_the_node_s_protocol(tmp_path):
    async def talk(client: Client) -> None:
        kubelet = FakeKubelet()
        query = "command=echo&command=hi&stdin=true&stdout=true&container=c"
        async with listening(kubelet, tmp_path) as port:
            await place_pod(client, port, "c", "d")
            url = f"{client.server.url}{PODS}/p/exec?{query}"
            async with client.session.ws_connect(url, ssl=client.tls, protocols=("v9", V5)) as socket:
                assert socket.protocol == V5
                await socket.send_bytes(b"\x00hello")
                assert (await socket.receive(timeout=5)).data == b"\x01\x00hello"
        path, asked = kubelet.asked[0]
        assert path == "/exec/default/p/c"
        assert asked == {"command": ["echo", "hi"], "input": ["1"], "output": ["1"]}

    converse(tmp_path, talk)


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("log", 400, "a container name must be specified for pod p, choose one of: [c d]"),
        ("log?container=x", 400, "container x is not valid for pod p"),
        ("log?container=c", 503, 'the agent of node "n" cannot be reached'),
        ("exec?container=c&command=ls", 400, "unable to upgrade: only WebSocket is served"),
    ],
)
def test_what_cannot_be_served_is_said(tmp_path, path, code, message):
    async def talk(client: Client) -> None:
        await place_pod(client, 1, "c", "d")
        answer = await client.send("GET", f"{PODS}/p/{path}")
        assert answer.code == code
        assert message in answer.body["message"]

    converse(tmp_path, talk)


def test_a_pod_without_a_node_has_no_logs(tmp_path):
    async def talk(client: Client) -> None:
        spec = {"containers": [{"name": "c", "image": "i"}]}
        await client.ok("POST", PODS, {"metadata": {"name": "p"}, "spec": spec})
        answer = await client.send("GET", f"{PODS}/p/log")
        assert (answer.code, answer.body) == (200, "")

    converse(tmp_path, talk)


def test_who_may_only_read_pods_cannot_run_commands_in_them(tmp_path):
    rules = [{"apiGroups": [""], "resources": ["pods/exec", "pods/log"], "verbs": ["get"]}]
    role = {"metadata": {"name": "reader"}, "rules": rules}
    binding: dict[str, Any] = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
        "subjects": [{"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}],
    }

    async def prepare(client: Client) -> None:
        await place_pod(client, 1, "c")
        await client.ok("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
        await client.ok("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)

    async def read(client: Client) -> None:
        assert (await client.send("GET", f"{PODS}/p/log")).code == 503
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.session.ws_connect(f"{client.server.url}{PODS}/p/exec?command=ls", ssl=client.tls)
        assert refused.value.status == 403

    converse(tmp_path, prepare)
    converse(tmp_path, read, user=("reader", ()))
