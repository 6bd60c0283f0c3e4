"""OpenAPI over HTTP: which form of which document a client gets."""

from __future__ import annotations

import pytest

from tests.unit.pocket.apiserver.conversation import Client, converse

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
KUBECTL = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


@pytest.mark.parametrize(
    ("accept", "code", "kind"),
    [
        ("", 200, "application/json"),
        ("*/*", 200, "application/json"),
        ("text/html, application/json;q=0.9", 200, "application/json"),
        (KUBECTL, 200, PROTOBUF),
        (f"{PROTOBUF},application/json", 200, PROTOBUF),
        ("text/html", 406, "application/json"),
    ],
)
def test_version_2_comes_as_it_is_asked_for(tmp_path, accept, code, kind):
    async def talk(client: Client) -> None:
        url = f"{client.server.url}/openapi/v2"
        async with client.session.get(url, headers={"Accept": accept}, ssl=client.tls) as response:
            assert (response.status, response.content_type) == (code, kind)

    converse(tmp_path, talk)


def test_version_2_follows_definitions(tmp_path):
    names = {"plural": "foos", "kind": "Foo"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
    }
    spec = {"group": "ex.org", "scope": "Cluster", "names": names, "versions": [version]}
    definition = {"metadata": {"name": "foos.ex.org"}, "spec": spec}

    async def talk(client: Client) -> None:
        path = "/apis/ex.org/v1/foos/{name}"
        assert path not in (await client.ok("GET", "/openapi/v2"))["paths"]
        await client.ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        assert path in (await client.ok("GET", "/openapi/v2"))["paths"]

    converse(tmp_path, talk)
