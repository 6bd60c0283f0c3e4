"""What a definition of custom resources makes of the server's table of contents."""

from __future__ import annotations

from typing import Any

from lab.pocket.apiserver.processing import FREE, schema_of
from lab.pocket.apiserver.registry import custom_resources

SCHEMA = {"type": "object", "properties": {"spec": {"type": "object"}}}


def definition(*versions: dict[str, Any]) -> dict[str, Any]:
    names = {"plural": "foos", "kind": "Foo"}
    served = [{"served": True, "storage": not index, **one} for index, one in enumerate(versions)]
    return {
        "spec": {"group": "ex.org", "scope": "Namespaced", "names": names, "versions": served},
        "status": {},
    }


def test_a_version_has_one_schema_and_not_the_published_one():
    version = {"name": "v1", "schema": {"openAPIV3Schema": SCHEMA}}
    (resource,) = custom_resources(definition(version))
    assert schema_of(resource) is schema_of(resource)
    assert (schema_of(resource).root, schema_of(resource).root is SCHEMA) == (SCHEMA, False)


def test_a_version_without_a_schema_takes_anything():
    (resource,) = custom_resources(definition({"name": "v1"}))
    assert schema_of(resource).root == FREE.root
