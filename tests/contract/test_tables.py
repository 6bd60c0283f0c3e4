"""Tables: what `kubectl get` prints."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.client import Api, Json

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
SERVICE: Json = {"spec": {"ports": [{"port": 80}], "selector": {"app": "x"}}}
POD: Json = {"spec": {"schedulerName": "nobody", "containers": [{"name": "c", "image": "i"}]}}
TEMPLATE: Json = {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]}
DEPLOYMENT: Json = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "replicas": 0, "template": TEMPLATE}}
NAMED = "/apis/{group}/namespaces/{namespace}/{plural}"


def columns(table: Json, *, wide: bool = False) -> list[str]:
    return [c["name"] for c in table["columnDefinitions"] if wide or not c["priority"]]


def cells(table: Json) -> dict[str, Any]:
    names = [c["name"] for c in table["columnDefinitions"]]
    return dict(zip(names, table["rows"][0]["cells"], strict=True))


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("api/v1/configmaps", {"data": {"k": "v"}}, {"Name": "x", "Data": 1}),
        ("api/v1/secrets", {}, {"Name": "x", "Type": "Opaque", "Data": 0}),
        (
            "api/v1/services",
            SERVICE,
            {"Name": "x", "Type": "ClusterIP", "External-IP": "<none>", "Port(s)": "80/TCP"},
        ),
        ("api/v1/pods", POD, {"Name": "x", "Ready": "0/1", "Status": "Pending"}),
        ("apis/apps/v1/deployments", DEPLOYMENT, {"Name": "x", "Ready": "0/0", "Available": 0}),
        (
            "apis/discovery.k8s.io/v1/endpointslices",
            {"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"]}], "ports": [{"port": 80}]},
            {"Name": "x", "AddressType": "IPv4", "Ports": "80", "Endpoints": "192.0.2.1"},
        ),
    ],
    ids=lambda value: value.rpartition("/")[2] if isinstance(value, str) else "",
)
def test_a_kind_has_its_columns(api: Api, namespace: str, path: str, body: Json, expected: Json) -> None:
    version, _, plural = path.rpartition("/")
    collection = f"/{version}/namespaces/{namespace}/{plural}"
    api.create(collection, {"metadata": {"name": "x"}, **body})
    table = api.ok("GET", collection, headers=TABLE, fieldSelector="metadata.name=x")
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert int(table["metadata"]["resourceVersion"]) > 0
    assert expected.items() <= cells(table).items()
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    one = api.ok("GET", f"{collection}/x", headers=TABLE)
    assert columns(one) == columns(table)


def test_services_have_more_columns_when_wide(api: Api, core: str) -> None:
    api.create(f"{core}/services", {"metadata": {"name": "x"}, **SERVICE})
    table = api.ok("GET", f"{core}/services", headers=TABLE)
    assert columns(table) == ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"]
    assert columns(table, wide=True) == [*columns(table), "Selector"]


@pytest.mark.parametrize(
    ("include", "kind"), [("Object", "ConfigMap"), ("Metadata", "PartialObjectMetadata")]
)
def test_rows_hold_what_is_asked_for(api: Api, core: str, include: str, kind: str) -> None:
    api.create(f"{core}/configmaps", {"metadata": {"name": "x"}})
    table = api.ok("GET", f"{core}/configmaps/x", headers=TABLE, includeObject=include)
    assert table["rows"][0]["object"]["kind"] == kind
