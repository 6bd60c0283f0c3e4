"""CustomResourceDefinitions: served at once, with schemas, defaults, pruning, versions, status, scale, columns."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest

from tests.contract.client import MERGE, SECONDS, Api, Json, eventually

WIDGET_SPEC: Json = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "replicas": {"type": "integer"},
        "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "port": {"x-kubernetes-int-or-string": True},
    },
}
SCHEMA: Json = {
    "type": "object",
    "properties": {
        "spec": WIDGET_SPEC,
        "status": {
            "type": "object",
            "properties": {"ready": {"type": "boolean"}, "replicas": {"type": "integer"}},
        },
    },
}


def version(name: str, *, storage: bool) -> Json:
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": SCHEMA},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        },
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
    }


def definition(group: str) -> Json:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]},
            "versions": [version("v1", storage=True), version("v1beta1", storage=False)],
        },
    }


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def group(api: Api) -> Iterator[str]:
    """A group of its own with the resource `widgets`, ready to be used."""
    name = f"g{uuid.uuid4().hex[:8]}.example.com"
    api.create(CRDS, definition(name))
    deadline = time.monotonic() + SECONDS
    while api.send("GET", f"/apis/{name}/v1/widgets").code != 200:
        assert time.monotonic() < deadline, "the custom resource is not served"
        time.sleep(0.1)
    yield name
    api.send("DELETE", f"{CRDS}/widgets.{name}")


@pytest.fixture
def widgets(group: str, namespace: str) -> str:
    return f"/apis/{group}/v1/namespaces/{namespace}/widgets"


def widget(group: str, name: str, **spec: object) -> Json:
    return {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def test_it_is_established_under_its_names(api: Api, group: str) -> None:
    status = api.get(f"{CRDS}/widgets.{group}")["status"]
    conditions = {c["type"]: c["status"] for c in status["conditions"]}
    assert (conditions["Established"], conditions["NamesAccepted"]) == ("True", "True")
    assert status["acceptedNames"]["listKind"] == "WidgetList"
    assert status["acceptedNames"]["singular"] == "widget"
    assert status["storedVersions"] == ["v1"]


def test_discovery_lists_it(api: Api, group: str) -> None:
    resources = {r["name"]: r for r in api.get(f"/apis/{group}/v1")["resources"]}
    assert set(resources) == {"widgets", "widgets/status", "widgets/scale"}
    assert resources["widgets"]["shortNames"] == ["wd"]
    assert (resources["widgets/scale"]["group"], resources["widgets/scale"]["kind"]) == (
        "autoscaling",
        "Scale",
    )
    versions = [v["version"] for v in api.get(f"/apis/{group}")["versions"]]
    assert versions == ["v1", "v1beta1"]


def test_openapi_describes_it(api: Api, group: str) -> None:
    entry = eventually(
        lambda: api.get("/openapi/v3")["paths"].get(f"apis/{group}/v1"), "the group's document"
    )
    document = api.get(entry["serverRelativeURL"])
    assert any("widgets" in path for path in document["paths"])


def test_defaults_are_written_and_the_unknown_is_pruned(api: Api, group: str, widgets: str) -> None:
    body = widget(group, "a", size=3, unknown=1, anything={"deep": [{"kept": True}]})
    created = api.create(widgets, body)
    assert created["spec"] == {"size": 3, "colour": "red", "anything": {"deep": [{"kept": True}]}}
    assert created["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.size"),
        ({"size": 0}, "spec.size"),
        ({"size": 11}, "spec.size"),
        ({"size": "3"}, "spec.size"),
        ({"size": 3, "colour": "green"}, "spec.colour"),
        ({"size": 3, "port": True}, "spec.port"),
    ],
)
def test_what_breaks_the_schema_is_invalid(
    api: Api, group: str, widgets: str, spec: Json, field: str
) -> None:
    answer = api.send("POST", widgets, widget(group, "a", **spec))
    assert answer.refusal == (422, "Invalid")
    assert answer.body["message"].startswith("Widget.")
    assert '"a" is invalid: ' in answer.body["message"]
    assert field in {cause["field"] for cause in answer.body["details"]["causes"]}


def test_unknown_fields_are_refused_when_asked(api: Api, group: str, widgets: str) -> None:
    answer = api.send("POST", widgets, widget(group, "a", size=1, what=1), fieldValidation="Strict")
    assert answer.refusal == (400, "BadRequest")
    assert 'unknown field "spec.what"' in answer.body["message"]


def test_status_and_spec_are_written_apart(api: Api, group: str, widgets: str) -> None:
    created = api.create(widgets, {**widget(group, "a", size=1), "status": {"ready": True}})
    assert "status" not in created
    changed = {**created, "status": {"ready": True}, "spec": {"size": 9}}
    status = api.ok("PUT", f"{widgets}/a/status", changed)
    assert status["status"] == {"ready": True}
    assert status["spec"]["size"] == 1
    assert status["metadata"]["generation"] == 1
    spec = api.patch(f"{widgets}/a", {"spec": {"size": 2}, "status": {"ready": False}})
    assert (spec["spec"]["size"], spec["status"], spec["metadata"]["generation"]) == (2, {"ready": True}, 2)


def test_replicas_can_be_scaled(api: Api, group: str, widgets: str) -> None:
    api.create(widgets, widget(group, "a", size=1, replicas=2))
    scale = api.get(f"{widgets}/a/scale")
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 2})
    scaled = api.patch(f"{widgets}/a/scale", {"spec": {"replicas": 5}})
    assert scaled["spec"]["replicas"] == 5
    assert api.get(f"{widgets}/a")["spec"]["replicas"] == 5


def test_an_object_can_be_had_in_every_version(api: Api, group: str, widgets: str) -> None:
    api.create(widgets, widget(group, "a", size=1))
    other = widgets.replace("/v1/", "/v1beta1/")
    assert api.get(f"{other}/a")["apiVersion"] == f"{group}/v1beta1"
    listed = api.get(other)
    assert (listed["apiVersion"], listed["kind"]) == (f"{group}/v1beta1", "WidgetList")
    assert listed["items"][0]["apiVersion"] == f"{group}/v1beta1"
    changed = api.patch(f"{other}/a", {"spec": {"size": 4}})
    assert changed["apiVersion"] == f"{group}/v1beta1"
    assert api.get(f"{widgets}/a")["spec"]["size"] == 4


def test_an_update_must_name_its_version(api: Api, group: str, widgets: str) -> None:
    api.create(widgets, widget(group, "a", size=1))
    answer = api.send("PUT", f"{widgets}/a", widget(group, "a", size=2))
    assert answer.refusal == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == "metadata.resourceVersion"


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"name": "other.example.com"}},
        {"spec": {"versions": []}},
        {"spec": {"versions": [version("v1", storage=False)]}},
        {
            "spec": {
                "versions": [
                    {**version("v1", storage=True), "schema": {"openAPIV3Schema": {"type": "array"}}}
                ]
            }
        },
        {"spec": {"versions": [{**version("v1", storage=True), "schema": None}]}},
    ],
    ids=["name", "no-version", "no-storage", "not-an-object", "no-schema"],
)
def test_definitions_that_make_no_sense_are_invalid(api: Api, change: Json) -> None:
    body = definition("wrong.example.com")
    body = {
        key: value | change.get(key, {}) if isinstance(value, dict) else value for key, value in body.items()
    }
    answer = api.send("POST", CRDS, body)
    assert answer.refusal == (422, "Invalid"), answer


def test_when_it_goes_its_objects_go(api: Api, namespace: str) -> None:
    group = f"g{uuid.uuid4().hex[:8]}.example.com"
    api.create(CRDS, definition(group))
    path, deadline = f"/apis/{group}/v1/namespaces/{namespace}/widgets", time.monotonic() + SECONDS
    while api.send("POST", path, widget(group, "a", size=1)).code != 201:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    api.ok("DELETE", f"{CRDS}/widgets.{group}")
    while api.send("GET", f"{CRDS}/widgets.{group}").code != 404 or api.send("GET", path).code != 404:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_whoever_writes_its_status_cannot_take_it_away(api: Api, group: str, widgets: str) -> None:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}"
    written = {"status": {"conditions": [], "acceptedNames": {"plural": "x", "kind": "X"}}}
    api.send("PATCH", f"{path}/status", written, headers={"Content-Type": MERGE})

    def restored() -> bool:
        status = api.get(path)["status"]
        established = {"Established"} & {each["type"] for each in status["conditions"]}
        return bool(established) and status["acceptedNames"]["plural"] == "widgets"

    eventually(restored, "the status")
    eventually(lambda: api.send("GET", widgets).code == 200, "the resource")
