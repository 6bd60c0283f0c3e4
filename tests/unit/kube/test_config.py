from __future__ import annotations

import asyncio
import base64
import json
import ssl
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.kube.client import Client
from lab.kube.config import TokenFile, from_kubeconfig, in_cluster
from lab.kube.errors import NotFound, Unavailable
from lab.kube.resources import NODES
from tests.unit.kube.authority import Authority
from tests.unit.kube.fake_api import FakeApi


def kubeconfig(folder: Path, port: int, *, inline: bool) -> Path:
    authority = Authority()
    server = authority.write(folder, "server")
    client = authority.write(folder, "client")
    (folder / "ca.crt").write_bytes(authority.pem)
    del server

    def value(name: str, path: Path) -> dict[str, str]:
        return {f"{name}-data": base64.b64encode(path.read_bytes()).decode()} if inline else {name: path.name}

    document = {
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u", "namespace": "web"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": f"https://127.0.0.1:{port}/prefix/",
                    **value("certificate-authority", folder / "ca.crt"),
                },
            }
        ],
        "users": [
            {
                "name": "u",
                "user": {
                    **value("client-certificate", client[0]),
                    **value("client-key", client[1]),
                    "token": "secret",
                },
            }
        ],
    }
    path = folder / "config"
    path.write_text(json.dumps(document))
    return path


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize("inline", [True, False])
def test_tls_with_client_certificates(tmp_path: Path, *, inline: bool) -> None:
    async def main() -> None:
        api = FakeApi()
        kubeconfig(tmp_path, 1, inline=inline)
        async with api.serving(server_context(tmp_path)):
            path = tmp_path / "config"
            path.write_text(path.read_text().replace("127.0.0.1:1/", f"127.0.0.1:{api.port}/"))
            config = from_kubeconfig(path)
            assert (config.namespace, config.path) == ("web", "/prefix")
            async with Client(config, user_agent="lab-test/1", timeout=5) as client:
                with pytest.raises(NotFound):
                    await client.get(NODES, "n")
            seen = api.requests[-1]
            assert seen.path == "/prefix/api/v1/nodes/n"
            assert seen.headers["authorization"] == "Bearer secret"
            assert seen.headers["user-agent"] == "lab-test/1"

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_server_of_another_authority_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        api = FakeApi()
        kubeconfig(tmp_path, 1, inline=True)
        other = tmp_path / "other"
        other.mkdir()
        kubeconfig(other, 1, inline=True)
        async with api.serving(server_context(tmp_path)):
            path = other / "config"
            path.write_text(path.read_text().replace("127.0.0.1:1/", f"127.0.0.1:{api.port}/"))
            async with Client(from_kubeconfig(path), timeout=5) as client:
                with pytest.raises(Unavailable, match="certificate verify failed"):
                    await client.get(NODES, "n")

    asyncio.run(asyncio.wait_for(main(), 10))


YAML_CONFIG = """
current-context: main
contexts: [{name: main, context: {cluster: c}}]
clusters: [{name: c, cluster: {server: "http://[::1]:8080"}}]
"""


def test_a_kubeconfig_in_yaml_without_a_user(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(YAML_CONFIG)
    config = from_kubeconfig(path)
    assert (config.host, config.port, config.tls, config.token()) == ("::1", 8080, None, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "neither JSON nor YAML"),
        ("[]", "not a kubeconfig file"),
        ("{}", "no context named '' \\(there is: none\\)"),
        (YAML_CONFIG.replace("cluster: c}", "cluster: d}"), "no cluster named 'd' \\(there is: c\\)"),
        (YAML_CONFIG.replace("http://", ""), "is not a URL like"),
        (
            YAML_CONFIG.replace("cluster: c}", "cluster: c, user: u}")
            + "users: [{name: u, user: {exec: {}}}]",
            "exec",
        ),
        (
            YAML_CONFIG.replace("http:", "https:").replace("8080", '8080", certificate-authority-data: "*'),
            "certificate-authority-data is not base64",
        ),
        (
            YAML_CONFIG.replace("http:", "https:").replace("8080", '8080", certificate-authority: "nowhere'),
            "cannot read .*nowhere",
        ),
        (
            YAML_CONFIG.replace("http:", "https:").replace(
                "8080", '8080", certificate-authority-data: "aGVsbG8='
            ),
            "cannot be used",
        ),
    ],
)
def test_a_bad_kubeconfig_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        from_kubeconfig(path)


def test_inside_a_pod(tmp_path: Path) -> None:
    for name, content in {
        "namespace": b"metallb-system\n",
        "ca.crt": Authority().pem,
        "token": b"t1\n",
    }.items():
        (tmp_path / name).write_bytes(content)
    config = in_cluster({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, account=tmp_path)
    assert (config.host, config.port, config.namespace) == ("10.96.0.1", 443, "metallb-system")
    assert config.token() == "t1"


def test_a_token_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    path = tmp_path / "token"
    now = [0.0]
    token = TokenFile(path, clock=lambda: now[0])
    path.write_text("one\n")
    assert token() == "one"
    path.write_text("two\n")
    now[0] = 59.0
    assert token() == "one"
    now[0] = 60.0
    assert token() == "two"
