"""OpenAPI documents hold what kubectl looks for, and nothing that points nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.pocket.api import openapi, schema

ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
VERSION = "v1.36.2+pocket"


def served(group: str, plural: str, kind: str, **more: Any) -> openapi.Served:
    return openapi.Served(**{
        "group": group, "version": "v1", "plural": plural, "kind": kind, "namespaced": True, "verbs": ALL, **more,
    })  # fmt: skip


THING = {
    "type": "object",
    "description": "Thing is a thing.",
    "properties": {"spec": {"type": "object", "description": "What."}},
}
DOCUMENTS = {
    "core": [
        served("", "pods", "Pod"),
        served("", "pods/status", "Pod", verbs=("get", "patch", "update")),
        served("", "nodes", "Node", namespaced=False),
        served("", "pods/eviction", "Eviction", kind_group="policy", verbs=("create",)),
    ],
    "apps": [served("apps", "deployments", "Deployment"), served("apps", "deployments/scale", "Scale", kind_group="autoscaling", verbs=("get", "patch", "update"))],
    "extensions": [served("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)],
    "custom": [served("lab.io", "things", "Thing", schema=THING)],
}  # fmt: skip
EVERY = [pytest.param(resources, id=name) for name, resources in DOCUMENTS.items()]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@pytest.mark.parametrize("resources", EVERY)
def test_every_reference_leads_somewhere(resources: list[openapi.Served]) -> None:
    document = openapi.document(resources, version=VERSION)
    found = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert found
    assert found <= document["components"]["schemas"].keys()


@pytest.mark.parametrize("resources", EVERY)
def test_kubectl_finds_field_validation_and_kinds(resources: list[openapi.Served]) -> None:
    document = openapi.document(resources, version=VERSION)
    patches = [item["patch"] for item in document["paths"].values() if "patch" in item]
    assert patches
    assert all("fieldValidation" in [one["name"] for one in patch["parameters"]] for patch in patches)
    described = [
        gvk
        for node in document["components"]["schemas"].values()
        for gvk in node.get("x-kubernetes-group-version-kind", ())
    ]
    assert all(resource.gvk in described for resource in resources)


@pytest.mark.parametrize("resources", EVERY)
def test_own_flags_are_not_published(resources: list[openapi.Served]) -> None:
    text = str(openapi.document(resources, version=VERSION))
    assert not [
        flag for flag in ("x-always", "x-pointer", "x-go", "x-either", "x-name", "micro-time") if flag in text
    ]


def test_paths_of_a_namespaced_kind() -> None:
    paths = openapi.document(DOCUMENTS["core"], version=VERSION)["paths"]
    methods = {path: sorted(item.keys() - {"parameters"}) for path, item in paths.items()}
    pods = "/api/v1/namespaces/{namespace}/pods"
    assert methods[pods] == ["delete", "get", "post"]
    assert methods[f"{pods}/{{name}}"] == ["delete", "get", "patch", "put"]
    assert methods[f"{pods}/{{name}}/status"] == ["get", "patch", "put"]
    assert methods[f"{pods}/{{name}}/eviction"] == ["post"]
    assert methods["/api/v1/pods"] == ["get"]
    assert methods["/api/v1/nodes/{name}"] == ["delete", "get", "patch", "put"]


def test_explain_finds_prose_and_types() -> None:
    schemas = openapi.document(DOCUMENTS["core"], version=VERSION)["components"]["schemas"]
    pod = schemas["io.k8s.api.core.v1.Pod"]
    assert pod["description"].startswith("Pod is a collection of containers")
    assert pod["properties"]["spec"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"}]
    assert pod["properties"]["spec"]["description"].startswith("Specification of the desired behavior")
    assert schemas["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["format"] == "int-or-string"
    custom = openapi.document(DOCUMENTS["custom"], version=VERSION)["components"]["schemas"][
        "io.lab.v1.Thing"
    ]
    assert custom["description"] == "Thing is a thing."
    assert {*custom["properties"]} == {"spec", "apiVersion", "kind", "metadata"}


def test_the_fingerprint_follows_the_schema() -> None:
    same = [served("lab.io", "things", "Thing", schema=dict(THING))]
    other = [served("lab.io", "things", "Thing", schema={**THING, "description": "Another."})]
    assert openapi.fingerprint(DOCUMENTS["custom"]) == openapi.fingerprint(same) != openapi.fingerprint(other)


def test_a_crd_schema_that_went_through_processing_is_published_without_marks() -> None:
    marked = {"type": "object", "properties": {"spec": {"type": "object"}}}
    schema.process({"spec": {}}, schema.from_crd(marked))
    text = str(openapi.document([served("lab.io", "things", "Thing", schema=marked)], version=VERSION))
    assert "x-has-rules" not in text
