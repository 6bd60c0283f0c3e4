"""OpenAPI v2 says of every kind that its patches take `fieldValidation`, in JSON and in gnostic's protobuf."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from lab.pocket.api import openapi_v2
from lab.pocket.api.openapi import Served

VERSION = "v1.36.2"
EVERY = ("create", "get", "list", "patch")
RESOURCES = [
    Served(group="", version="v1", plural="nodes", kind="Node", namespaced=False, verbs=EVERY),
    Served(group="apps", version="v1", plural="deployments", kind="Deployment", namespaced=True, verbs=EVERY),
    Served(group="a.io", version="v1", plural="foos", kind="Foo", namespaced=True, verbs=EVERY, schema={}),
    Served(
        group="", version="v1", plural="pods/eviction", kind="Eviction", namespaced=True, verbs=("create",)
    ),
]
FOO = "/apis/a.io/v1/namespaces/{namespace}/foos/{name}"
PATHS = {
    "/api/v1/nodes/{name}": RESOURCES[0],
    FOO: RESOURCES[2],
    "/apis/apps/v1/namespaces/{namespace}/deployments/{name}": RESOURCES[1],
}


def varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while data[at] & 0x80:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the number and value of each field of a message: bytes, or an integer."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        size, at = varint(data, at)
        if key & 7 == 0:
            yield key >> 3, size
        else:
            yield key >> 3, data[at : at + size]
            at += size
    assert at == len(data)


def within(data: bytes, *numbers: int) -> list[Any]:
    """Return the values of the field at the end of a path of field numbers."""
    values: list[Any] = [data]
    for number in numbers:
        values = [inner for value in values for found, inner in fields(value) if found == number]
    return values


@pytest.fixture(scope="module")
def swagger() -> dict[str, Any]:
    return openapi_v2.document(RESOURCES, version=VERSION)


def test_every_patch_of_an_object_takes_field_validation(swagger):
    assert list(swagger["paths"]) == list(PATHS)
    for path, resource in PATHS.items():
        patch = swagger["paths"][path]["patch"]
        assert patch["x-kubernetes-group-version-kind"] == resource.gvk
        assert {"name": "fieldValidation", "in": "query", "type": "string"} in patch["parameters"]


def test_a_path_names_its_parameters(swagger):
    place = {"in": "path", "required": True, "type": "string"}
    assert swagger["paths"][FOO]["parameters"] == [{"name": "namespace", **place}, {"name": "name", **place}]


def test_protobuf_says_the_same(swagger):
    data = openapi_v2.encode(swagger)
    assert (within(data, 1), within(data, 2, 1), within(data, 2, 2)) == (
        [b"2.0"],
        [b"Kubernetes"],
        [VERSION.encode()],
    )
    assert [path.decode() for path in within(data, 8, 2, 1)] == list(PATHS)
    for item, (path, resource) in zip(within(data, 8, 2, 2), PATHS.items(), strict=True):
        patch = swagger["paths"][path]["patch"]
        extensions = dict(zip(within(item, 8, 13, 1), within(item, 8, 13, 2, 2), strict=True))
        assert orjson.loads(extensions[b"x-kubernetes-group-version-kind"]) == resource.gvk
        query = within(item, 8, 8, 1, 2, 3)
        assert [dict(fields(one)) for one in query] == [
            {2: b"query", 4: one["name"].encode(), 6: b"string"} for one in patch["parameters"]
        ]
        placed = [dict(fields(one)) for one in within(item, 9, 1, 2, 4)]
        assert placed == [
            {1: 1, 2: b"path", 4: one["name"].encode(), 5: b"string"}
            for one in swagger["paths"][path]["parameters"]
        ]
        assert within(item, 8, 9, 1, 1) == [b"200"]
        assert [kind.decode() for kind in within(item, 8, 7)] == patch["consumes"]
