"""Discovery, versions, OpenAPI: what clients read before they ask for anything."""

from __future__ import annotations

import pytest

from tests.contract.client import Api

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
SHORT = {
    "services": "svc",
    "pods": "po",
    "nodes": "no",
    "namespaces": "ns",
    "configmaps": "cm",
    "events": "ev",
}
GROUPS = {
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
}


def test_version(api: Api) -> None:
    version = api.get("/version")
    assert version["major"] == "1"
    assert version["gitVersion"].startswith(f"v1.{version['minor'].rstrip('+')}.")


def test_groups(api: Api) -> None:
    assert api.get("/api")["versions"] == ["v1"]
    groups = api.get("/apis")
    assert groups["kind"] == "APIGroupList"
    assert {group["name"] for group in groups["groups"]} >= GROUPS


@pytest.mark.parametrize(("plural", "short"), SHORT.items())
def test_short_names(api: Api, plural: str, short: str) -> None:
    resources = {r["name"]: r for r in api.get("/api/v1")["resources"]}
    assert short in resources[plural]["shortNames"]


def test_verbs_and_subresources(api: Api) -> None:
    resources = {r["name"]: r for r in api.get("/api/v1")["resources"]}
    pods = resources["pods"]
    assert (pods["namespaced"], pods["kind"], pods["singularName"]) == (True, "Pod", "pod")
    every = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
    assert set(pods["verbs"]) == every
    assert {"pods/status", "pods/log", "pods/exec", "pods/binding", "pods/eviction"} <= set(resources)
    assert (resources["pods/eviction"]["group"], resources["pods/eviction"]["kind"]) == ("policy", "Eviction")
    assert "deletecollection" not in resources["namespaces"]["verbs"]


def test_aggregated_discovery_says_the_same(api: Api) -> None:
    answer = api.send("GET", "/apis", headers={"Accept": f"{AGGREGATED},application/json"})
    assert answer.headers["content-type"].startswith(AGGREGATED)
    assert answer.body["kind"] == "APIGroupDiscoveryList"
    found = {
        (item["metadata"]["name"], version["version"]): {r["resource"] for r in version["resources"]}
        for item in answer.body["items"]
        for version in item["versions"]
    }
    assert {group for group, _ in found} >= GROUPS
    for (group, version), plurals in found.items():
        listed = api.get(f"/apis/{group}/{version}")["resources"]
        assert plurals == {r["name"] for r in listed if "/" not in r["name"]}
        assert plurals, "a version without resources defeats the cache of kubectl"


def test_openapi_documents_are_named_by_their_hash_and_may_be_kept(api: Api) -> None:
    index = api.get("/openapi/v3")["paths"]
    url = index["apis/apps/v1"]["serverRelativeURL"]
    assert "hash=" in url
    answer = api.send("GET", url)
    assert answer.headers["etag"]
    assert "immutable" in answer.headers["cache-control"]
    patch = answer.body["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health(api: Api, path: str) -> None:
    assert api.get(path) == "ok"
    assert "check passed" in api.get(path, verbose="")
